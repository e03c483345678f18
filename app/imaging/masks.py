"""Masks of defects, as tools of annotation write them: any format, depth and suffix, one file or a folder of them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image

from app.errors import FolderError, ImageRefused, ImageUnreadable
from app.imaging.decode import DEFAULT_LIMITS, READERS, ImageLimits, decode_image, read_header, upright
from app.imaging.folders import named, read_file

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
        data = read_file(path, limits)
        pixels = decode_image(data, limits)
    except ImageRefused as error:
        raise error if isinstance(error, ImageUnreadable) else named(error, str(path)) from None
    header = read_header(data)
    if header.format == "JPEG":
        return np.asarray(pixels.max(axis=2) >= _LOSSY_BAR)
    with READERS[header.format][1](io.BytesIO(data)) as image:
        image.load()
        _check_opaque(image, path)
        if image.mode.startswith("I;16"):  # ``pixels`` has only the highest bits of a label
            samples = np.asarray(upright(image))
            return np.asarray(samples < (1 << header.bits) - 1 if header.white_is_zero else samples > 0)
    return np.asarray(pixels.any(axis=2))


def _check_opaque(image: Image.Image, path: Path) -> None:
    if image.has_transparency_data and np.asarray(image.convert("RGBA").getchannel("A")).min() < 255:
        raise FolderError(
            requirement="A mask must be opaque: black where the part is good, anything else on a defect",
            received=f"{path}, which is transparent in places",
            remedy="Flatten it on black and save it without transparency.",
        )
