"""Real image sets whose parts are known: which photographs show one part, and the defective ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.errors import ImageRefused
from app.imaging.folders import list_images, read_photograph
from bench.bursts import SHOTS, burst
from bench.datasets import SHARED, elpv_split, shown_parts, spread
from core.input.photograph import Image, InputConfig

SEED = 0

Files = list[tuple[Path, str]]
"""Files, each with the part it shows."""


@dataclass(frozen=True)
class PartSet:
    """good: files, each with the part it shows; defective: files. burst: each good file is shot several times."""

    name: str
    good: tuple[tuple[Path, str], ...]
    defective: tuple[Path, ...]
    burst: bool = False

    @property
    def count(self) -> int:
        """Parts."""
        return len({part for _, part in self.good})

    def photographs(self) -> Iterator[tuple[Image, str]]:
        """Good photographs with their parts, in a fixed order."""
        rng = np.random.default_rng(SEED)
        for path, part in self.good:
            image = _read(path)
            for shot in (
                burst(image, int(rng.integers(SHOTS[0], SHOTS[1] + 1)), rng) if self.burst else [image]
            ):
                yield shot, part

    def defects(self) -> Iterator[Image]:
        """Defective photographs, as they are."""
        return map(_read, self.defective)


@dataclass(frozen=True)
class Sizes:
    """How much of a set is taken. parts: at most, each of at most ``shots`` files; burst_parts; defects: at most."""

    parts: int
    shots: int
    burst_parts: int
    defects: int


def part_sets(sizes: Sizes) -> list[PartSet]:
    """Those at hand, each as it is and in bursts."""
    found = []
    for name, files in at_hand().items():
        good, defective = files()
        bad = tuple(spread([path for path, _ in defective], sizes.defects))
        found.append(PartSet(name, _some(good, sizes.parts, sizes.shots), bad))
        found.append(PartSet(f"{name}, bursts", _some(good, sizes.burst_parts, 1), bad, burst=True))
    return found


def at_hand() -> dict[str, Callable[[], tuple[Files, Files]]]:
    """What lists a set's good and its defective files, by the set's name: solar cells, mtd by tile, toys."""
    known: dict[str, Callable[[], tuple[Files, Files]]] = {"elpv-mono": _elpv}
    return known | ({"mtd": _mtd, "toys": _toys} if (SHARED / "data").is_dir() else {})


def _some(good: list[tuple[Path, str]], parts: int, most: int) -> tuple[tuple[Path, str], ...]:
    """So many parts, evenly spread, each of its first ``most`` files."""
    by_part: dict[str, list[Path]] = {}
    for path, part in good:
        by_part.setdefault(part, []).append(path)
    return tuple((path, part) for part in spread(sorted(by_part), parts) for path in by_part[part][:most])


def _elpv() -> tuple[Files, Files]:
    split = elpv_split()
    good, defective = sorted(split.train + split.test_good), sorted(split.defective)
    return [(path, path.stem) for path in good], [(path, path.stem) for path in defective]


def _mtd() -> tuple[Files, Files]:
    folder = SHARED / "data" / "mtd"
    files = [(folder / name, part) for name, part in sorted(shown_parts(folder).items())]
    return [each for each in files if each[0].parent.name == "good"], [
        each for each in files if each[0].parent.name != "good"
    ]


def _toys() -> tuple[Files, Files]:
    folder = SHARED / "data" / "toys"
    good = [path for part in ("train", "test") for path in list_images(folder / part / "good")]
    kinds = sorted(kind for kind in (folder / "test").iterdir() if kind.is_dir() and kind.name != "good")
    defective = [path for kind in kinds for path in list_images(kind)]
    named = [[(path, str(path.relative_to(folder))) for path in each] for each in (good, defective)]
    return named[0], named[1]


def _read(path: Path) -> Image:
    read = read_photograph(path, InputConfig())
    if isinstance(read, ImageRefused):
        raise read
    return read.pixels
