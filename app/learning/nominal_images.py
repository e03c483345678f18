"""A bank's nominal images as people see them: listed, looked at, taken out."""

from __future__ import annotations

from app.imaging.decode import decode_image, thumbnail
from app.lifecycle.service import Service
from app.store.page import Page
from app.store.schema import Image


def page(service: Service, bank: str, after: str | None, limit: int) -> Page[Image]:
    """By name. Raises NotFound."""
    return service.store.images.page(bank, after=after, limit=limit)


def count(service: Service, bank: str) -> int:
    """How many there are."""
    return service.store.images.totals(bank)[0]


def read(service: Service, bank: str, sha256: str) -> bytes:
    """The image as it was received. Raises NotFound, BlobMissing."""
    return service.store.blobs.read(service.store.images.get(bank, sha256).sha256)


def small(service: Service, bank: str, sha256: str, side: int) -> bytes:
    """A JPEG of at most ``side`` pixels each way. Raises NotFound, BlobMissing."""
    return thumbnail(decode_image(read(service, bank, sha256), service.image_limits), side)


def remove(service: Service, bank: str, sha256: str, actor: str) -> None:
    """Out of the set; versions built with it stay. Raises NotFound."""
    service.store.images.remove(bank, sha256, actor=actor)
