"""What a file is, by its first bytes: an image's format and media type, or an archive. Its name is not believed."""

from __future__ import annotations

from typing import Literal

Format = Literal["PNG", "JPEG", "BMP", "TIFF", "WEBP"]
Archive = Literal["zip", "gzip", "bzip2", "xz", "7z", "rar", "tar"]

HEAD_BYTES = 262  # of a file, enough to know any of them
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_IMAGES: tuple[tuple[bytes, Format], ...] = (
    (PNG_SIGNATURE, "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"RIFF", "WEBP"),
    (b"BM", "BMP"),
)
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
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # sizes of the known ones; "BM" alone may begin a text


def format_of(data: bytes) -> Format | None:
    """The format of an image that decode_image reads; None for anything else."""
    found = next((name for magic, name in _IMAGES if data.startswith(magic)), None)
    if found == "WEBP" and data[8:12] != b"WEBP":
        return None
    if found == "BMP" and int.from_bytes(data[14:18], "little") not in _BMP_HEADERS:
        return None
    return found


def media_type_of(data: bytes) -> str:
    """``image/png`` and the like for what ``format_of`` knows."""
    found = format_of(data)
    return f"image/{found.lower()}" if found else "application/octet-stream"


def archive_of(head: bytes) -> Archive | None:
    """The kind of an archive, or of a compressed file; None for anything else."""
    return next((kind for at, magic, kind in _ARCHIVES if head.startswith(magic, at)), None)
