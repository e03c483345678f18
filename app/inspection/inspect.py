"""One image, from bytes to an acknowledged answer: read, decode, submit, judge, render, record.

A decoder thread reads and decodes, the inference thread computes, the ledger's thread writes; the event loop hands on.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from app.errors import BankWithoutVersion, DeadlineExceeded
from app.imaging.decode import ImageLimits, check_header, decode_image, decode_photograph
from app.imaging.pictures import Kind, Picture, draw
from app.inspection import engine
from app.inspection.backbones import Backbones
from app.inspection.batcher import Batcher
from app.inspection.ledger import KeptImage, Ledger
from app.inspection.registry import Key, Loaded, Registry
from app.inspection.sampling import Sample
from app.inspection.thresholds import Calibrations, effective, overridden
from app.inspection.waiting import Gate, Served
from app.ops.observed import Metrics
from app.ops.process import Life, Pools
from app.settings import Settings
from app.store import schema
from app.store.errors import StoreError
from app.store.store import Store
from core.input.photograph import Image, Photograph
from core.judging.scoring import Thresholds
from nominal_client.formats import media_type_of

HALF = float(np.finfo(np.float16).max)


@dataclass(frozen=True, eq=False)
class Inspecting:
    """What inspecting takes: loaded banks, the queue, the ledger. Made by ``app.lifecycle.opening`` only.

    image_limits: what one image may ask for. sample: of accepted images, where only some are kept. comparing: held
    while two versions are compared.
    """

    settings: Settings
    store: Store
    backbones: Backbones
    batcher: Batcher[Key, engine.Work, engine.Inspection]
    registry: Registry
    calibrations: Calibrations
    ledger: Ledger
    gate: Gate
    metrics: Metrics
    pools: Pools
    life: Life
    image_limits: ImageLimits
    sample: Sample | None = None
    comparing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def keeps(self, row: schema.Inspection, size: int) -> bool:
        """Whether the policy keeps the image, of ``size`` bytes, of an inspection about to be written down."""
        keep = self.settings.image_keep
        if keep in ("all", "none") or row.decision != "accept":
            return keep != "none"
        return self.sample is not None and self.sample.takes(row, size)


@dataclass(frozen=True)
class Asked:
    """What a caller wants beside the score. deadline: monotonic seconds; thresholds override the bank's."""

    deadline: float
    actor: str
    serial: str | None = None
    station: str | None = None
    name: str | None = None
    review_threshold: float | None = None
    reject_threshold: float | None = None
    picture: Kind | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """An inspection in the ledger, the picture asked for, and the level its regions exceed."""

    row: schema.Inspection
    picture: Picture | None
    map_threshold: float


@dataclass(frozen=True, eq=False)
class Decoded:
    """An image as a version takes it, and the milliseconds decoding took."""

    photograph: Photograph
    milliseconds: float


async def inspect(inspecting: Inspecting, bank: str, body: bytes, asked: Asked) -> Answer:
    """Inspect one image and write it down. Durable once it returns; cancelling takes it out of the queue.

    Raises NotFound, BankWithoutVersion, VersionUnusable, ImageRefused, Overloaded, StoreError.
    """
    started = time.perf_counter()
    loop, decoders = asyncio.get_running_loop(), inspecting.pools.decoders
    row, decoded = await loop.run_in_executor(decoders, read, inspecting, bank, body)
    loaded = await load(inspecting, row, asked.deadline)
    if decoded is None:
        decoded = await loop.run_in_executor(decoders, decode, inspecting, loaded, body)
    thresholds = effective_of(row, loaded)
    if (asked.review_threshold, asked.reject_threshold) != (None, None):
        thresholds = overridden(thresholds, asked.review_threshold, asked.reject_threshold)
    work = engine.Work(decoded.photograph, thresholds, loaded.engine)
    served = await inspecting.batcher.submit(loaded.key, work, deadline=asked.deadline)
    judged = judge(loaded, decoded, served, asked, started)
    picture = None
    if asked.picture is not None:
        picture = await render(inspecting, asked.picture, served.result, decoded.photograph, body)
    await record(inspecting, judged, body, descriptor_of(loaded, served.result, judged))
    inspecting.metrics.inspected(judged.bank, judged.decision)
    return Answer(judged, picture, served.result.map_threshold)


def read(inspecting: Inspecting, bank: str, body: bytes) -> tuple[schema.Bank, Decoded | None]:
    """The bank as it is now, and its image where the version that says how to take it is in memory.

    Raises NotFound, BankWithoutVersion, ImageRefused.
    """
    row = inspecting.store.banks.current(bank)
    key = Key.active(row)
    if key is None:
        raise BankWithoutVersion(
            requirement="an inspection needs a bank with an active version",
            received=f"the bank {bank}, which has none",
            remedy="Upload nominal images and build it, import a version, or activate one.",
        )
    loaded = inspecting.registry.peek(key)
    if loaded is None:
        check_header(body, inspecting.image_limits)  # what is not an image has no version loaded for it
        return row, None
    return row, decode(inspecting, loaded, body)


async def load(inspecting: Inspecting, row: schema.Bank, deadline: float) -> Loaded:
    """The bank's active version, ready to inspect. Raises VersionUnusable, NotFound, DeadlineExceeded."""
    key = Key.active(row)
    assert key is not None
    if inspecting.registry.peek(key) is not None:
        return await inspecting.registry.get(key, pinned=row.pinned)
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            return await inspecting.registry.get(key, pinned=row.pinned)
    except TimeoutError:
        raise DeadlineExceeded(
            requirement="the answer must come by the deadline",
            received="none when it passed: the bank is being loaded",
            remedy="Try again after the seconds that Retry-After says; pin the bank to keep it loaded.",
            retry_after=1.0,
        ) from None


def decode(inspecting: Inspecting, loaded: Loaded, body: bytes) -> Decoded:
    """The image as the version takes it. Raises ImageRefused."""
    started = time.perf_counter()
    photograph = decode_photograph(body, loaded.engine.bank.config.input, inspecting.image_limits)
    return Decoded(photograph, (time.perf_counter() - started) * 1e3)


def judge(
    loaded: Loaded, decoded: Decoded, served: Served[engine.Inspection], asked: Asked, started: float
) -> schema.Inspection:
    """The inspection as the ledger keeps it and everybody sees it. started: ``time.perf_counter`` of the request."""
    found = served.result
    height, width = found.size
    sha256, name = engine.split_name(found.nearest.image)
    timings = {"queue": served.queue_seconds * 1e3, "decode": decoded.milliseconds, **vars(found.timings)}
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
        nearest=vars(found.nearest) | {"image": name, "sha256": sha256},
        actor=asked.actor,
    )


async def render(
    inspecting: Inspecting, kind: Kind, found: engine.Inspection, image: Photograph, body: bytes
) -> Picture:
    """The map as a picture, drawn over the whole image, at whatever scale that was inspected."""

    def whole() -> Image:
        return image.pixels if image.reduced == 1 else decode_image(body, inspecting.image_limits)

    return await inspecting.pools.decoder(
        lambda: draw(kind, whole, found.heatmap, found.map_threshold, found.regions)
    )


def descriptor_of(loaded: Loaded, found: engine.Inspection, row: schema.Inspection) -> schema.Descriptor:
    """By which inspections like this one are found: the mean of its worst patches, not whitened."""
    vector = np.clip(found.worst, -HALF, HALF).astype(np.float16).tobytes()
    return schema.Descriptor(inspection_id=row.id, bank=row.bank, space=loaded.space, vector=vector)


async def record(
    inspecting: Inspecting, row: schema.Inspection, body: bytes, descriptor: schema.Descriptor
) -> None:
    """Write it to the ledger, with its image where the policy keeps it. Raises StoreError; then nothing was written."""
    if not inspecting.keeps(row, len(body)):
        return await inspecting.ledger.record(row, descriptor=descriptor)
    try:
        with ExitStack() as stack:
            kept = await inspecting.pools.decoder(lambda: _staged(inspecting, body, stack))
            row.image_sha256 = kept.staged.sha256
            await inspecting.ledger.record(row, kept, descriptor)
    except (StoreError, OSError):
        if row.decision != "accept" or inspecting.sample is None:
            raise
        row.image_sha256 = None  # a sample is worth less than an answer
        await inspecting.ledger.record(row, descriptor=descriptor)


def effective_of(row: schema.Bank, loaded: Loaded) -> Thresholds:
    """``effective``, remembered until the bank's row changes."""
    if loaded.judged is None or loaded.judged[0] != row.revision:
        loaded.judged = row.revision, effective(row, loaded.engine.bank)
    return loaded.judged[1]


def _staged(inspecting: Inspecting, body: bytes, stack: ExitStack) -> KeptImage:
    staged = stack.enter_context(inspecting.store.blobs.staging.begin(len(body)))
    staged.write(body)
    return KeptImage(staged.finish(), media_type_of(body))
