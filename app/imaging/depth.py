"""Grey samples wider than a byte, and the bits in use: a camera may keep 12 bits in the low end of 16."""

from __future__ import annotations

import io

import numpy as np

from app.imaging.decode import READERS, read_header

_PNG_DEPTH, _PNG_COLOUR, _GREY = 24, 25, 0  # bytes of IHDR, and the colour type
UNUSED = 2  # highest bits that no sample of a well exposed image leaves at 0


def used_bits(data: bytes) -> tuple[int, int] | None:
    """(bits that the brightest sample takes, bits of a sample) of an image that was decoded.

    None for samples of 8 bits and for colour. Inspections look at the highest eight of a sample's bits only: with
    several unused, the image is dark and flat to them.
    """
    header = read_header(data)
    wide = header.bits if header.format == "TIFF" else data[_PNG_DEPTH] if header.format == "PNG" else 8
    if wide <= 8 or (header.format == "PNG" and data[_PNG_COLOUR] != _GREY):
        return None
    with READERS[header.format][1](io.BytesIO(data)) as image:
        image.load()
        if not image.mode.startswith("I;16"):
            return None
        samples = np.asarray(image)
    highest = int(samples.max())
    if header.white_is_zero:
        highest = (1 << wide) - 1 - int(samples.min())
    return highest.bit_length(), wide
