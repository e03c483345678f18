"""Photographs of a build as the bank will see them: each read and, with registration, brought onto a reference.

A photograph whose part is not located is left out and named; a build stops once too many are.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from app.errors import ImageRefused, ImageUnreadable
from core.bank import check_image_name
from core.config import DetectorConfig
from core.errors import ShapeError
from core.input.photograph import Photograph
from core.input.views import View, view_of
from core.parallel import read_ahead
from core.registration import Reference, choose_reference
from core.registration.location import unsure
from core.registration.reference import check_located

Named = tuple[str, Callable[[], Photograph]]
"""An image's name in the bank, and what reads it, on another thread."""


class Seen(NamedTuple):
    """One image. found: its view, or why it cannot be read. lost: why its part is not located, if it is not."""

    name: str
    found: View | ImageRefused
    lost: str | None = None


@dataclass(frozen=True)
class Registering:
    """mean: what fills in beside a photograph, of [0, 1]. reference: None without registration."""

    config: DetectorConfig
    mean: tuple[float, float, float]
    reference: Reference | None = None
    lost: list[str] = field(default_factory=list)

    @classmethod
    def over(
        cls, images: Sequence[Named], config: DetectorConfig, mean: tuple[float, float, float]
    ) -> Registering:
        """With the reference of these images, if parts are to be registered. Raises RegistrationError."""
        if not config.registration.on:
            return cls(config, mean)
        readable = [(image[0], partial(_photograph, image)) for image in images]
        reference = choose_reference(readable, config.registration, config.input.mask, config.seed)
        return cls(config, mean, reference)

    def seen(self, images: Sequence[Named]) -> Generator[Seen, None, None]:
        """Every image in its order, read ahead. Raises RegistrationError once too many are not located."""
        with closing(self.views(images)) as views:
            for seen in views:
                if seen.lost is not None:
                    self.lose(seen.name, len(images))
                yield seen

    def views(self, images: Sequence[Named]) -> Generator[Seen, None, None]:
        """Every image in its order, read ahead, however many are not located."""
        with closing(read_ahead(self._view, images)) as views:
            for (name, _), found in zip(images, views, strict=True):
                yield Seen(name, found, self._lost(found) if isinstance(found, View) else None)

    def lose(self, name: str, count: int) -> None:
        """One of ``count`` images is not located. Raises RegistrationError once they are too many."""
        self.lost.append(name)
        if self.reference is not None:
            check_located(count - len(self.lost), count, self.reference.name, self.reference.method)

    def notice(self, count: int) -> str | None:
        """What a person should know of those that were left out of ``count``, as a sentence."""
        if not self.lost:
            return None
        share = f"{len(self.lost):,} of {count:,} photographs show a part that is not located"
        return f"{share}; they are not learned, and parts like them will be rejected beyond the false-reject target."

    def _view(self, image: Named) -> View | ImageRefused:
        found = _read(image)
        if isinstance(found, ImageRefused):
            return found
        return view_of(found, self.config, self.mean, self.reference)

    def _lost(self, view: View) -> str | None:
        return None if view.location is None else view.location.refusal or unsure(view.location)


def _photograph(image: Named) -> Photograph | None:
    found = _read(image)
    return None if isinstance(found, ImageRefused) else found


def _read(image: Named) -> Photograph | ImageRefused:
    name, read = image
    try:
        check_image_name(name)
        return read()
    except ShapeError as error:
        return ImageUnreadable(error.requirement, error.received, error.remedy)
    except ImageRefused as error:
        return error
