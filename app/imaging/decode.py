"""Untrusted bytes -> RGB uint8 within limits, by the rules of docs/images.md; arrays -> PNG or JPEG.

The header is held against the limits before Pillow sees a byte; Pillow then decodes the one format it names.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from app.errors import (
    ImageEmpty,
    ImageFormatUnsupported,
    ImagePixelsUnsupported,
    ImageRefused,
    ImageTooLarge,
    ImageTooSmall,
)
from app.imaging.header import (
    Header,
    corrupt,
    read_bmp_header,
    read_jpeg_header,
    read_png_header,
    read_webp_header,
    unsupported_pixels,
)
from app.imaging.tiff import read_tiff_header
from core.config import InputConfig
from core.input.photograph import Photograph, reduction
from nominal_client.formats import Format, format_of

MAP_BYTES = 16  # of a pixel while its map is drawn: float32 scores, their interpolation, levels and regions
DECODED_BYTES = (
    14  # of a pixel at most while it is decoded: Pillow's own 4, twice where it converts, and 3 + 3
)

READERS: dict[Format, tuple[Callable[[bytes], Header], type[ImageFile]]] = {
    "PNG": (read_png_header, PngImageFile),
    "JPEG": (read_jpeg_header, JpegImageFile),
    "BMP": (read_bmp_header, BmpImageFile),
    "TIFF": (read_tiff_header, TiffImageFile),
    "WEBP": (read_webp_header, WebPImageFile),
}
Taken = TypeVar("Taken")
_QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)  # as warnings.filterwarnings stores it


@dataclass(frozen=True)
class ImageLimits:
    """What a file may ask for, checked before decoding: bytes, pixels in all, pixels on the shorter side."""

    max_bytes: int = 64 * 1024 * 1024
    max_pixels: int = 100_000_000
    min_side: int = 16

    def check_bytes(self, count: int) -> None:
        """Raises ImageEmpty or ImageTooLarge."""
        if count == 0:
            raise ImageEmpty(
                "An image file must hold bytes", "an empty file", "Export it or transfer it again."
            )
        if count > self.max_bytes:
            raise ImageTooLarge(
                requirement=f"An image file must hold at most {self.max_bytes:,} bytes",
                received=f"{count:,} bytes",
                remedy="Compress the image, or raise --max-image-bytes, in the service NOMINAL_MAX_IMAGE_BYTES.",
            )

    def check_size(self, width: int, height: int) -> None:
        """Raises ImageTooLarge or ImageTooSmall."""
        if width * height > self.max_pixels:
            raise ImageTooLarge(
                requirement=f"An image must have at most {self.max_pixels:,} pixels",
                received=f"{width:,} x {height:,} pixels",
                remedy="Crop or scale it down, or raise --max-pixels, in the service NOMINAL_MAX_PIXELS.",
            )
        if min(width, height) < self.min_side:
            raise ImageTooSmall(
                requirement=f"An image must have at least {self.min_side} pixels on its shorter side",
                received=f"{width:,} x {height:,} pixels",
                remedy="Photograph the part larger.",
            )


DEFAULT_LIMITS = ImageLimits()
WHOLE = InputConfig()  # reduces nothing


def decode_image(
    data: bytes, limits: ImageLimits = DEFAULT_LIMITS, bits: int | None = None
) -> UInt8[np.ndarray, "h w 3"]:
    """Decode one image to RGB at its original size, upright: C-contiguous, writable, owned by the caller.

    bits: those that count of grey samples wider than a byte, or as many as the brightest takes; None for all. The same
    bytes give the same array in every thread. Raises subclasses of ImageRefused and nothing else.
    """

    def take(image: Image.Image, header: Header, by: int) -> UInt8[np.ndarray, "h w 3"]:
        wide = bits is not None and image.mode.startswith("I;16")
        return upright_rgb(image, header, max(bits or 0, _used_bits(image, header)) if wide else None)

    return decoded(data, take, WHOLE, limits)


def decode_photograph(
    data: bytes, config: InputConfig, limits: ImageLimits = DEFAULT_LIMITS, header: Header | None = None
) -> Photograph:
    """The same for an input of ``config``, which may have a large JPEG decoded at a fraction of its scale.

    header: of the file, if it was checked already. Of grey samples wider than a byte, the eight highest of the bits
    that count are taken: all of the file's, or those
    that ``config`` states.
    """

    def take(image: Image.Image, header: Header, by: int) -> Photograph:
        if not image.mode.startswith("I;16"):
            return Photograph(upright_rgb(image, header), by)
        counted = min(config.significant_bits or header.bits, header.bits)
        if counted < header.bits and (used := _used_bits(image, header)) > counted:
            raise _too_many_bits(used, counted)
        pixels = upright_rgb(image, header, counted)
        brightest = int(
            pixels[..., 0].max()
        )  # the eight highest bits say which is the highest, but where all are 0
        used = counted - 8 + brightest.bit_length() if brightest else _used_bits(image, header)
        return Photograph(pixels, by, (used, counted))

    return decoded(data, take, config, limits, header)


def decoded(
    data: bytes,
    take: Callable[[Image.Image, Header, int], Taken],
    config: InputConfig = WHOLE,
    limits: ImageLimits = DEFAULT_LIMITS,
    header: Header | None = None,
) -> Taken:
    """What ``take`` makes of the loaded image, its header and the number that its scale was divided by.

    Raises subclasses of ImageRefused and nothing else, whatever ``take`` raises.
    """
    header = header or check_header(data, limits)
    by = reduction(config, header.height, header.width) if header.format == "JPEG" else 1
    _silence_pillow()
    try:
        with READERS[header.format][1](io.BytesIO(data)) as image:
            if sorted(image.size) != sorted((header.width, header.height)):
                raise corrupt(f"a {header.format} that states two sizes")
            if by > 1:
                image.draft(image.mode, (header.width // by, header.height // by))
            image.load()
            return take(image, header, by)
    except ImageRefused:
        raise
    except (MemoryError, Image.DecompressionBombError) as error:
        raise ImageTooLarge(
            requirement="An image must fit the memory for decoding",
            received=f"{header.width:,} x {header.height:,} pixels",
            remedy="Crop it or scale it down.",
        ) from error
    except Exception as error:  # Pillow names no common base of what its readers raise
        raise corrupt(f"a {header.format} that cannot be decoded ({error})") from error


def check_header(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> Header:
    """What can be said of an image without decoding it: its format, and that its size is within the limits.

    Raises subclasses of ImageRefused.
    """
    limits.check_bytes(len(data))
    header = read_header(data)
    limits.check_size(header.width, header.height)
    if not header.whole:
        raise corrupt(f"a {header.format} that stops before its end")
    return header


def read_header(data: bytes) -> Header:
    """Format and size by the first bytes only; names and suffixes are not looked at, and nothing is decoded.

    Raises ImageFormatUnsupported, ImageManyFrames, ImagePixelsUnsupported or ImageCorrupt.
    """
    if (found := format_of(data)) is None:
        raise ImageFormatUnsupported(
            requirement="An image must be PNG, JPEG, BMP, TIFF (not BigTIFF) or WebP",
            received=f"{len(data):,} bytes that begin with {data[:8]!r}",
            remedy="Save the image in one of these formats.",
        )
    try:
        return READERS[found][0](data)
    except (struct.error, IndexError) as error:
        raise corrupt("a file that ends inside its header") from error


def _silence_pillow() -> None:
    """Pillow warns of metadata no rule uses; ``catch_warnings`` races between threads, a filter does not."""
    if _QUIET not in warnings.filters:
        warnings.filterwarnings("ignore", module=r"PIL\.")


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


def upright_rgb(image: Image.Image, header: Header, bits: int | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """Turn a loaded image upright and give its colours as they are stored; the array is new and contiguous.

    bits: those that count of samples wider than a byte; None for all. Raises ImagePixelsUnsupported for a mode without
    a rule.
    """
    return _rgb(upright(image), header, bits or header.bits)


def upright(image: Image.Image) -> Image.Image:
    """A loaded image, turned as its metadata says."""
    turn = _UPRIGHT.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    """EXIF's, or XMP's where EXIF has none; 1 where neither can be read. Pillow has turned a TIFF by now."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # broken metadata states no orientation; the pixels stand
        return 1
    return value if isinstance(value, int) else 1


def _rgb(image: Image.Image, header: Header, bits: int) -> UInt8[np.ndarray, "h w 3"]:
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
            return _grey(_high_byte(_samples(image, header), bits))
    raise unsupported_pixels(f"a {header.format} of mode {image.mode}")


def _samples(image: Image.Image, header: Header) -> UInt16[np.ndarray, "h w"]:
    """Grey samples wider than a byte; larger is brighter."""
    samples = np.asarray(image)
    return samples ^ np.uint16((1 << header.bits) - 1) if header.white_is_zero else samples


def _high_byte(samples: UInt16[np.ndarray, "h w"], bits: int) -> UInt8[np.ndarray, "h w"]:
    """The eight highest of so many bits: one scale for all, never stretched to an image's own range."""
    return (samples >> bits - 8).astype(np.uint8)


def _used_bits(image: Image.Image, header: Header) -> int:
    return int(_samples(image, header).max()).bit_length()


def _too_many_bits(used: int, counted: int) -> ImagePixelsUnsupported:
    return ImagePixelsUnsupported(
        requirement=f"A sample must take at most {counted} bits, which this bank states as significant",
        received=f"one of {used} bits",
        remedy="Set the camera as it was for the nominal images, or leave --significant-bits out of the build.",
    )


def _grey(values: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    rgb = np.empty((*values.shape, 3), dtype=np.uint8)
    for channel in range(3):  # three strided copies take a fifth of the time of one broadcast
        rgb[..., channel] = values
    return rgb
