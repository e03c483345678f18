"""Real images in MVTec form: ``python -m bench.datasets elpv OUT`` writes solar cells of PyPI's elpv-dataset.

``write_apart`` cuts any set anew so that no part is on both sides.

Electroluminescence images of solar cells (Deitsch et al., Solar Energy 185, 2019), 300 x 300 pixels, grey, with
the probability of a defect as experts judged it: 0 is nominal here, 1 defective, the rest is left out.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import shutil
from collections.abc import Mapping, Sequence
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
SHARED = Path(__file__).resolve().parents[2] / "shared"  # image sets that are not in the repository
MARK = "split.json"  # which choice a folder holds
CUT = 2  # how write_apart cuts: of a part with a defect, only photographs of the defect


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


def write_elpv_degrees(out: Path) -> Path:
    """The same with all doubted cells of one type too, the defective ones by how sure the experts were of a defect."""
    split = elpv_split()
    cells = [cell for cell in _cells(_package_data()) if cell[2] == DEFAULT.cell_type]
    files = {f"train/good/{path.name}": path for path in split.train}
    files |= {f"test/good/{path.name}": path for path in split.test_good}
    files |= {f"test/{round(100 * sure)}-percent/{path.name}": path for path, sure, _ in cells if sure > 0}
    return write_files(out, json.dumps({"degrees": DEFAULT.cell_type}), files, {"LICENCE.txt": LICENCE})


def write_elpv(out: Path, choice: Choice = DEFAULT) -> Path:
    """Copy a split to ``out`` in MVTec form and return ``out``; nothing is done where the same split is there.

    The folder appears whole or not at all. Raises FolderError where the package is not installed or ``out``
    holds something else.
    """
    split = elpv_split(choice)
    folders = {"train/good": split.train, "test/good": split.test_good, "test/defective": split.defective}
    files = {f"{folder}/{file.name}": file for folder, each in folders.items() for file in each}
    return write_files(out, json.dumps(asdict(choice)), files, {"LICENCE.txt": LICENCE})


@dataclass(frozen=True)
class Few:
    """How little of a cut is taken: parts taught, the first of them, and test images of each kind, evenly spread."""

    parts: int
    tests: int


def write_apart(dataset: Path, out: Path, seed: int, train_share: float, few: Few | None = None) -> Path:
    """Cut a set in MVTec form anew: all good photographs of a part are in ``train`` or all in ``test``.

    The set's ``parts.csv`` (image, part) says which photographs show one part; without it each shows its own. Of a part
    with a photograph of a defect only such photographs are taken: where the defect is out of sight, the part is still
    not a good one, and no good part like it is taught. ``out/parts.csv`` names the part of each image of the
    new split. few: what is taken of the cut, None for all. Raises FolderError where ``out`` holds something else.
    """
    images = sorted(p for p in (*dataset.glob("train/*/*"), *dataset.glob("test/*/*")) if p.is_file())
    part = _parts_of(dataset, images)
    good = [path for path in images if path.parent.name == "good"]
    flawed = {part[path] for path in images if path.parent.name != "good"}
    free = sorted({part[path] for path in good} - flawed)
    shuffled = np.random.default_rng(seed).permutation(len(free))
    taught = [free[i] for i in shuffled[: round(train_share * len(free))]]
    sides = {path: "test" for path in images if path.parent.name != "good" or part[path] not in flawed}
    sides |= {path: "train" for path in good if part[path] in taught}
    if few is not None:
        sides = _some(few, sides, {path for path in good if part[path] in taught[: few.parts]})
    to: dict[str, Path] = {}
    for path, side in sides.items():
        kind = path.parent.name
        # train/good and test/good may use one name twice
        to[f"{side}/{kind}/{path.parent.parent.name}-{path.name}"] = path
        mask = dataset / "ground_truth" / kind / f"{path.stem}_mask.png"
        if mask.is_file():
            to[f"ground_truth/{kind}/{path.parent.parent.name}-{mask.name}"] = mask
    table = "".join(f"{name},{part[path]}\n" for name, path in to.items() if path in part)
    cut = {"set": dataset.name, "seed": seed, "train_share": train_share, "cut": CUT}
    mark = json.dumps(cut if few is None else cut | asdict(few))
    return write_files(out, mark, to, {"parts.csv": f"image,part\n{table}"})


def _some(few: Few, sides: Mapping[Path, str], taught: set[Path]) -> dict[Path, str]:
    """Of a cut the photographs that are taught, and so many tests of each kind."""
    kinds = {path.parent.name for path in sides}
    tests = [[p for p, side in sides.items() if side == "test" and p.parent.name == kind] for kind in kinds]
    kept = taught.union(*(spread(of_kind, few.tests) for of_kind in tests))
    return {path: side for path, side in sides.items() if path in kept}


def shown_parts(dataset: Path) -> dict[str, str]:
    """The part of each image of a set, by its name in it, as the set's ``parts.csv`` says."""
    with (dataset / "parts.csv").open(newline="") as lines:
        return {row["image"]: row["part"] for row in csv.DictReader(lines)}


def _parts_of(dataset: Path, images: Sequence[Path]) -> dict[Path, str]:
    names = {path: path.relative_to(dataset).as_posix() for path in images}
    if not (dataset / "parts.csv").is_file():
        return names
    known = shown_parts(dataset)
    return {path: known[name] for path, name in names.items()}


def write_files(
    out: Path, mark: str, files: Mapping[str, Path | bytes], texts: Mapping[str, str] | None = None
) -> Path:
    """Write ``files``, copies or bytes, and ``texts`` by their names in ``out``, unless ``mark`` is there already.

    The folder appears whole or not at all. Raises FolderError where ``out`` holds something else.
    """
    if _is_complete(out, mark):
        return out
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for name, file in files.items():
        (partial / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(file, bytes):
            (partial / name).write_bytes(file)
        else:
            shutil.copyfile(file, partial / name)
    for name, text in {**(texts or {}), MARK: mark}.items():
        (partial / name).write_text(text)
    partial.replace(out)
    return out


def _is_complete(out: Path, mark: str) -> bool:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    found = (out / MARK).read_text() if (out / MARK).is_file() else "other files"
    if found == mark:
        return True
    raise FolderError(
        requirement=f"{out} must be absent, empty, or hold the split {mark}",
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
