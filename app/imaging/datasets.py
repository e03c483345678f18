"""Labelled sets to evaluate by: the folder form of MVTec AD (Bergmann et al., CVPR 2019) and of sets like it.

train/good, test/good, test/<defect>, ground_truth/<defect>/<stem>_mask.png; masks may be absent, have another suffix,
or be several to an image. Whatever a set calls its good images, they are labelled ``good`` here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from app.errors import FolderError
from app.imaging.folders import list_images
from nominal_client.folders import natural
from nominal_client.formats import SUFFIXES
from nominal_client.litter import is_litter

GOOD = "good"
GOOD_FOLDERS = frozenset({GOOD, "ok", "normal", "nominal"})
TESTS = frozenset({"test", "test_public", "ng"})  # folders below which each class has one
MASKS = frozenset({"ground_truth", "mask", "masks"})
UNSAID = frozenset(
    {"data", "image", "images", "img", "photos", "pictures"}
)  # names that say nothing of a class


@dataclass(frozen=True)
class TestImage:
    """One image, named relative to the dataset; its truth: ``good`` or the defect, and its masks' files if known."""

    name: str
    path: Path
    label: str
    masks: tuple[Path, ...] = ()

    @property
    def defective(self) -> bool:
        return self.label != GOOD


class Dataset(Protocol):
    """A labelled set. What is asked for must be there: absent parts raise FolderError when read.

    form: its name, to be said. folders: those it reads, relative. aside: what of it is not read on purpose, as
    sentences.
    """

    root: Path
    form: str
    folders: tuple[str, ...]

    @property
    def aside(self) -> list[str]: ...

    def train_images(self) -> list[Path]:
        """The nominal images to build from, in natural order."""
        ...

    def test_images(self) -> list[TestImage]:
        """Every test image: good first, then the defects by name. Raises FolderError for an empty class."""
        ...


@dataclass(frozen=True)
class Form:
    """Where a set of folders keeps its images: good ones to learn, a folder per class to test, masks per class."""

    name: str
    train: str
    test: str
    truth: str

    @property
    def good(self) -> str:
        """What it calls good."""
        return Path(self.train).name


MVTEC = Form("MVTec AD or MPDD", "train/good", "test", "ground_truth")
LOCO = Form("MVTec LOCO", "train/good", "test", "ground_truth")
MVTEC_2 = Form("MVTec AD 2", "train/good", "test_public", "test_public/ground_truth")
BTAD = Form("BTAD", "train/ok", "test", "ground_truth")
LOGICAL = ("logical_anomalies", "structural_anomalies")  # classes of LOCO
UNREAD = ("validation", "test_private", "test_private_mixed")  # of MVTec's later sets


def class_of(name: str) -> str | None:
    """What an image shows by its path within any of these sets: ``good``, a kind of defect; None where it is unsaid."""
    folders = PurePosixPath(name).parts[:-1]
    if any(folder.lower() in GOOD_FOLDERS for folder in folders):
        return GOOD
    below = next((i + 1 for i, folder in enumerate(folders) if folder.lower() in TESTS), len(folders) - 1)
    if not 0 <= below < len(folders) or folders[below].lower() in UNSAID:
        return None
    return folders[below]


def not_to_test(name: str) -> str | None:
    """Why a file of such a set is not an image to test: it is one to learn, or a mask; None for all others."""
    path = PurePosixPath(name)
    folders = {folder.lower() for folder in path.parts[:-1]}
    if folders & MASKS or path.stem.endswith(("_mask", "_GT")):
        return "a mask of a test image"
    return "an image to learn, not to test" if "train" in folders else None


class MvtecDataset:
    """A folder in MVTec form or one like it: a folder per class; ``<stem>_mask``, ``<stem>`` or a folder of masks."""

    def __init__(self, root: Path, form: Form = MVTEC) -> None:
        """Raises FolderError for a folder with neither train/good nor test."""
        self.root, self.form, self._of = root, form.name, form
        self.folders: tuple[str, ...] = (form.test, form.train)
        if not (root / form.train).is_dir() and not (root / form.test).is_dir():
            raise FolderError(
                requirement="A dataset in MVTec form holds train/good and test/good, test/<defect>",
                received=f"{root} with neither",
                remedy="Arrange the images in this form or another of docs/images.md, or name the folder above them.",
            )

    @property
    def aside(self) -> list[str]:
        """Parts of the set that have no labels, or are meant for tuning."""
        found = [name for name in UNREAD if (self.root / name).is_dir()]
        return [f"Not read, as its form has it: {', '.join(found)}."] if found else []

    def train_images(self) -> list[Path]:
        return list_images(self.root / self._of.train)

    def test_images(self) -> list[TestImage]:
        folders = _subfolders(self.root / self._of.test, self.root / self._of.truth, self._of.good)
        return [image for folder in folders for image in self._class(folder)]

    def _class(self, folder: Path) -> list[TestImage]:
        truth = self.root / self._of.truth / folder.name
        drawn = _by_stem(truth)
        good = folder.name == self._of.good

        def masks(stem: str) -> list[Path]:
            if (truth / stem).is_dir():  # a file for each defect, as MVTec LOCO has them
                return list_images(truth / stem)
            return drawn.get(f"{stem}_mask") or drawn.get(stem, [])

        return [
            TestImage(
                name=path.relative_to(self.root).as_posix(),
                path=path,
                label=GOOD if good else folder.name,
                masks=() if good else tuple(masks(path.stem)),
            )
            for path in list_images(folder)
        ]


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """The image files of a folder that may be absent, by their names without suffix."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix.lower() in SUFFIXES and path.is_file():
            found.setdefault(path.stem, []).append(path)
    return found


def _subfolders(folder: Path, truth: Path, good: str) -> list[Path]:
    """Of the classes, the good one first."""
    places = folder.iterdir() if folder.is_dir() else ()
    found = [p for p in places if p.is_dir() and not is_litter(p.name) and p != truth]
    if not found:
        raise FolderError(
            requirement="A dataset to evaluate holds test/good and test/<defect>",
            received=f"{folder} with neither",
            remedy="Put test images into one folder per class.",
        )
    return sorted(found, key=lambda p: (p.name != good, natural(p)))
