"""What a file is and what its header says, read by ourselves before Pillow sees a byte; its name is not believed."""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from app.errors import ImageCorrupt, ImageManyFrames, ImagePixelsUnsupported
from nominal_client.formats import Format

Archive = Literal["zip", "gzip", "bzip2", "xz", "7z", "rar", "tar"]

_ARCHIVES: tuple[tuple[int, bytes, Archive], ...] = (
    (0, b"PK\x03\x04", "zip"),
    (0, b"PK\x05\x06", "zip"),  # an empty one
    (0, b"\x1f\x8b", "gzip"),
    (0, b"BZh", "bzip2"),
    (0, b"\xfd7zXZ\x00", "xz"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z"),
    (0, b"Rar!\x1a\x07", "rar"),
    (257, b"ustar", "tar"),
)


def archive_of(head: bytes) -> Archive | None:
    """The kind of an archive, or of a compressed file; None for anything else."""
    return next((kind for at, magic, kind in _ARCHIVES if head.startswith(magic, at)), None)


_MAX_CHUNKS = 65_536  # PNG: a 64 MiB file in the 8 KiB chunks of libpng has 8,192
_MAX_SEGMENTS = 8_192  # JPEG: tables and metadata before the first scan
_MAX_JUNK = 65_536  # JPEG: stray bytes between two segments
_MAX_TABLES = 8 * 1024 * 1024  # JPEG: bytes before the first scan, which Pillow joins at quadratic cost
_MAX_SCANS = 100  # JPEG: a progressive file has about ten; each one costs a pass over the whole image
_BMP_PLAIN = (0, 3)  # uncompressed, and uncompressed with bit masks


@dataclass(frozen=True)
class Header:
    """What the header declares: ``width`` and ``height`` in pixels as stored, before any EXIF orientation.

    ``bits`` is the depth of grey samples wider than a byte; ``white_is_zero`` marks them as inverted (TIFF).
    ``whole`` is False where the file stops before its end mark (PNG).
    """

    format: Format
    width: int
    height: int
    bits: int = 16
    white_is_zero: bool = False
    whole: bool = True


def corrupt(received: str) -> ImageCorrupt:
    """The error for a file whose structure does not hold."""
    return ImageCorrupt(
        "An image file must be whole and well formed", received, "Export it or transfer it again."
    )


def unsupported_pixels(received: str) -> ImagePixelsUnsupported:
    """The error for pixels no rule of docs/images.md covers."""
    return ImagePixelsUnsupported(
        requirement="Pixels must be unsigned grey, palette, RGB or CMYK samples in a common encoding",
        received=received,
        remedy="Save the image as 8- or 16-bit grey or RGB, for instance as PNG.",
    )


def many_frames(received: str) -> ImageManyFrames:
    """The error for a file that holds more than one image."""
    return ImageManyFrames(
        "A file must hold exactly one image", received, "Save the wanted frame or page as a file of its own."
    )


def read_png_header(data: bytes) -> Header:
    """Size from IHDR; one walk over the chunks, which Pillow would follow without bound."""
    if data[12:16] != b"IHDR":
        raise corrupt("a PNG that does not begin with its IHDR chunk")
    width, height = struct.unpack_from(">II", data, 16)
    offset, chunks, kind = 8, 0, b""
    while kind != b"IEND" and offset + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, offset)
        if kind == b"acTL" and struct.unpack_from(">I", data, offset + 8) != (1,):
            raise many_frames("an animated PNG")
        if (chunks := chunks + 1) > _MAX_CHUNKS:
            raise corrupt(f"a PNG of more than {_MAX_CHUNKS:,} chunks")
        offset += 12 + length
    return Header("PNG", width, height, whole=kind == b"IEND")


def read_jpeg_header(data: bytes) -> Header:
    """Size from the start of frame; pictures after the first (MPO, gain maps) are not looked at."""
    header, offset = None, 2
    for _ in range(_MAX_SEGMENTS):
        offset = data.find(b"\xff", offset, offset + _MAX_JUNK)
        marker = data[offset + 1] if offset >= 0 else 0xD9
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:  # filling and markers without a length
            offset += 1 if marker == 0xFF else 2
            continue
        if marker == 0xDA and header:  # start of the first scan: the tables are over
            _check_jpeg_length(data, offset)
            return header
        if marker in (0xD9, 0xDA):
            raise corrupt("a JPEG without a frame before its first scan")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
            header = _jpeg_frame(data, offset)
        offset += 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")
    raise corrupt(f"a JPEG of more than {_MAX_SEGMENTS:,} segments before its first scan")


def _check_jpeg_length(data: bytes, first_scan: int) -> None:
    if first_scan > _MAX_TABLES:
        raise corrupt(f"a JPEG with {first_scan:,} bytes before its first scan, above {_MAX_TABLES:,}")
    if data.count(b"\xff\xda", first_scan) > _MAX_SCANS:
        raise corrupt(f"a JPEG of more than {_MAX_SCANS} scans")


def _jpeg_frame(data: bytes, offset: int) -> Header:
    precision, height, width = struct.unpack_from(">BHH", data, offset + 4)
    if precision != 8:
        raise unsupported_pixels(f"a JPEG of {precision} bits a sample")
    return Header("JPEG", width, height)


def read_bmp_header(data: bytes) -> Header:
    """Size from the bitmap header of OS/2 or Windows; run-length encoded files are refused."""
    (size,) = struct.unpack_from("<I", data, 14)
    if size == 12:
        return Header("BMP", *struct.unpack_from("<HH", data, 18))
    width, height, _, _, compression = struct.unpack_from("<iiHHI", data, 18)
    if compression not in _BMP_PLAIN:
        raise unsupported_pixels(f"a BMP with compression {compression}")
    return Header("BMP", width, abs(height))  # a negative height means rows from the top


def read_webp_header(data: bytes) -> Header:
    """Size from the first chunk: lossy, lossless or extended."""
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return Header("WEBP", width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", data, 21)
        return Header("WEBP", (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1)
    if kind == b"VP8X":
        flags, width, low, high = struct.unpack_from("<B3x3sHB", data, 20)
        if flags & 0x02:
            raise many_frames("an animated WebP")
        return Header("WEBP", int.from_bytes(width, "little") + 1, (high << 16 | low) + 1)
    raise corrupt(f"a WebP whose first chunk is {kind!r}")


LONGEST = 180  # characters, so that sha256/name fits a column of 255


def shown_name(raw: str | None, default: str) -> str:
    """``raw`` as a plain relative name: no drive, root, ``..`` or control character, cut to its end; or ``default``."""
    text = unicodedata.normalize("NFC", (raw or "")[: 8 * LONGEST])
    text = "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c)[0] in "CZ" and c != " " else c for c in text
    )
    parts = [part.strip() for part in text.replace("\\", "/").replace(":", "/").split("/")]
    name = "/".join(part for part in parts if part not in ("", ".", ".."))
    return name[-LONGEST:].lstrip("/ ") or default


def shown_names(names: Sequence[str], most: int = 5) -> str:
    """The first of some names for a sentence, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
