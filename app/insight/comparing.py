"""Two versions of a bank over the same kept images, before one is activated. Inspections come first.

Each image is decoded and scored by itself in the background (app/inspection/lanes.py), so that an inspection waits for
one image at most. A version that is not in memory is loaded aside and let go at the end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from app.errors import ImageRefused, Overloaded, PictureUnavailable, QueueFull
from app.inspection import inspections
from app.inspection.engine import Prepared, split_name
from app.inspection.gate import Pass
from app.inspection.inspecting import Inspecting
from app.inspection.lanes import Lane
from app.inspection.registry import Key, Loaded
from app.inspection.taking import prepared
from app.inspection.thresholds import effective, wish_with
from app.store.errors import StoreError
from app.store.schema import Decision, Inspection
from core.config import InputConfig
from core.judging.scoring import Thresholds

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
            with inspecting.memory.hold(Lane(row.bank).background()) as share:
                images = await self._images(row, share)
                a, b = [await self._side(side, image, share) for side, image in enumerate(images)]
        except (PictureUnavailable, ImageRefused, StoreError, Overloaded) as error:
            return Pair(done, total, row, problem=str(error))
        learnt = tuple(
            loaded.key.number
            for loaded, images_of in zip(self.versions, self.learnt, strict=True)
            if row.image_sha256 in images_of
        )
        return Pair(done, total, row, a, b, learnt=learnt)

    async def _images(self, row: Inspection, share: Pass) -> list[Prepared]:
        """The image as each version takes it, decoded once where they agree."""
        body = await self.inspecting.pools.background(lambda: inspections.read_image(self.inspecting, row))
        share.grow(len(body))
        ways = {_way(loaded): loaded for loaded in self.versions}
        made = {way: await prepared(self.inspecting, loaded, body, share) for way, loaded in ways.items()}
        return [made[_way(loaded)] for loaded in self.versions]

    async def _side(self, side: int, image: Prepared, share: Pass) -> Side:
        engine = self.versions[side].engine
        answer = await self.inspecting.batcher.call(
            lambda: engine.inspect([image], self.thresholds[side])[0], share.lane
        )
        return Side(answer.score, answer.decision)


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


def _way(version: Loaded) -> tuple[InputConfig, str, Key | None]:
    """How a version takes an image: two of one way take it alike. One that registers parts has its own reference."""
    engine = version.engine
    own = None if engine.bank.reference is None else version.key
    return engine.bank.config.input, engine.backbone.spec.name, own


def _learnt(version: Loaded) -> frozenset[str]:
    """Digests of the images it was built from, where that was done here."""
    named = (split_name(name)[0] for name in version.engine.bank.provenance.images)
    return frozenset(sha256 for sha256 in named if sha256 is not None)
