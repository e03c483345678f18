"""One image, from bytes to an acknowledged answer: decode, join a batch, judge, write to the ledger.

Three threads take part and no more hops than that: a decoder, the inference thread, the ledger's writer. Where
neither image nor picture is wanted, the inference thread hands the inspection to the writer itself (``Filing``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from app.errors import BankWithoutVersion, DeadlineExceeded, Overloaded
from app.imaging.decode import check_header, decode_image, decode_photograph
from app.imaging.media import media_type_of
from app.imaging.pictures import Kind, Picture, draw
from app.inspection.engine import Inspection
from app.inspection.filing import Asked, Filing, Line
from app.inspection.ledger import KeptImage
from app.inspection.registry import Key, Loaded
from app.inspection.thresholds import effective, overridden
from app.lifecycle.service import Service
from app.store import schema
from core.input.photograph import Image, Photograph
from core.judging.calibration import Thresholds

BATCH_PIXELS = 2 << 20  # of input that pass the backbone together: 32 at 256 pixels a side, 2 at 1,024


@dataclass(frozen=True, eq=False)
class Answer:
    """An inspection in the ledger, the picture asked for, and the level its regions exceed."""

    row: Line
    picture: Picture | None
    map_threshold: float


@dataclass(frozen=True, eq=False)
class Work:
    """What waits in the queue; it holds its version, which may leave the memory meanwhile."""

    image: Photograph
    thresholds: Thresholds
    loaded: Loaded
    filing: Filing | None = None


async def inspect(service: Service, bank: str, body: bytes, asked: Asked) -> Answer:
    """Inspect one image and write it down. Durable once it returns; cancelling takes it out of the queue.

    Raises NotFound, BankWithoutVersion, VersionUnusable, ImageRefused, Overloaded, StoreError.
    """
    service.refuse_unready()
    started = time.perf_counter()
    row, decoded = await service.in_decoder(lambda: _prepare(service, bank, body))
    loaded = await _loaded(service, row, asked.deadline)
    if decoded is None:
        decoded = await service.in_decoder(lambda: _decoded(service, loaded, body))
    image, decode_ms = decoded
    thresholds = overridden(effective_of(row, loaded), asked.review_threshold, asked.reject_threshold)
    filing = Filing(service, loaded, image, asked, decode_ms, started)
    try:
        work = Work(image, thresholds, loaded, filing)
        found = (await service.batcher.submit(loaded.key, work, deadline=asked.deadline)).result
    except BaseException as error:
        if filing.abandon() or not isinstance(error, Overloaded):
            raise
        found = filing.found  # it is in the ledger already: the answer, late as it is, is the truth
    if filing.filed:
        line, picture = Line(**filing.row), None
        await filing.written
    else:
        line, picture = await _finished(service, filing.row, found, image, body, asked)
    service.metrics.inspected(line.bank, line.decision)
    return Answer(line, picture, found.map_threshold)


def run_batch(key: Key, works: Sequence[Work]) -> list[Inspection]:
    """What the batcher calls on the inference thread: one call of the engine, or some where inputs are large."""
    engine, begun = works[0].loaded.engine, time.monotonic()
    answers: dict[int, Inspection] = {}
    most = max(1, BATCH_PIXELS // engine.bank.config.input.size**2)
    for thresholds, members in _by_thresholds(works):
        for some in (members[i : i + most] for i in range(0, len(members), most)):
            found = engine.inspect([works[i].image for i in some], thresholds)
            answers.update(zip(some, found, strict=True))
    for i, work in enumerate(works):
        if work.filing is not None:
            work.filing.file(answers[i], begun)
    return [answers[i] for i in range(len(works))]


def image_bytes(work: Work) -> int:
    """What a waiting image weighs."""
    return work.image.pixels.nbytes


def photograph(service: Service, loaded: Loaded, body: bytes) -> Photograph:
    """The image as a version takes it. Raises ImageRefused."""
    return decode_photograph(body, loaded.engine.bank.config.input, service.image_limits)


async def pictured(
    service: Service, kind: Kind, found: Inspection, image: Photograph, body: bytes
) -> Picture:
    """The map, drawn on a decoder thread; laid over the whole image, at whatever scale that was inspected."""

    def whole() -> Image:
        return image.pixels if image.reduced == 1 else decode_image(body, service.image_limits)

    return await service.in_decoder(
        lambda: draw(kind, whole, found.heatmap, found.map_threshold, found.regions)
    )


def effective_of(row: schema.Bank, loaded: Loaded) -> Thresholds:
    """``effective``, remembered until the bank's row changes."""
    if loaded.judged is None or loaded.judged[0] != row.revision:
        loaded.judged = row.revision, effective(row, loaded.engine.bank)
    return loaded.judged[1]


def _prepare(service: Service, bank: str, body: bytes) -> tuple[schema.Bank, tuple[Photograph, float] | None]:
    """On a decoder thread: the bank as it is now, and its image where the version that says how is in memory."""
    row = service.store.banks.current(bank)
    if row.active_version is None:
        raise BankWithoutVersion(
            requirement="an inspection needs a bank with an active version",
            received=f"the bank {bank}, which has none",
            remedy="Upload nominal images and build it, import a version, or activate one.",
        )
    loaded = service.registry.peek((row.id, row.active_version))
    if loaded is None:
        check_header(body, service.image_limits)  # what is no image has no version loaded for it
        return row, None
    return row, _decoded(service, loaded, body)


def _decoded(service: Service, loaded: Loaded, body: bytes) -> tuple[Photograph, float]:
    """The image as the version takes it, and the milliseconds decoding took."""
    started = time.perf_counter()
    image = photograph(service, loaded, body)
    return image, (time.perf_counter() - started) * 1e3


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


async def _finished(
    service: Service, values: dict[str, Any], found: Inspection, image: Photograph, body: bytes, asked: Asked
) -> tuple[Line, Picture | None]:
    """Draw and stage what is wanted, on a decoder thread, then write to the ledger."""
    picture: Picture | None = None
    kept: KeptImage | None = None
    with ExitStack() as stack:
        if service.keeps(found.decision):
            kept = await service.in_decoder(lambda: _staged(service, body, stack))
            values = {**values, "image_sha256": kept.staged.sha256}
        if asked.picture is not None:
            picture = await pictured(service, asked.picture, found, image, body)
        await service.ledger.record(values, kept)
    return Line(**values), picture


def _staged(service: Service, body: bytes, stack: ExitStack) -> KeptImage:
    staged = stack.enter_context(service.store.blobs.staging.begin(len(body)))
    staged.write(body)
    return KeptImage(staged.finish(), media_type_of(body))
