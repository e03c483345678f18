"""Which files are images: by suffix, and by their first bytes, which are believed."""

from __future__ import annotations

from typing import Literal

Format = Literal["PNG", "JPEG", "BMP", "TIFF", "WEBP"]

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp"})
HEAD_BYTES = 262  # of a file, enough to know any image or archive
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_IMAGES: tuple[tuple[bytes, Format], ...] = (
    (PNG_SIGNATURE, "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"RIFF", "WEBP"),
    (b"BM", "BMP"),
)
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # sizes of the known ones; "BM" alone may begin a text


def format_of(data: bytes) -> Format | None:
    """The format of an image of a kind that Nominal reads; None for anything else."""
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
