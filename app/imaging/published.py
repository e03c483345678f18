"""Published inspection sets, each known by what its folder holds.

MVTec AD (Bergmann et al., CVPR 2019) and MPDD, MVTec LOCO, MVTec AD 2, BTAD, VisA with its CSV (Zou et al., ECCV 2022),
KolektorSDD2 (Bozic et al., 2021) and Real-IAD with its JSON (Wang et al., CVPR 2024).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import FolderError, ImageRefused
from app.imaging.datasets import BTAD, GOOD, LOCO, LOGICAL, MVTEC_2, Dataset, MvtecDataset, TestImage
from app.imaging.folders import list_images, read_image
from app.imaging.masks import read_masks
from nominal_client.folders import natural

BAD = "bad"  # of a set that does not say which defect an image shows


@dataclass(frozen=True)
class _Entry:
    """One line of a set's table: the image, for what, its truth, its mask."""

    image: Path
    train: bool
    label: str
    mask: Path | None


class ListedDataset:
    """A set whose table says which image is learnt and which tested: VisA's CSV, Real-IAD's JSON."""

    def __init__(
        self, root: Path, form: str, table: Path, entries: Callable[[Path, Path], Iterator[_Entry]]
    ) -> None:
        """Raises FolderError for a table that cannot be read, lists nothing here, or names files outside the set."""
        self.root, self.form = root, form
        self.folders: tuple[str, ...] = ()
        self.aside: list[str] = []
        try:
            self._entries = list(entries(root, table))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FolderError(
                requirement=f"The table of {form} must list images with their split and label",
                received=f"{table}: {error!r}"[:300],
                remedy="Take the table that came with the set.",
            ) from error
        if not self._entries:
            raise FolderError(
                f"The table of {form} must list images of {root.name}",
                f"{table}, which has none",
                "Name a category.",
            )

    def train_images(self) -> list[Path]:
        return sorted(
            (each.image for each in self._entries if each.train and each.label == GOOD), key=natural
        )

    def test_images(self) -> list[TestImage]:
        found = [
            TestImage(
                each.image.relative_to(self.root).as_posix(),
                each.image,
                each.label,
                (each.mask,) if each.mask else (),
            )
            for each in self._entries
            if not each.train
        ]
        return sorted(found, key=lambda test: (test.defective, test.label, natural(test.path)))


def _of_visa(root: Path, table: Path) -> Iterator[_Entry]:
    """Rows of object, split, label, image, mask; paths begin at the folder above the category."""
    with table.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            if row["object"] == root.name:
                mask = _inside(root, root.parent, row["mask"]) if row["mask"] else None
                label = GOOD if row["label"] == "normal" else row["label"]
                yield _Entry(_inside(root, root.parent, row["image"]), row["split"] == "train", label, mask)


def _of_realiad(root: Path, table: Path) -> Iterator[_Entry]:
    """Lists train and test of image_path, mask_path and anomaly_class; paths begin at the category."""
    document: dict[str, Any] = json.loads(table.read_text("utf-8"))
    normal = document["meta"]["normal_class"]
    for split in ("train", "test"):
        for item in document[split]:
            mask = _inside(root, root, item["mask_path"]) if item.get("mask_path") else None
            label = GOOD if item["anomaly_class"] == normal else item["anomaly_class"]
            yield _Entry(_inside(root, root, item["image_path"]), split == "train", label, mask)


def _inside(root: Path, base: Path, name: str) -> Path:
    """A file that a table names. Raises FolderError where it is outside the set."""
    found = base / name
    if found.resolve().is_relative_to(root.resolve()):
        return found
    raise FolderError(
        requirement="A set's table must name files inside the set",
        received=f"{name[:80]!a}, which is outside {root}",
        remedy="Take the table that came with the set.",
    )


class KolektorDataset:
    """KolektorSDD2: train and test, each image beside its mask ``<stem>_GT``; an empty mask says that it is good."""

    form: str = "KolektorSDD2"
    folders: tuple[str, ...] = ()
    mark = "_GT"

    def __init__(self, root: Path) -> None:
        self.root, self.aside = root, list[str]()

    def train_images(self) -> list[Path]:
        """The good ones; how many show a defect is said in ``aside``."""
        images = self._images("train")
        good = [image for image, mask in images if not self._marked(image, mask)]
        if len(good) < len(images):
            self.aside.append(
                f"Not learnt: {len(images) - len(good):,} of {len(images):,} images in train, which show a defect."
            )
        return good

    def test_images(self) -> list[TestImage]:
        found = [
            TestImage(f"test/{image.name}", image, BAD if self._marked(image, mask) else GOOD, (mask,))
            for image, mask in self._images("test")
        ]
        return sorted(found, key=lambda test: (test.defective, natural(test.path)))

    def _images(self, part: str) -> list[tuple[Path, Path]]:
        files = list_images(self.root / part)
        masks = {path.stem.removesuffix(self.mark): path for path in files if path.stem.endswith(self.mark)}
        images = [path for path in files if not path.stem.endswith(self.mark)]
        if lacking := [path for path in images if path.stem not in masks]:
            raise FolderError(
                requirement="Every image of KolektorSDD2 has its mask, <name>_GT, beside it",
                received=f"{lacking[0]} without",
                remedy="Copy the set whole.",
            )
        return [(path, masks[path.stem]) for path in images]

    def _marked(self, image: Path, mask: Path) -> bool:
        """An image that cannot be read counts as good here, and is refused by name where it is used."""
        pixels = read_image(image)
        return not isinstance(pixels, ImageRefused) and bool(read_masks((mask,), pixels.shape[:2]).any())


def open_dataset(root: Path) -> Dataset:
    """The set in a folder, by its form. Raises FolderError for a folder in none of them."""
    if (root / "Data" / "Images").is_dir():
        return ListedDataset(root, "VisA", _table(root, root.parent / "split_csv" / "1cls.csv"), _of_visa)
    if (root / "OK").is_dir():
        tables = root.parent.parent / "realiad_jsons"
        names = (tables / "realiad_jsons", tables, root.parent, root)
        return ListedDataset(
            root, "Real-IAD", _table(root, *(place / f"{root.name}.json" for place in names)), _of_realiad
        )
    if (root / "test_public").is_dir():
        return MvtecDataset(root, MVTEC_2)
    if (root / "train" / "ok").is_dir() or (root / "test" / "ok").is_dir():
        return MvtecDataset(root, BTAD)
    if any((root / "test" / name).is_dir() for name in LOGICAL):
        return MvtecDataset(root, LOCO)
    if next((root / "test").glob(f"*{KolektorDataset.mark}.*"), None) is not None:
        return KolektorDataset(root)
    return MvtecDataset(root)


def _table(root: Path, *places: Path) -> Path:
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise FolderError(
            requirement=f"{root} needs the table that says which images are learnt and which are tested",
            received=f"no {places[0]}",
            remedy="Put the table that came with the set there.",
        )
    return found
