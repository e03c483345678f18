"""Folders of images, flat or nested, and files read from them; each refusal names its file."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from app.errors import FolderError, ImageRefused, ImageUnreadable
from app.imaging.decode import DEFAULT_LIMITS, WHOLE, ImageLimits, decode_photograph
from core.config import InputConfig
from core.input.photograph import Image, Photograph
from nominal_client import errors, folders


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
