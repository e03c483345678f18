"""Two versions of a bank over the same kept images, before one is activated. Inspections come first.

Each image is scored between two batches, and only once the queue has been empty or ``PATIENCE`` has passed, so that an
inspection waits for one image at most. A version that is not in memory is loaded aside and let go at the end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.errors import ImageRefused, PictureUnavailable, QueueFull
from app.inspection import inspections
from app.inspection.engine import split_name
from app.inspection.inspect import Inspecting, decode
from app.inspection.registry import Key, Loaded
from app.inspection.thresholds import effective, wish_with
from app.store.errors import StoreError
from app.store.schema import Decision, Inspection
from core.input.photograph import Photograph
from core.judging.scoring import Thresholds

PATIENCE = 0.25  # seconds that an image waits for a gap between inspections
LOOK_SECONDS = 0.005
MOST = 500  # images of one comparison


@dataclass(frozen=True)
class Side:
    """What one version says of an image, by the thresholds it has or would have as the active one."""

    score: float
    decision: Decision


@dataclass(frozen=True, eq=False)
class Pair:
    """One inspection's image under both versions; ``problem`` says why it could not be scored.

    ``learnt`` names the versions that have learnt this very image: they cannot be judged by it.
    """

    done: int
    total: int
    inspection: Inspection
    a: Side | None = None
    b: Side | None = None
    problem: str | None = None
    learnt: tuple[int, ...] = ()

    @property
    def flipped(self) -> bool:
        """Whether the versions decide differently."""
        return self.a is not None and self.b is not None and self.a.decision != self.b.decision


@dataclass(frozen=True, eq=False)
class Comparison:
    """Ready to run: both versions in memory, their thresholds, the images they learnt, the inspections to look at."""

    inspecting: Inspecting
    versions: tuple[Loaded, Loaded]
    thresholds: tuple[Thresholds, Thresholds]
    learnt: tuple[frozenset[str], frozenset[str]]
    rows: list[Inspection]

    async def pairs(self) -> AsyncIterator[Pair]:
        """One inspection after the other; closing the iterator ends the comparison. Ends when the server shuts down."""
        async with self.inspecting.comparing:
            for done, row in enumerate(self.rows, 1):
                if self.inspecting.life.draining:
                    return
                yield await self._pair(done, row)

    async def _pair(self, done: int, row: Inspection) -> Pair:
        inspecting, total = self.inspecting, len(self.rows)
        try:
            images = await inspecting.pools.background(lambda: self._photographs(row))
        except (PictureUnavailable, ImageRefused, StoreError) as error:
            return Pair(done, total, row, problem=str(error))
        a, b = [await self._side(side, image) for side, image in enumerate(images)]
        learnt = tuple(
            loaded.key.number
            for loaded, images_of in zip(self.versions, self.learnt, strict=True)
            if row.image_sha256 in images_of
        )
        return Pair(done, total, row, a, b, learnt=learnt)

    def _photographs(self, row: Inspection) -> list[Photograph]:
        """The image as each version takes it, decoded once where they agree."""
        body = inspections.read_image(self.inspecting, row)
        ways = {loaded.engine.bank.config.input: loaded for loaded in self.versions}
        decoded = {way: decode(self.inspecting, loaded, body).photograph for way, loaded in ways.items()}
        return [decoded[loaded.engine.bank.config.input] for loaded in self.versions]

    async def _side(self, side: int, image: Photograph) -> Side:
        engine = self.versions[side].engine
        await _gap(self.inspecting)
        (found,) = await self.inspecting.batcher.call(lambda: engine.inspect([image], self.thresholds[side]))
        return Side(found.score, found.decision)


async def prepare(inspecting: Inspecting, bank: str, a: int, b: int, limit: int) -> Comparison:
    """Load both versions and choose the inspections: reviewed ones first, each group newest first.

    Raises NotFound, VersionUnusable, TooFewNominalImages for rates that a version does not support, QueueFull while
    another comparison runs, Draining.
    """
    inspecting.life.refuse_draining()
    if inspecting.comparing.locked():
        raise QueueFull(
            requirement="one comparison may run at a time",
            received="another",
            remedy="Wait for the one that runs, or cancel it.",
            retry_after=5.0,
        )
    row = await inspecting.pools.background(lambda: inspecting.store.banks.get(bank))
    versions = await inspecting.pools.background(
        lambda: [inspecting.store.versions.get(bank, number) for number in (a, b)]
    )
    first, second = [await inspecting.registry.aside(Key.of(version)) for version in versions]
    wishes = [wish_with(row, version) for version in versions]
    thresholds = effective(wishes[0], first.engine.bank), effective(wishes[1], second.engine.bank)
    rows = await inspecting.pools.background(
        lambda: inspecting.store.inspections.kept(bank, min(limit, MOST))
    )
    learnt = _learnt(first), _learnt(second)
    return Comparison(inspecting, (first, second), thresholds, learnt, rows)


def _learnt(version: Loaded) -> frozenset[str]:
    """Digests of the images it was built from, where that was done here."""
    named = (split_name(name)[0] for name in version.engine.bank.provenance.images)
    return frozenset(sha256 for sha256 in named if sha256 is not None)


async def _gap(inspecting: Inspecting) -> None:
    """Returns in a gap between inspections, or after ``PATIENCE``."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        load = inspecting.batcher.load()
        if not load.queued and not load.running:
            return
        await asyncio.sleep(LOOK_SECONDS)
