"""An image's bytes -> what its bank's version takes: header, memory counted, decoded, resized. On decoder threads."""

from __future__ import annotations

import time
from functools import partial

from app.errors import BankWithoutVersion, VersionNotActive
from app.imaging.decode import DECODED_BYTES, check_header, decode_photograph
from app.imaging.header import Header
from app.inspection import engine
from app.inspection.engine import SMALL_PIXELS
from app.inspection.gate import Pass
from app.inspection.inspecting import Asked, Inspecting, Taken
from app.inspection.registry import Key, Loaded
from app.store import schema
from core.input.photograph import Photograph, reduction

MAP = 4  # bytes of a pixel of a map that was drawn


def read(inspecting: Inspecting, bank: str, body: bytes, asked: Asked) -> tuple[schema.Bank, Taken | Header]:
    """The bank as it is now, and its image where it is small and the version that says how to take it is in memory.

    Raises NotFound, BankWithoutVersion, VersionNotActive, ImageRefused.
    """
    row = inspecting.store.banks.current(bank)
    key = Key.active(row)
    if key is None:
        raise BankWithoutVersion(
            requirement="an inspection needs a bank with an active version",
            received=f"the bank {bank}, which has none",
            remedy="Upload nominal images and build it, import a version, or activate one.",
        )
    if asked.version not in (None, key.number):
        raise not_active(asked.version, key.number)
    loaded = inspecting.registry.peek(key)
    header = check_header(body, inspecting.image_limits)  # what is not an image has no version loaded for it
    if loaded is None or header.width * header.height > SMALL_PIXELS:
        return row, header
    return row, take(inspecting, loaded, body, header, asked)


def not_active(named: int | None, active: int | None) -> VersionNotActive:
    """The refusal of an inspection by version ``named``."""
    return VersionNotActive(
        requirement="a version that inspects must be the active one",
        received=f"version {named}, while {'none' if active is None else f'version {active}'} is active",
        remedy=f"Activate version {named}, or leave the version out of the path.",
    )


def take(inspecting: Inspecting, loaded: Loaded, body: bytes, header: Header, asked: Asked) -> Taken:
    """The image as the version takes it, its memory counted. Raises ImageRefused, MemoryFull."""
    whole = asked.picture == "overlay"
    with asked.share.holding(decoded_bytes(header, loaded)):
        started = time.perf_counter()
        photograph = photographed(inspecting, loaded, body, header)
        milliseconds = (time.perf_counter() - started) * 1e3
        image = loaded.engine.prepare(photograph)
        kept = photograph.pixels if whole and photograph.reduced == 1 else None
        drawn = MAP * image.pixels if image.pixels <= SMALL_PIXELS else 0
        asked.share.grow(image.nbytes + drawn + (0 if kept is None else kept.nbytes))
    return Taken(image, milliseconds, kept)


def decoded_bytes(header: Header, loaded: Loaded) -> int:
    """What decoding an image for a version takes at most."""
    config = loaded.engine.bank.config.input
    by = reduction(config, header.height, header.width) if header.format == "JPEG" else 1
    return DECODED_BYTES * header.width * header.height // by**2


def photographed(
    inspecting: Inspecting, loaded: Loaded, body: bytes, header: Header | None = None
) -> Photograph:
    """The image as the version has it decoded. Raises ImageRefused."""
    return decode_photograph(body, loaded.engine.bank.config.input, inspecting.image_limits, header)


async def prepared(inspecting: Inspecting, loaded: Loaded, body: bytes, share: Pass) -> engine.Prepared:
    """An image as a version takes it, decoded in its turn and counted. Raises ImageRefused, Overloaded."""
    header = await inspecting.pools.background(partial(check_header, body, inspecting.image_limits))

    def made() -> engine.Prepared:
        with share.holding(decoded_bytes(header, loaded)):
            image = loaded.engine.prepare(photographed(inspecting, loaded, body, header))
        share.grow(image.nbytes)
        return image

    large = header.width * header.height > SMALL_PIXELS
    return await inspecting.decoders.run(made, share.lane, large)
