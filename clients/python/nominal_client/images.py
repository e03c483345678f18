"""An image as a caller has it, to what is sent: paths, bytes, open files; pixels of Pillow and numpy become PNG.

Neither Pillow nor numpy is imported: their objects bring what is needed. PNG (W3C, third edition) keeps every value of
8 or 16 bits, so an array and its file have one score.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from nominal_client.errors import BadArgument
from nominal_client.formats import PNG_SIGNATURE, format_of

if TYPE_CHECKING:
    from typing import BinaryIO

    import numpy as np
    from PIL.Image import Image as PillowImage

FilePath = str | Path
ImageSource: TypeAlias = (
    "FilePath | bytes | bytearray | memoryview | BinaryIO | PillowImage | np.ndarray[Any, Any]"
)
GivenImage: TypeAlias = "ImageSource | tuple[str, ImageSource]"
"""An image, or (name, image): the name that the server records in place of the file's."""
GivenImages: TypeAlias = "GivenImage | Sequence[GivenImage]"

SUFFIX = {"PNG": ".png", "JPEG": ".jpg", "BMP": ".bmp", "TIFF": ".tif", "WEBP": ".webp"}
PILLOW_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I;16B")  # those that PNG holds without loss
ORIENTATION = 0x0112  # EXIF's tag
QUICKLY = 1  # zlib's level: the network is near, and a line waits


def given(image: GivenImage) -> tuple[str | None, bytes | Path]:
    """(name, content) of an image; a path stays one, to be read when it is sent. Raises BadArgument."""
    if isinstance(image, tuple):
        name, source = image
        return name, given(source)[1]
    if isinstance(image, str | Path):
        return Path(image).name, Path(image)
    if isinstance(image, bytes | bytearray | memoryview):
        return None, bytes(image)
    if hasattr(image, "read"):
        return _read(image)
    if _is_of("PIL.Image", "Image", image):
        return None, _png_of_pillow(cast("PillowImage", image))
    if _is_of("numpy", "ndarray", image):
        return None, _png_of_array(cast("np.ndarray[Any, Any]", image))
    raise BadArgument(
        requirement="an image must be a path, bytes, a file opened for reading bytes, a Pillow image or a numpy array",
        received=f"{type(image).__module__}.{type(image).__qualname__}",
        remedy="Give the image file's path; make a numpy array of other pixels: uint8, height x width x 3.",
    )


def each_given(images: GivenImages) -> list[tuple[str, bytes | Path]]:
    """(name, content) of several images; one counts as a list of one, and one without a name has its place's."""
    several = [images] if _is_one(images) else images
    found = [given(image) for image in cast("Sequence[GivenImage]", several)]
    return [(name or _name(place, content), content) for place, (name, content) in enumerate(found, 1)]


def content_bytes(content: bytes | Path) -> bytes:
    """What is sent. Raises OSError for a file that cannot be read."""
    return content.read_bytes() if isinstance(content, Path) else content


def _is_one(images: GivenImages) -> bool:
    if isinstance(images, tuple):  # a name with its image, or else a sequence such as two paths
        return len(images) == 2 and isinstance(images[0], str) and not isinstance(images[1], str | Path)
    return not isinstance(images, Sequence) or isinstance(images, str | bytes | bytearray | memoryview)


def _name(place: int, content: bytes | Path) -> str:
    found = format_of(content) if isinstance(content, bytes) else None
    return f"image-{place}{SUFFIX[found] if found else ''}"


def _is_of(module: str, name: str, image: object) -> bool:
    """Whether it is of a class of a library that the caller has imported."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(image, kind)


def _read(file: Any) -> tuple[str | None, bytes]:
    """An open file from where it stands, under the name it was opened by."""
    data = file.read()
    if not isinstance(data, bytes) or not data:
        raise BadArgument(
            requirement="an open file must give the bytes of an image",
            received="text" if isinstance(data, str) else f"one at its end ({type(file).__qualname__})",
            remedy="Open it with mode 'rb'." if isinstance(data, str) else "Call its seek(0) first.",
        )
    name = getattr(file, "name", None)
    return Path(name).name if isinstance(name, str) else None, data


def _png_of_pillow(image: PillowImage) -> bytes:
    """The picture as Pillow has it, with the orientation that a viewer would turn it by."""
    if image.mode not in PILLOW_MODES:
        raise BadArgument(
            requirement=f"a Pillow image must have one of the modes that PNG keeps: {', '.join(PILLOW_MODES)}",
            received=f"mode {image.mode}",
            remedy="Convert it: image.convert('RGB') for colour, image.convert('I;16') for grey of 16 bits.",
        )
    image.load()  # turns a TIFF, which then states no orientation
    exif, turned = image.getexif(), type(image.getexif())()
    if ORIENTATION in exif:
        turned[ORIENTATION] = exif[ORIENTATION]
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=QUICKLY, exif=turned if ORIENTATION in exif else b"")
    return buffer.getvalue()


def _png_of_array(array: np.ndarray[Any, Any]) -> bytes:
    """(h, w), (h, w, 1) or (h, w, 3) of uint8 or uint16 as a PNG of as many bits."""
    _check(array)
    height, width = array.shape[:2]
    colour = 2 if array.shape[2:] == (3,) else 0
    deflate = zlib.compressobj(QUICKLY)
    wide = f">u{array.dtype.itemsize}"  # PNG's samples are big-endian
    rows = [deflate.compress(b"\0" + row.astype(wide).tobytes()) for row in array]  # filter 0: none
    header = struct.pack(">IIBBBBB", width, height, 8 * array.dtype.itemsize, colour, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", b"".join(rows) + deflate.flush()), (b"IEND", b"")
    return PNG_SIGNATURE + b"".join(_chunks(chunks))


def _chunks(chunks: Sequence[tuple[bytes, bytes]]) -> Iterator[bytes]:
    for kind, data in chunks:
        yield struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _check(array: np.ndarray[Any, Any]) -> None:
    """Raises BadArgument, with the call that mends it."""
    shape, kind = array.shape, f"{array.dtype.kind}{array.dtype.itemsize}"
    if kind not in ("u1", "u2"):
        remedy = "Scale it to 0 to 255 and call .astype('uint8'), or to 65,535 and .astype('uint16')."
    elif array.ndim == 4:
        remedy = "Give its images as a list: list(array)."
    elif array.ndim == 3 and shape[2] == 4:
        remedy = "Leave out what is not colour: array[..., :3]."
    elif array.ndim == 3 and shape[0] in (1, 3) and shape[2] not in (1, 3):
        remedy = "Put the channels last: array.transpose(1, 2, 0)."
    elif 0 in shape or array.ndim not in (2, 3) or shape[2:] not in ((), (1,), (3,)):
        remedy = "Give one image, grey or RGB."
    else:
        return
    raise BadArgument(
        requirement="an array must be an image of height x width or height x width x 3, of uint8 or uint16",
        received=f"{' x '.join(map(str, shape)) or 'one value'} of {array.dtype.name}",
        remedy=remedy,
    )
