"""Folders of images: a flat or nested folder, and the form of MVTec AD (Bergmann et al., CVPR 2019).

train/good, test/good, test/<defect>, ground_truth/<defect>/<stem>_mask.png; masks may be absent, or have
another suffix.
"""

from __future__ import annotations

import errno
import stat
from dataclasses import dataclass
from pathlib import Path

from app.errors import FolderError, ImageRefused, ImageUnreadable
from app.imaging.decode import DEFAULT_LIMITS, WHOLE, ImageLimits, decode_photograph
from core.config import InputConfig
from core.input.photograph import Image, Photograph
from nominal_client import errors, folders
from nominal_client.folders import natural
from nominal_client.formats import SUFFIXES
from nominal_client.litter import is_litter

GOOD = "good"


def list_images(folder: Path, recursive: bool = False) -> list[Path]:
    """Image files of a folder by suffix, in natural order (2 before 10), as the client lists them; or FolderError."""
    try:
        return folders.list_images(folder, recursive)
    except errors.FolderError as error:
        raise FolderError(str(error.requirement), str(error.received), str(error.remedy)) from error


def read_image(path: Path, limits: ImageLimits = DEFAULT_LIMITS) -> Image | ImageRefused:
    """The decoded image, or the reason against it with the file's name in it."""
    found = read_photograph(path, WHOLE, limits)
    return found.pixels if isinstance(found, Photograph) else found


def read_photograph(
    path: Path, config: InputConfig, limits: ImageLimits = DEFAULT_LIMITS
) -> Photograph | ImageRefused:
    """The same for an input of ``config``, which may have a large JPEG decoded at a fraction of its scale."""
    try:
        return decode_photograph(read_file(path, limits), config, limits)
    except ImageRefused as error:
        return error if isinstance(error, ImageUnreadable) else named(error, str(path))


def read_file(path: Path, limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
    """An image file's bytes. Raises ImageUnreadable, ImageEmpty, ImageTooLarge."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        limits.check_bytes(status.st_size)
        with path.open("rb") as file:
            return file.read(limits.max_bytes + 1)
    except OSError as error:
        raise ImageUnreadable(
            requirement="An image file must be readable",
            received=f"{path}: {error.strerror}",
            remedy="Check that it is a file that is there and may be read.",
        ) from error


def named(error: ImageRefused, name: str) -> ImageRefused:
    """The same error with the image's name in it."""
    return type(error)(error.requirement, f"{name}: {error.received}", error.remedy)


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


class MvtecDataset:
    """A folder in MVTec form. What is asked for must be there: absent parts raise FolderError when read."""

    def __init__(self, root: Path) -> None:
        """Raises FolderError for a folder with neither train/good nor test."""
        self.root = root
        if not (root / "train" / GOOD).is_dir() and not (root / "test").is_dir():
            raise FolderError(
                requirement="A dataset in MVTec form holds train/good and test/good, test/<defect>",
                received=f"{root} with neither",
                remedy="Arrange the images in this form, or name the folder above them.",
            )

    def train_images(self) -> list[Path]:
        """The nominal images to build from, in natural order."""
        return list_images(self.root / "train" / GOOD)

    def test_images(self) -> list[TestImage]:
        """Every test image: good first, then the defects by name. Raises FolderError for an empty class."""
        folders = _subfolders(self.root / "test")
        return [image for folder in folders for image in self._class(folder)]

    def _class(self, folder: Path) -> list[TestImage]:
        truth = self.root / "ground_truth" / folder.name
        drawn = _by_stem(truth)

        def masks(stem: str) -> list[Path]:
            if (truth / stem).is_dir():  # a file for each defect, as MVTec LOCO has them
                return list_images(truth / stem)
            return drawn.get(f"{stem}_mask") or drawn.get(stem, [])

        return [
            TestImage(
                name=path.relative_to(self.root).as_posix(),
                path=path,
                label=folder.name,
                masks=() if folder.name == GOOD else tuple(masks(path.stem)),
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


def _subfolders(folder: Path) -> list[Path]:
    found = [p for p in folder.iterdir() if p.is_dir() and not is_litter(p.name)] if folder.is_dir() else []
    if not found:
        raise FolderError(
            requirement="A dataset to evaluate holds test/good and test/<defect>",
            received=f"{folder} with neither",
            remedy="Put test images into one folder per class.",
        )
    return sorted(found, key=lambda p: (p.name != GOOD, natural(p)))
