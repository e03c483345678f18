"""Images decoded for people to look at: in the background and counted; small ones of nominal images are stored."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from app.imaging.decode import check_header, decode_image
from app.imaging.pictures import PICTURE_BYTES, thumbnail
from app.inspection.engine import SMALL_PIXELS
from app.inspection.inspecting import Inspecting
from app.inspection.lanes import Lane
from core.input.photograph import Image

V = TypeVar("V")

STORED_SIDES = (
    256,
    512,
    1024,
)  # pixels each way of the small images that are stored; others are made of these


async def viewed(
    inspecting: Inspecting, bank: str, data: bytes, make: Callable[[Image], V], bits: int | None = None
) -> V:
    """What ``make`` makes of an image, where images are decoded. bits: of ``decode_image``.

    Raises ImageRefused, MemoryFull, and what ``make`` does.
    """
    limits = inspecting.image_limits
    header = await inspecting.pools.background(partial(check_header, data, limits))
    pixels = header.width * header.height
    with inspecting.memory.hold(Lane(bank).background()) as share:
        share.grow(len(data))

        def made() -> V:
            with share.holding(PICTURE_BYTES * pixels):
                return make(decode_image(data, limits, bits))

        return await inspecting.decoders.run(made, share.lane, pixels > SMALL_PIXELS)


async def small(
    inspecting: Inspecting, bank: str, sha256: str, read: Callable[[], bytes], side: int, bits: int | None
) -> bytes:
    """A JPEG of at most ``side`` pixels each way, which may be ``STORED_SIDES[-1]``, of a stored image.

    read: gives the image, called on a background thread where no small one is stored. Raises what it does,
    ImageRefused and MemoryFull.
    """
    stored = next(each for each in STORED_SIDES if each >= side)
    thumbnails, background = inspecting.store.thumbnails, inspecting.pools.background
    found = await background(partial(thumbnails.get, sha256, stored, bits))
    if found is None:
        data = await background(read)
        found = await viewed(inspecting, bank, data, partial(thumbnail, side=stored), bits)
        await background(partial(thumbnails.put, sha256, stored, bits, found))
    if side == stored:
        return found
    return await viewed(inspecting, bank, found, partial(thumbnail, side=side))
