"""Media types of images, by their first bytes: what a client calls them is not believed."""

from __future__ import annotations

MAGIC = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"II*\0": "image/tiff",
    b"MM\0*": "image/tiff",
    b"RIFF": "image/webp",
    b"BM": "image/bmp",
}


def media_type_of(data: bytes) -> str:
    """By the first bytes; the formats that decode_image reads."""
    for magic, media_type in MAGIC.items():
        if data.startswith(magic):
            return media_type
    return "application/octet-stream"
