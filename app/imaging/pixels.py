"""A decoded Pillow image -> upright RGB uint8: the colour and orientation rules of docs/images.md."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from app.imaging.header import Header, unsupported_pixels

_ORIENTATION = 0x0112  # EXIF tag
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright_rgb(image: Image.Image, header: Header) -> UInt8[np.ndarray, "h w 3"]:
    """Turn a loaded image upright and give its colours as they are stored; the array is new and contiguous.

    Raises ImagePixelsUnsupported for a mode without a rule.
    """
    turn = _UPRIGHT.get(_orientation(image))
    return _rgb(image if turn is None else image.transpose(turn), header)


def _orientation(image: Image.Image) -> int:
    """EXIF's, or XMP's where EXIF has none; 1 where neither can be read. Pillow has turned a TIFF by now."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # broken metadata states no orientation; the pixels stand
        return 1
    return value if isinstance(value, int) else 1


def _rgb(image: Image.Image, header: Header) -> UInt8[np.ndarray, "h w 3"]:
    """Alpha is dropped, never composited; grey fills all three channels."""
    match image.mode:
        case "RGB":
            return np.array(image)
        case "P" | "RGBA" | "CMYK":
            return np.array(image.convert("RGB"))
        case "PA":
            return np.array(image.convert("RGBA").convert("RGB"))
        case "L":
            return _grey(np.asarray(image))
        case "LA":
            return _grey(np.asarray(image.getchannel("L")))
        case "La":
            return _grey(np.asarray(image.convert("LA").getchannel("L")))
        case "1":
            return _grey(np.asarray(image.convert("L")))
        case "I;16" | "I;16B":
            return _grey(_high_byte(np.asarray(image), header))
    raise unsupported_pixels(f"a {header.format} of mode {image.mode}")


def _high_byte(samples: np.ndarray, header: Header) -> UInt8[np.ndarray, "h w"]:
    """The eight highest of ``header.bits``: one scale for all, never stretched to an image's own range."""
    high = (samples >> header.bits - 8).astype(np.uint8)
    return ~high if header.white_is_zero else high


def _grey(values: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    rgb = np.empty((*values.shape, 3), dtype=np.uint8)
    for channel in range(3):  # three strided copies take a fifth of the time of one broadcast
        rgb[..., channel] = values
    return rgb
