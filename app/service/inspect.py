"""One image, from bytes to an acknowledged answer: decode, join a batch, judge, write to the ledger.

Three threads take part and no more hops than that: a decoder, the inference thread, the ledger's writer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from app.batching import Served
from app.engine import Inspection
from app.errors import DeadlineExceeded
from app.images import decode_image
from app.pictures import Kind, Picture, draw
from app.registry import Key, Loaded
from app.service.errors import BankWithoutVersion
from app.service.ledger import KeptImage
from app.service.media import media_type_of
from app.service.names import split_name
from app.service.service import Service
from app.service.thresholds import effective, overridden
from app.store import schema
from core.calibration import Thresholds
from core.preprocess import Image

BATCH_PIXELS = 2 << 20  # of input that pass the backbone together: 32 at 256 pixels a side, 2 at 1,024


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
class Work:
    """What waits in the queue; it holds its version, which may leave the memory meanwhile."""

    image: Image
    thresholds: Thresholds
    loaded: Loaded


async def inspect(service: Service, bank: str, body: bytes, asked: Asked) -> Answer:
    """Inspect one image and write it down. Durable once it returns; cancelling takes it out of the queue.

    Raises NotFound, BankWithoutVersion, VersionUnusable, ImageRefused, Overloaded, StoreError.
    """
    service.refuse_unready()
    started = time.perf_counter()
    row, image, decode_ms = await service.in_decoder(lambda: _prepare(service, bank, body))
    loaded = await _loaded(service, row, asked.deadline)
    thresholds = overridden(effective_of(row, loaded), asked.review_threshold, asked.reject_threshold)
    served = await service.batcher.submit(
        loaded.key, Work(image, thresholds, loaded), deadline=asked.deadline
    )
    entry = _entry(loaded, image, served, asked, decode_ms, started)
    return await _written(service, entry, served.result, image, body, asked)


def run_batch(key: Key, works: Sequence[Work]) -> list[Inspection]:
    """What the batcher calls on the inference thread: one call of the engine, or some where inputs are large."""
    engine = works[0].loaded.engine
    answers: dict[int, Inspection] = {}
    most = max(1, BATCH_PIXELS // engine.bank.config.input.size**2)
    for thresholds, members in _by_thresholds(works):
        for some in (members[i : i + most] for i in range(0, len(members), most)):
            found = engine.inspect([works[i].image for i in some], thresholds)
            answers.update(zip(some, found, strict=True))
    return [answers[i] for i in range(len(works))]


def image_bytes(work: Work) -> int:
    """What a waiting image weighs."""
    return work.image.nbytes


def effective_of(row: schema.Bank, loaded: Loaded) -> Thresholds:
    """``effective``, remembered until the bank's row changes."""
    if loaded.judged is None or loaded.judged[0] != row.revision:
        loaded.judged = row.revision, effective(row, loaded.engine.bank)
    return loaded.judged[1]


def _prepare(service: Service, bank: str, body: bytes) -> tuple[schema.Bank, Image, float]:
    """On a decoder thread: the bank as it is now, the image, and the milliseconds decoding took."""
    row = service.store.banks.current(bank)
    if row.active_version is None:
        raise BankWithoutVersion(
            requirement="an inspection needs a bank with an active version",
            received=f"the bank {bank}, which has none",
            remedy="Upload nominal images and build it, import a version, or activate one.",
        )
    started = time.perf_counter()
    image = decode_image(body, service.image_limits)
    return row, image, (time.perf_counter() - started) * 1e3


async def _loaded(service: Service, row: schema.Bank, deadline: float) -> Loaded:
    assert row.active_version is not None
    loaded = service.registry.peek((row.id, row.active_version))
    if loaded is not None:
        return await service.registry.get(*loaded.key, pinned=row.pinned)
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            return await service.registry.get(row.id, row.active_version, pinned=row.pinned)
    except TimeoutError:
        raise DeadlineExceeded(
            requirement="the answer must come by the deadline",
            received="none when it passed: the bank is being loaded",
            remedy="Try again after the seconds that Retry-After says; pin the bank to keep it loaded.",
            retry_after=1.0,
        ) from None


def _by_thresholds(works: Sequence[Work]) -> Iterator[tuple[Thresholds, list[int]]]:
    groups: dict[Thresholds, list[int]] = {}
    for i, work in enumerate(works):
        groups.setdefault(work.thresholds, []).append(i)
    yield from groups.items()


def _entry(
    loaded: Loaded, image: Image, served: Served[Inspection], asked: Asked, decode_ms: float, started: float
) -> schema.Inspection:
    found = served.result
    timings = {"queue": served.queue_seconds * 1e3, "decode": decode_ms, **asdict(found.timings)}
    timings["total"] = (time.perf_counter() - started) * 1e3
    return schema.Inspection(
        bank=loaded.key[0],
        version=loaded.key[1],
        serial=asked.serial,
        station=asked.station,
        name=asked.name,
        width=image.shape[1],
        height=image.shape[0],
        score=found.score,
        review_threshold=found.thresholds.review,
        reject_threshold=found.thresholds.reject,
        decision=found.decision,
        regions=[vars(region) for region in found.regions],
        nearest=_nearest(found),
        timings={name: round(value, 3) for name, value in timings.items()},
        digests=loaded.digests,
        actor=asked.actor,
    )


def _nearest(found: Inspection) -> dict[str, Any]:
    """The nearest nominal patch, its image named apart from its digest."""
    sha256, name = split_name(found.nearest.image)
    return vars(found.nearest) | {"image": name, "sha256": sha256}


async def _written(
    service: Service, entry: schema.Inspection, found: Inspection, image: Image, body: bytes, asked: Asked
) -> Answer:
    """Draw and stage what is wanted, on a decoder thread if anything is, then write to the ledger."""
    picture: Picture | None = None
    kept: KeptImage | None = None
    with ExitStack() as stack:
        if service.keeps(entry.decision):
            kept = await service.in_decoder(lambda: _staged(service, body, stack))
            entry.image_sha256 = kept.staged.sha256
        if asked.picture is not None:
            kind = asked.picture
            picture = await service.in_decoder(
                lambda: draw(kind, image, found.heatmap, found.map_threshold, found.regions)
            )
        await service.ledger.record(entry, kept)
    service.metrics.inspected(entry.bank, entry.decision)
    return Answer(entry, picture, found.map_threshold)


def _staged(service: Service, body: bytes, stack: ExitStack) -> KeptImage:
    staged = stack.enter_context(service.store.blobs.staging.begin(len(body)))
    staged.write(body)
    return KeptImage(staged.finish(), media_type_of(body))
