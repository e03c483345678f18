"""A bank's nominal images as people look at them: whole, and small."""

from __future__ import annotations

from app.imaging.decode import decode_image
from app.imaging.pictures import thumbnail
from app.learning.supervisor import Learning


def read(learning: Learning, bank: str, sha256: str) -> bytes:
    """The image as it was received. Raises NotFound, BlobMissing."""
    return learning.store.blobs.read(learning.store.images.get(bank, sha256).sha256)


def small(learning: Learning, bank: str, sha256: str, side: int) -> bytes:
    """A JPEG of at most ``side`` pixels each way. Raises NotFound, BlobMissing."""
    return thumbnail(decode_image(read(learning, bank, sha256), learning.inspecting.image_limits), side)
