"""Image files written byte by byte: layouts that Pillow does not write, and files that no honest writer writes."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image


def save(image: Image.Image, kind: str, **options: object) -> bytes:
    """The file Pillow writes."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def lossless(image: Image.Image) -> dict[str, bytes]:
    """The image in each format that keeps every sample."""
    return {
        "PNG": save(image, "PNG"),
        "BMP": save(image, "BMP"),
        "TIFF": save(image, "TIFF"),
        "TIFF deflate": save(image, "TIFF", compression="tiff_adobe_deflate"),
        "WEBP": save(image, "WEBP", lossless=True, exact=True),
    }


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    width: int,
    height: int,
    depth: int,
    colour: int,
    rows: bytes,
    before: bytes = b"",
    data: bytes | None = None,
) -> bytes:
    """A PNG of the given IHDR. rows: packed samples without filter bytes; before: chunks ahead of the data."""
    stride = len(rows) // height
    raw = b"".join(b"\0" + rows[y * stride : (y + 1) * stride] for y in range(height))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
        + before
        + (chunk(b"IDAT", zlib.compress(raw)) if data is None else data)
        + chunk(b"IEND", b"")
    )


def tiff(
    strips: Sequence[bytes],
    width: int,
    height: int,
    bits: Sequence[int] = (8,),
    photometric: int = 1,
    order: str = "<",
    extra: dict[int, tuple[int, Sequence[int]]] | None = None,
    following: int = 0,
) -> bytes:
    """A TIFF of one directory. extra: tag -> (kind, numbers), kinds 1 BYTE, 3 SHORT, 4 LONG; it may replace tags."""
    places = [8 + sum(len(s) for s in strips[:i]) for i in range(len(strips))]
    body = b"".join(strips)
    body += b"\0" * (len(body) % 2)
    tags: dict[int, tuple[int, Sequence[int]]] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, bits),
        259: (3, [1]),
        262: (3, [photometric]),
        273: (4, places),
        277: (3, [len(bits)]),
        278: (4, [height]),
        279: (4, [len(s) for s in strips]),
    }
    tags |= extra or {}
    tags = {tag: value for tag, value in tags.items() if value[1]}
    far_at = 8 + len(body) + 2 + 12 * len(tags) + 4
    entries, far = b"", b""
    for tag, (kind, numbers) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(numbers)}{ {1: 'B', 3: 'H', 4: 'I'}[kind] }", *numbers)
        if len(packed) > 4:
            far += packed + b"\0" * (len(packed) % 2)
            packed = struct.pack(order + "I", far_at + len(far) - len(packed) - len(packed) % 2)
        entries += struct.pack(order + "HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(body))
    return (
        head
        + body
        + struct.pack(order + "H", len(tags))
        + entries
        + struct.pack(order + "I", following)
        + far
    )


def bmp(width: int, height: int, bits: int, compression: int, data: bytes) -> bytes:
    """A BMP with a BITMAPINFOHEADER and no palette."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, 54) + info + data


def webp_extended(width: int, height: int, flags: int, chunks: bytes) -> bytes:
    """A WebP that declares its canvas in a VP8X chunk."""
    sizes = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes([flags, 0, 0, 0]) + sizes + chunks
    return b"RIFF" + struct.pack("<I", len(body)) + body


def with_jpeg_size(data: bytes, width: int, height: int) -> bytes:
    """The JPEG with other numbers in its frame header."""
    frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    return data[: frame + 5] + struct.pack(">HH", height, width) + data[frame + 9 :]


def samples(rng: np.random.Generator, *shape: int, dtype: str = "u1") -> np.ndarray:
    """Samples over the whole range of an unsigned dtype."""
    return rng.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)
