"""Masks of defects, as tools of annotation write them: any format, depth and suffix, one file or a folder of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image

from app.errors import FolderError, ImageRefused, ImageUnreadable
from app.imaging.decode import DEFAULT_LIMITS, ImageLimits, decoded, upright, upright_rgb
from app.imaging.folders import named, read_file
from app.imaging.header import Header

_LOSSY_BAR = 128  # JPEG leaves faint values around what was drawn


def read_masks(
    paths: tuple[Path, ...], shape: tuple[int, int], limits: ImageLimits = DEFAULT_LIMITS
) -> Bool[np.ndarray, "h w"]:
    """True where one of the masks marks a defect: any sample above 0; in a JPEG, of 128 and more.

    Raises ImageRefused for a file that cannot be read, FolderError for one whose size is not ``shape`` or that is
    transparent in places, where what is drawn cannot be told.
    """
    marked = np.zeros(shape, bool)
    for path in paths:
        mask = _read(path, limits)
        if mask.shape != tuple(shape):
            raise FolderError(
                requirement=f"A mask must have the size of its image, {shape[1]} x {shape[0]} pixels",
                received=f"{path} of {mask.shape[1]} x {mask.shape[0]}",
                remedy="Draw the mask on the image itself, or delete it: images without a mask are allowed.",
            )
        marked |= mask
    return marked


def _read(path: Path, limits: ImageLimits) -> Bool[np.ndarray, "h w"]:
    try:
        mask = decoded(read_file(path, limits), _marks, limits=limits)
    except ImageRefused as error:
        raise error if isinstance(error, ImageUnreadable) else named(error, str(path)) from None
    if mask is None:
        raise FolderError(
            requirement="A mask must be opaque: black where the part is good, anything else on a defect",
            received=f"{path}, which is transparent in places",
            remedy="Flatten it on black and save it without transparency.",
        )
    return mask


def _marks(image: Image.Image, header: Header, by: int) -> Bool[np.ndarray, "h w"] | None:
    """None where the image is transparent in places."""
    if image.has_transparency_data and np.asarray(image.convert("RGBA").getchannel("A")).min() < 255:
        return None
    if image.mode.startswith("I;16"):  # a label may be in the lowest bits, which a picture of 8 bits loses
        samples = np.asarray(upright(image))
        return np.asarray(samples < (1 << header.bits) - 1 if header.white_is_zero else samples > 0)
    brightest = upright_rgb(image, header).max(axis=2)
    return np.asarray(brightest >= (_LOSSY_BAR if header.format == "JPEG" else 1))
