"""Real images in MVTec form: ``python -m bench.datasets elpv OUT`` writes solar cells of PyPI's elpv-dataset.

Electroluminescence images of solar cells (Deitsch et al., Solar Energy 185, 2019), 300 x 300 pixels, grey, with
the probability of a defect as experts judged it: 0 is nominal here, 1 defective, the rest is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from app.errors import FolderError

LICENCE = """\
Images of the ELPV dataset, https://github.com/zae-bayern/elpv-dataset, from the PyPI package elpv-dataset.
Licence: Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International.
Cite: Deitsch, Christlein, Berger, Buerhop-Lutz, Maier, Gallwitz, Riess: Automatic classification of defective
photovoltaic module cells in electroluminescence images. Solar Energy 185 (2019) 455-468.
"""
T = TypeVar("T")
MARK = "split.json"  # which choice a folder holds


@dataclass(frozen=True)
class Split:
    """Files of the package by their use; in each part in the package's order."""

    train: tuple[Path, ...]
    test_good: tuple[Path, ...]
    defective: tuple[Path, ...]


@dataclass(frozen=True)
class Choice:
    """How cells are chosen. cell_type: ``mono`` or ``poly``; train_share: of the nominal cells, in (0, 1)."""

    cell_type: str = "mono"
    train_share: float = 0.6
    seed: int = 0


DEFAULT = Choice()


def elpv_split(choice: Choice = DEFAULT) -> Split:
    """The package's nominal cells cut at random into train and test, and its defective cells.

    Raises FolderError where the package elpv-dataset is not installed.
    """
    cells = [cell for cell in _cells(_package_data()) if cell[2] == choice.cell_type]
    nominal = [path for path, probability, _ in cells if probability == 0.0]
    shuffled = np.random.default_rng(choice.seed).permutation(len(nominal))
    count = round(choice.train_share * len(nominal))
    return Split(
        train=tuple(nominal[i] for i in sorted(shuffled[:count])),
        test_good=tuple(nominal[i] for i in sorted(shuffled[count:])),
        defective=tuple(path for path, probability, _ in cells if probability == 1.0),
    )


def write_elpv(out: Path, choice: Choice = DEFAULT) -> Path:
    """Copy a split to ``out`` in MVTec form and return ``out``; nothing is done where the same split lies there.

    The folder appears whole or not at all. Raises FolderError where the package is not installed or ``out``
    holds something else.
    """
    if _is_complete(out, choice):
        return out
    split, partial = elpv_split(choice), out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    parts = {"train/good": split.train, "test/good": split.test_good, "test/defective": split.defective}
    for folder, files in parts.items():
        (partial / folder).mkdir(parents=True)
        for file in files:
            shutil.copyfile(file, partial / folder / file.name)
    (partial / "LICENCE.txt").write_text(LICENCE)
    (partial / MARK).write_text(json.dumps(asdict(choice)))
    partial.replace(out)
    return out


def _is_complete(out: Path, choice: Choice) -> bool:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    found = (out / MARK).read_text() if (out / MARK).is_file() else "other files"
    if found == json.dumps(asdict(choice)):
        return True
    raise FolderError(
        requirement=f"{out} must be absent, empty, or hold the split {json.dumps(asdict(choice))}",
        received=found,
        remedy="Name another folder, or delete this one.",
    )


def _package_data() -> Path:
    package = importlib.util.find_spec("elpv_dataset")
    if package is None or not package.submodule_search_locations:
        raise FolderError(
            requirement="The solar cells come from the package elpv-dataset",
            received="a Python without it",
            remedy="Run `make setup`, or `pip install elpv-dataset`.",
        )
    return Path(package.submodule_search_locations[0]) / "data"


def _cells(data: Path) -> list[tuple[Path, float, str]]:
    """(file, probability of a defect, cell type) of each line of labels.csv."""
    lines = (line.split() for line in (data / "labels.csv").read_text().splitlines())
    return [(data / name, float(probability), kind) for name, probability, kind in lines]


def spread(items: Sequence[T], count: int | None) -> list[T]:
    """So many of the items, evenly spaced from the first to the last; all where there are no more, and for None."""
    if count is None or count >= len(items):
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, count).round().astype(int)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Real images in MVTec form.")
    sets = parser.add_subparsers(required=True)
    elpv = sets.add_parser("elpv", help="solar cells of the PyPI package elpv-dataset")
    elpv.add_argument("out", type=Path, help="folder to write")
    elpv.add_argument("--cell-type", choices=("mono", "poly"), default=DEFAULT.cell_type)
    elpv.add_argument(
        "--train-share", type=float, default=DEFAULT.train_share, help="share of nominal cells to train"
    )
    elpv.add_argument("--seed", type=int, default=DEFAULT.seed)
    chosen = parser.parse_args(arguments)
    try:
        out = write_elpv(chosen.out, Choice(chosen.cell_type, chosen.train_share, chosen.seed))
    except FolderError as error:
        parser.error(str(error))
    for folder in ("train/good", "test/good", "test/defective"):
        print(f"{out / folder}: {len(list((out / folder).iterdir()))} images")


if __name__ == "__main__":
    main()
