"""Image files -> what a person should look at before they are learned: the one path of screenings, whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from app.errors import ImageRefused, ImageUnreadable
from app.imaging.decode import DEFAULT_LIMITS, ImageLimits, decode_photograph
from app.imaging.folders import named, read_file
from app.learning.learn import Hooks, build_with, regrouped
from app.learning.likeness import dark_kinds
from core.build import Build, BuildLimits
from core.config import EXPECTED_SUSPECTS, DetectorConfig, InputConfig
from core.errors import TooFewImages
from core.groups import Groups
from core.input.photograph import Photograph
from core.parallel import read_ahead
from core.screening.mixture import Kind
from core.screening.screening import Screening, check_expected, screen, screening_config
from models.backbone import Backbone
from nominal_client.litter import LeftOut

Source = tuple[str, Callable[[], bytes]]
"""An image's name in what is reported, and what reads its file, on another thread; that may raise an ImageRefused."""


@dataclass(frozen=True, eq=False)
class Screened:
    """A screening and what was seen of its files.

    unreadable: (name, reason) of images that were left aside. left_out: files that were never taken for images. dark:
    images whose highest bits are unused, by the bits they use.
    """

    found: Screening
    unreadable: tuple[tuple[str, str], ...]
    left_out: tuple[LeftOut, ...]
    dark: tuple[Kind, ...]
    settings: dict[str, Any]

    def document(self) -> dict[str, Any]:
        """As plain JSON; the same images, settings and seed give the same document, byte for byte."""
        core, name = self.found.document(), self.found.names
        return {
            **core,
            "says": [*core["says"], *self._notices()],
            "unused_bits": [
                {"what": kind.what, "images": [name[i] for i in kind.images]} for kind in self.dark
            ],
            "unreadable": [{"image": image, "reason": reason} for image, reason in self.unreadable],
            "left_out": [asdict(each) for each in self.left_out],
            "settings": self.settings,
        }

    def _notices(self) -> list[str]:
        found = [f"Read as dark, with {kind.what}: {len(kind.images):,}." for kind in self.dark]
        if self.unreadable:
            found.append(f"Left aside because they cannot be read: {len(self.unreadable):,}.")
        if self.left_out:
            found.append(f"Files that are not images to read: {sum(each.files for each in self.left_out):,}.")
        return found


def screened(
    images: Sequence[Source],
    backbone: Backbone,
    config: DetectorConfig,
    hooks: Hooks | None = None,
    limits: BuildLimits | None = None,
    groups: Groups | None = None,
    expected: float = EXPECTED_SUSPECTS,
    left_out: Sequence[LeftOut] = (),
    image_limits: ImageLimits = DEFAULT_LIMITS,
) -> Screened:
    """Look over a nominal set as ``core.screening.screening.screen`` does, its files in their order.

    config: of the bank to be; its rates do not count. groups: which of ``images`` show one part; None finds them by
    likeness. An image that cannot be read is named and left aside. Raises ConfigError for a share outside (0, 1),
    TooFewImages for fewer than two that can be read, OneGroup, AllDuplicates, MemoryBudgetError, Cancelled.
    """
    hooks, config = hooks or Hooks(), screening_config(config)
    check_expected(expected)
    _check_count(len(images), 0)
    bits: list[tuple[int, int] | None] = []
    kept: list[int] = []
    unreadable: list[tuple[str, str]] = []

    def readable() -> Iterator[tuple[str, Photograph]]:
        with closing(read_ahead(partial(_read, config.input, image_limits), images)) as found:
            for i, ((name, _), read) in enumerate(zip(images, found, strict=True)):
                if isinstance(read, ImageRefused):
                    unreadable.append((name, str(read)))
                    hooks.say(f"Left aside {name}: {read}")
                    _check_count(len(images), len(unreadable))
                else:
                    kept.append(i)
                    bits.append(read.bits)
                    yield name, read

    build = build_with(backbone, config, hooks, limits)
    parts = None if groups is None else lambda: regrouped(groups, kept)
    found = screen(build, readable(), len(images), parts, expected)
    return Screened(found, tuple(unreadable), tuple(left_out), dark_kinds(bits), _settings(build, backbone))


def file_sources(
    paths: Sequence[Path], names: Sequence[str], limits: ImageLimits = DEFAULT_LIMITS
) -> list[Source]:
    """Image files under these names."""
    return [(name, partial(read_file, path, limits)) for name, path in zip(names, paths, strict=True)]


def _read(config: InputConfig, limits: ImageLimits, image: Source) -> Photograph | ImageRefused:
    name, read = image
    try:
        return decode_photograph(read(), config, limits)
    except ImageRefused as error:
        return error if isinstance(error, ImageUnreadable) else named(error, name)


def _settings(build: Build, backbone: Backbone) -> dict[str, Any]:
    """What the result depends on besides the images."""
    return {"backbone": backbone.spec.name, "weights": backbone.digest, "config": build.config.to_json()}


def _check_count(images: int, unreadable: int) -> None:
    if images - unreadable < 2:
        raise TooFewImages(
            requirement="a screening needs at least two images that can be read",
            received=f"{images:,}, of which {unreadable:,} cannot be read"
            if unreadable
            else f"{images or 'none'}",
            remedy="add photographs of good parts; hundreds of parts show what is usual among them",
        )
