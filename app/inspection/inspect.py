"""One image, from bytes to an acknowledged answer: read, decode, submit, judge, render, record.

A decoder thread reads, decodes and resizes, the inference thread computes, the ledger's thread writes; the event loop
hands on. The deadline holds until the ledger writes: what cannot be answered in time is refused in time. Each stage
counts its memory before it takes it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np

from app.imaging.decode import MAP_BYTES, decode_image
from app.imaging.header import Header
from app.imaging.pictures import PICTURE_BYTES, Kind, Picture, draw
from app.inspection import engine
from app.inspection.engine import SMALL_PIXELS
from app.inspection.gate import Pass
from app.inspection.inspecting import Answer, Asked, Inspecting, Taken
from app.inspection.ledger import KeptImage
from app.inspection.registry import Key, Loaded
from app.inspection.taking import read, take
from app.inspection.thresholds import effective, overridden
from app.inspection.waiting import Deadline, Served
from app.problems.types import type_of
from app.store import schema
from app.store.errors import DatabaseBusy, DatabaseUnavailable, StoreError
from core.input.photograph import Image
from core.judging.scoring import Thresholds
from nominal_client.formats import media_type_of

HALF = float(np.finfo(np.float16).max)


async def inspect(inspecting: Inspecting, bank: str, body: bytes, asked: Asked) -> Answer:
    """Inspect one image and write it down. Durable once it returns; cancelling takes it out of the queue.

    Raises NotFound, BankWithoutVersion, VersionUnusable, ImageRefused, Overloaded, StoreError.
    """
    started = time.perf_counter()
    async with asked.deadline.kept():
        try:
            loaded, taken, found, served = await compute(inspecting, bank, body, asked)
            judged = judge(loaded, taken, found, served, asked, started)
            picture = None
            if asked.picture is not None:
                asked.deadline.doing = "its picture was drawn"
                picture = await render(inspecting, asked.picture, found, body, asked.share, taken.whole)
        except asyncio.CancelledError:
            loaded_banks = {each.key.bank for each in inspecting.registry.loaded()}
            if asked.deadline.passed and bank in loaded_banks:  # no series for whatever a caller makes up
                inspecting.metrics.batch_refused((bank, 0, ""), asked.deadline.missed())
            raise
    origin = None if asked.origin is None else asked.origin(judged.id)
    await record(inspecting, judged, body, descriptor_of(loaded, found, judged), origin)
    inspecting.metrics.inspected(judged.bank, judged.decision)
    return Answer(judged, picture, found.map_threshold)


async def compute(
    inspecting: Inspecting, bank: str, body: bytes, asked: Asked
) -> tuple[Loaded, Taken, engine.Inspection, Served[engine.Found]]:
    """The image decoded, queued and scored by the bank's active version."""
    share, decoders = asked.share, inspecting.decoders
    asked.deadline.doing = "it waited to be decoded, or was"
    row, taken = await decoders.run(partial(read, inspecting, bank, body, asked), share.lane)
    inspecting.noted(row)
    loaded = await load(inspecting, row, asked.deadline)
    if isinstance(taken, Header):
        asked.deadline.doing = "it waited to be decoded, or was"
        large = taken.width * taken.height > SMALL_PIXELS
        taken = await decoders.run(partial(take, inspecting, loaded, body, taken, asked), share.lane, large)
    thresholds = effective_of(row, loaded)
    if (asked.review_threshold, asked.reject_threshold) != (None, None):
        thresholds = overridden(thresholds, asked.review_threshold, asked.reject_threshold)
    asked.deadline.doing = "it waited for other images, or was computed"
    work = engine.Work(taken.image, thresholds, loaded.engine)
    served = await inspecting.batcher.submit(loaded.key, work, lane=share.lane, deadline=asked.deadline.at)
    return loaded, taken, await drawn(inspecting, served.result, taken.image, share), served


async def drawn(
    inspecting: Inspecting, found: engine.Found, image: engine.Prepared, share: Pass
) -> engine.Inspection:
    """The answer, of a large image computed here: its map is drawn where large images are decoded."""
    if isinstance(found, engine.Inspection):
        return found

    def made() -> engine.Inspection:
        with share.holding(MAP_BYTES * image.pixels):
            return found()

    return await inspecting.decoders.run(made, share.lane, large=True)


async def load(inspecting: Inspecting, row: schema.Bank, deadline: Deadline) -> Loaded:
    """The bank's active version, ready to inspect. Raises VersionUnusable, NotFound."""
    key = Key.active(row)
    assert key is not None
    if inspecting.registry.peek(key) is None:
        deadline.doing = "the bank was loaded; pin it to keep it loaded"
    registry = inspecting.registry
    return await registry.confirm(await registry.get(key, pinned=row.pinned), row.revision)


def judge(
    loaded: Loaded,
    taken: Taken,
    found: engine.Inspection,
    served: Served[engine.Found],
    asked: Asked,
    started: float,
) -> schema.Inspection:
    """The inspection as the ledger keeps it and everybody sees it. started: ``time.perf_counter`` of the request."""
    height, width = found.size
    timings = {"queue": served.queue_seconds * 1e3, "decode": taken.milliseconds, **vars(found.timings)}
    timings["total"] = (time.perf_counter() - started) * 1e3
    return schema.Inspection(
        bank=loaded.key.bank,
        version=loaded.key.number,
        width=width,
        height=height,
        score=found.score,
        review_threshold=found.thresholds.review,
        reject_threshold=found.thresholds.reject,
        decision=found.decision,
        regions=[vars(region) for region in found.regions],
        timings={stage: round(value, 3) for stage, value in timings.items()},
        digests=loaded.digests,
        serial=asked.serial,
        station=asked.station,
        name=asked.name,
        nearest=None if found.nearest is None else _nearest(found.nearest),
        location=None if found.location is None else found.location.document(),
        actor=asked.actor,
    )


def _nearest(found: engine.NearestPatch) -> dict[str, Any]:
    sha256, name = engine.split_name(found.image)
    return vars(found) | {"image": name, "sha256": sha256}


async def render(
    inspecting: Inspecting,
    kind: Kind,
    found: engine.Inspection,
    body: bytes,
    share: Pass,
    image: Image | None = None,
) -> Picture:
    """The map as a picture, drawn over the whole image, at whatever scale that was inspected. image: it, if at hand."""

    def whole() -> Image:
        return decode_image(body, inspecting.image_limits) if image is None else image

    pixels = found.size[0] * found.size[1]
    bytes_ = PICTURE_BYTES if kind == "overlay" else MAP_BYTES

    def made() -> Picture:
        with share.holding(bytes_ * pixels):
            return draw(kind, whole, found.heatmap, found.map_threshold, found.regions)

    return await inspecting.decoders.run(made, share.lane, pixels > SMALL_PIXELS)


def descriptor_of(
    loaded: Loaded, found: engine.Inspection, row: schema.Inspection
) -> schema.Descriptor | None:
    """By which inspections like this one are found: the mean of its worst patches, not whitened; None without any."""
    if found.worst is None:
        return None
    vector = np.clip(found.worst, -HALF, HALF).astype(np.float16).tobytes()
    return schema.Descriptor(inspection_id=row.id, bank=row.bank, space=loaded.space, vector=vector)


async def record(
    inspecting: Inspecting,
    row: schema.Inspection,
    body: bytes,
    descriptor: schema.Descriptor | None = None,
    origin: schema.Origin | None = None,
) -> None:
    """Write it to the ledger, with its image where the policy keeps it and the storage takes it.

    A decision is worth more than its image: where the image cannot be kept, the row says so. Raises StoreError; then
    nothing was written.
    """
    if not inspecting.keeps(row, len(body)):
        return await inspecting.ledger.record(row, descriptor=descriptor, origin=origin)
    try:
        with ExitStack() as stack:
            kept = await inspecting.pools.keeper(lambda: _staged(inspecting, body, stack))
            row.image_sha256 = kept.staged.sha256
            await inspecting.ledger.record(row, kept, descriptor, origin)
    except (StoreError, OSError) as error:
        row.image_sha256 = None
        if row.decision != "accept" or inspecting.sample is None:  # nobody counts on a sample
            if isinstance(error, DatabaseBusy | DatabaseUnavailable):
                raise  # what cannot write the image's row cannot write the inspection's
            row.image_not_kept = reason_of(error)
        await inspecting.ledger.record(row, descriptor=descriptor, origin=origin)


def reason_of(error: StoreError | OSError) -> str:
    """Why an image was not kept, as a stable word: the problem type of what refused it."""
    return "storage-unavailable" if isinstance(error, OSError) else type_of(type(error)).slug


def effective_of(row: schema.Bank, loaded: Loaded) -> Thresholds:
    """``effective``, remembered until the bank's row changes."""
    if loaded.judged is None or loaded.judged[0] != row.revision:
        loaded.judged = row.revision, effective(row, loaded.engine.bank)
    return loaded.judged[1]


def _staged(inspecting: Inspecting, body: bytes, stack: ExitStack) -> KeptImage:
    staged = stack.enter_context(inspecting.store.blobs.staging.begin(len(body)))
    staged.write(body)
    return KeptImage(staged.finish(), media_type_of(body))
