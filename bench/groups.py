"""Are photographs of one part told to show one part? Groups found in real sets, and in bursts made from them.

``python -m bench.groups`` takes the sets that are at hand, each with every backbone: how many groups were found, how
many pairs of photographs that show one part are in one group, how many pairs in one group show different parts, and
the processor seconds beside the features. ``--toy`` does so once with a few cells of the package elpv-dataset.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from app.imaging.folders import list_images
from bench.accuracy import BACKBONES, RESNET50, in_float32
from bench.bursts import bursts, castings, read
from bench.datasets import SHARED, elpv_split, shown_parts, spread
from bench.tables import machine, table
from core.groups import Describer, Groups, by_likeness
from core.groups.groups import numbered
from core.input.photograph import Image, InputConfig
from core.input.preprocess import to_tensor
from models.backbone import Backbone

Shown = Iterator[tuple[str, Image]]
"""Photographs, each with the name of the part it shows."""

BATCH = 4
PARTS = 60  # of a set, that bursts are made from
HEAD = (
    "set",
    "backbone",
    "images",
    "parts",
    "groups",
    "largest",
    "true pairs joined",
    "joined pairs of other parts",
    "CPU s per 1,000: describing, grouping",
)


def main() -> None:
    """Print one row for each set and backbone."""
    words = argparse.ArgumentParser(prog="python -m bench.groups", description=__doc__)
    words.add_argument("--toy", action="store_true", help="a few small images, to see that it works")
    words.add_argument("--only", default="", help="run only the sets whose name contains this")
    words.add_argument("--backbone", default="", help="run only the backbones whose name contains this")
    words.add_argument("--size", type=int, default=256, help="input pixels a side")
    options = words.parse_args()
    sets, names = _sets(), BACKBONES if RESNET50.exists() else BACKBONES[1:]
    if options.toy:
        sets, names, options.size = {"toy bursts": lambda: _bursts(_cells()[:4])}, BACKBONES[1:], 128
    rows = []
    for backbone, (name, shown) in itertools.product(map(in_float32, names), sets.items()):
        if options.only in name and options.backbone in backbone.spec.name:
            rows.append(_row(name, backbone, shown(), options.size))
            print(" | ".join(rows[-1]), flush=True)
    print(f"\n{table(HEAD, rows)}\n\nMachine: {machine()}. Command: `make bench-groups`.")


def _sets() -> dict[str, Callable[[], Shown]]:
    """The sets at hand by name, each read anew when called."""
    found: dict[str, Callable[[], Shown]] = {
        "elpv-mono": lambda: _singles(_cells()),
        "elpv-mono, bursts": lambda: _bursts(spread(_cells(), PARTS)),
        "castings, drawn, 40 twice": lambda: ((str(part), image) for part, image in castings(160, 40)),
    }
    mtd, toys, shots = SHARED / "data/mtd", SHARED / "data/toys", SHARED / "data/faults/repeated_shots"
    if mtd.is_dir():
        found["mtd"] = lambda: _tiles(mtd)
        found["mtd, bursts"] = lambda: _bursts(spread(_one_of_each(mtd), PARTS))
    if toys.is_dir():
        found["toys"] = lambda: _singles(_good(toys))
        found["toys, bursts"] = lambda: _bursts(_good(toys))
    if shots.is_dir():
        found["repeated_shots"] = lambda: ((p.name.partition("_")[0], read(p)) for p in list_images(shots))
    return found


def _row(name: str, backbone: Backbone, shown: Shown, size: int) -> list[str]:
    describer, parts, spent = Describer(), list[str](), 0.0
    config = InputConfig(size)
    while batch := list(itertools.islice(shown, BATCH)):
        parts += [part for part, _ in batch]
        inputs = [
            to_tensor(image.copy(), config, backbone.spec.mean, backbone.spec.std) for _, image in batch
        ]
        last = backbone(torch.stack(inputs))[-1]
        started = time.process_time()
        describer.add(torch.stack(inputs), last)
        spent += time.process_time() - started
    started = time.process_time()
    groups = by_likeness(describer.described())
    grouping = time.process_time() - started
    joined, other = _agreement(numbered(parts), groups)
    per = 1000 / groups.images
    return [
        name,
        backbone.spec.name,
        f"{groups.images:,}",
        f"{len(set(parts)):,}",
        f"{groups.count:,}",
        f"{groups.sizes.max():,}",
        "none there" if joined is None else f"{joined:.1%}",
        "none joined" if other is None else f"{other:.1%}",
        f"{spent * per:.1f}, {grouping * per:.1f}",
    ]


def _agreement(parts: np.ndarray, groups: Groups) -> tuple[float | None, float | None]:
    """The share of pairs of one part that are in one group, and that of pairs in one group that are of two parts."""
    first, second = np.triu_indices(len(parts), 1)
    same, joined = parts[first] == parts[second], groups.labels[first] == groups.labels[second]
    return (
        float(joined[same].mean()) if same.any() else None,
        float((~same)[joined].mean()) if joined.any() else None,
    )


def _cells() -> list[Path]:
    split = elpv_split()
    return [*split.train, *split.test_good]


def _good(dataset: Path) -> list[Path]:
    return [file for folder in ("train", "test") for file in list_images(dataset / folder / "good")]


def _tiles(mtd: Path) -> Shown:
    tile = shown_parts(mtd)
    return ((tile[file.relative_to(mtd).as_posix()], read(file)) for file in _good(mtd))


def _one_of_each(mtd: Path) -> list[Path]:
    tile = shown_parts(mtd)
    found = {tile[file.relative_to(mtd).as_posix()]: file for file in reversed(_good(mtd))}
    return [found[part] for part in sorted(found)]


def _singles(files: Sequence[Path]) -> Shown:
    return ((file.name, read(file)) for file in files)


def _bursts(files: Sequence[Path]) -> Shown:
    return ((str(part), image) for part, image in bursts(files))


if __name__ == "__main__":
    main()
