"""One image, from bytes to an acknowledged answer: read, decode, submit, judge, render, record.

A decoder thread reads, decodes and resizes, the inference thread computes, the ledger's thread writes; the event loop
hands on. The deadline holds until the ledger writes: what cannot be answered in time is refused in time. Each stage
counts its memory before it takes it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from app.errors import BankWithoutVersion
from app.imaging.decode import DECODED_BYTES, ImageLimits, check_header, decode_image, decode_photograph
from app.imaging.header import Header
from app.imaging.pictures import MAP_BYTES, PICTURE_BYTES, Kind, Picture, draw
from app.inspection import engine
from app.inspection.backbones import Backbones
from app.inspection.batcher import Batcher
from app.inspection.decoders import Decoders
from app.inspection.engine import SMALL_PIXELS
from app.inspection.gate import Gate, Memory, Pass
from app.inspection.lanes import NO_RULES, Lane, Rules, lane_of
from app.inspection.ledger import KeptImage, Ledger
from app.inspection.registry import Key, Loaded, Registry
from app.inspection.sampling import Sample
from app.inspection.thresholds import Calibrations, effective, overridden
from app.inspection.waiting import Deadline, Served
from app.ops.observed import Metrics
from app.ops.process import Life, Pools
from app.problems.types import type_of
from app.settings import Settings
from app.store import schema
from app.store.errors import StoreError
from app.store.store import Store
from core.input.photograph import Image, Photograph, reduction
from core.judging.scoring import Thresholds
from nominal_client.formats import media_type_of

MAP = 4  # bytes of a pixel of a map that was drawn


@dataclass(frozen=True, eq=False)
class Inspecting:
    """What inspecting takes: loaded banks, the queue, the ledger. Made by ``app.lifecycle.opening`` only.

    memory: for what is in flight. image_limits: what one image may ask for. sample: of accepted images, where only some
    are kept. comparing: held while two versions are compared. rules: priorities and shares of banks, as last read.
    """

    settings: Settings
    store: Store
    backbones: Backbones
    batcher: Batcher[Key, engine.Work, engine.Found]
    decoders: Decoders
    memory: Memory
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
    rules: dict[str, Rules] = field(default_factory=dict)

    def lane(self, bank: str, key: str, of_key: Rules = NO_RULES) -> Lane:
        """Where a key's inspections for a bank wait."""
        return lane_of(bank, key, self.rules.get(bank, NO_RULES), of_key)

    def keeps(self, row: schema.Inspection, size: int) -> bool:
        """Whether the policy keeps the image, of ``size`` bytes, of an inspection about to be written down."""
        keep = self.settings.image_keep
        if keep in ("all", "none") or row.decision != "accept":
            return keep != "none"
        return self.sample is not None and self.sample.takes(row, size)


@dataclass(frozen=True)
class Asked:
    """What a caller wants beside the score. share: of the memory; thresholds override the bank's."""

    deadline: Deadline
    actor: str
    share: Pass
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
class Taken:
    """An image as a version takes it; milliseconds: decoding took. whole: all of it, where a picture needs that."""

    image: engine.Prepared
    milliseconds: float
    whole: Image | None


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
            if asked.deadline.passed:
                inspecting.metrics.batch_refused((bank, 0, ""), asked.deadline.missed())
            raise
    await record(inspecting, judged, body)
    inspecting.metrics.inspected(judged.bank, judged.decision)
    return Answer(judged, picture, found.map_threshold)


async def compute(
    inspecting: Inspecting, bank: str, body: bytes, asked: Asked
) -> tuple[Loaded, Taken, engine.Inspection, Served[engine.Found]]:
    """The image decoded, queued and scored by the bank's active version."""
    share, decoders = asked.share, inspecting.decoders
    asked.deadline.doing = "it waited to be decoded, or was"
    row, taken = await decoders.run(partial(read, inspecting, bank, body, asked), share.lane)
    if row.priority is not None or row.share:
        inspecting.rules[bank] = Rules(row.priority, row.share or 0.0)
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


def read(inspecting: Inspecting, bank: str, body: bytes, asked: Asked) -> tuple[schema.Bank, Taken | Header]:
    """The bank as it is now, and its image where it is small and the version that says how to take it is in memory.

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
    header = check_header(body, inspecting.image_limits)  # what is not an image has no version loaded for it
    if loaded is None or header.width * header.height > SMALL_PIXELS:
        return row, header
    return row, take(inspecting, loaded, body, header, asked)


async def load(inspecting: Inspecting, row: schema.Bank, deadline: Deadline) -> Loaded:
    """The bank's active version, ready to inspect. Raises VersionUnusable, NotFound."""
    key = Key.active(row)
    assert key is not None
    if inspecting.registry.peek(key) is None:
        deadline.doing = "the bank was loaded; pin it to keep it loaded"
    return await inspecting.registry.get(key, pinned=row.pinned)


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
        asked.share.grow(image.input.nbytes + drawn + (0 if kept is None else kept.nbytes))
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
        share.grow(image.input.nbytes)
        return image

    large = header.width * header.height > SMALL_PIXELS
    return await inspecting.decoders.run(made, share.lane, large)


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
    sha256, name = engine.split_name(found.nearest.image)
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
        nearest=vars(found.nearest) | {"image": name, "sha256": sha256},
        actor=asked.actor,
    )


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


async def record(inspecting: Inspecting, row: schema.Inspection, body: bytes) -> None:
    """Write it to the ledger, with its image where the policy keeps it and the storage takes it.

    A decision is worth more than its image: where the image cannot be kept, the row says so. Raises StoreError; then
    nothing was written.
    """
    if not inspecting.keeps(row, len(body)):
        return await inspecting.ledger.record(row)
    try:
        with ExitStack() as stack:
            kept = await inspecting.pools.keeper(lambda: _staged(inspecting, body, stack))
            row.image_sha256 = kept.staged.sha256
            await inspecting.ledger.record(row, kept)
    except (StoreError, OSError) as error:
        row.image_sha256 = None
        if row.decision != "accept" or inspecting.sample is None:  # nobody counts on a sample
            row.image_not_kept = reason_of(error)
        await inspecting.ledger.record(row)


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
