"""Real image sets whose parts are known: which photographs show one part, and the defective ones."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.errors import ImageRefused
from app.imaging.folders import list_images, read_photograph
from bench.bursts import SHOTS, burst
from bench.datasets import elpv_split, spread
from core.input.photograph import Image, InputConfig

SHARED = Path(__file__).resolve().parents[2] / "shared"
SEED = 0


@dataclass(frozen=True)
class PartSet:
    """good: files, each with the part it shows; defective: files. burst: each good file is shot several times."""

    name: str
    good: tuple[tuple[Path, str], ...]
    defective: tuple[Path, ...]
    burst: bool = False

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
    """Those at hand, each as it is and in bursts: mtd by tile, solar cells, toys."""
    known: list[tuple[str, Callable[[], tuple[list[tuple[Path, str]], list[Path]]]]] = [("elpv-mono", _elpv)]
    if (SHARED / "data").is_dir():
        known += [("mtd", _mtd), ("toys", _toys)]
    found = []
    for name, files in known:
        good, defective = files()
        bad = tuple(spread(defective, sizes.defects))
        found.append(PartSet(name, _some(good, sizes.parts, sizes.shots), bad))
        found.append(PartSet(f"{name}, bursts", _some(good, sizes.burst_parts, 1), bad, burst=True))
    return found


def _some(good: list[tuple[Path, str]], parts: int, most: int) -> tuple[tuple[Path, str], ...]:
    """So many parts, evenly spread, each of its first ``most`` files."""
    by_part: dict[str, list[Path]] = {}
    for path, part in good:
        by_part.setdefault(part, []).append(path)
    return tuple((path, part) for part in spread(sorted(by_part), parts) for path in by_part[part][:most])


def _elpv() -> tuple[list[tuple[Path, str]], list[Path]]:
    split = elpv_split()
    return [(path, path.stem) for path in sorted(split.train + split.test_good)], sorted(split.defective)


def _mtd() -> tuple[list[tuple[Path, str]], list[Path]]:
    folder = SHARED / "data" / "mtd"
    rows = list(csv.reader((folder / "parts.csv").read_text().splitlines()))[1:]
    good = [(folder / name, part) for name, part in sorted(rows) if "/good/" in name]
    return good, [folder / name for name, _ in sorted(rows) if "/good/" not in name]


def _toys() -> tuple[list[tuple[Path, str]], list[Path]]:
    folder = SHARED / "data" / "toys"
    good = [path for part in ("train", "test") for path in list_images(folder / part / "good")]
    defective = [
        path
        for kind in sorted((folder / "test").iterdir())
        if kind.is_dir() and kind.name != "good"
        for path in list_images(kind)
    ]
    return [(path, str(path.relative_to(folder))) for path in good], defective


def _read(path: Path) -> Image:
    read = read_photograph(path, InputConfig())
    if isinstance(read, ImageRefused):
        raise read
    return read.pixels
