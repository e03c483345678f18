"""What inspecting takes, and what one inspection asks for, is made of and answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from app.imaging.decode import ImageLimits
from app.imaging.pictures import Kind, Picture
from app.inspection import engine
from app.inspection.backbones import Backbones
from app.inspection.batcher import Batcher
from app.inspection.decoders import Decoders
from app.inspection.explainers import Explainers
from app.inspection.gate import Gate, Memory, Pass
from app.inspection.lanes import NO_RULES, Lane, Rules, lane_of
from app.inspection.ledger import Ledger
from app.inspection.registry import Key, Registry
from app.inspection.sampling import Sample
from app.inspection.thresholds import Calibrations
from app.inspection.waiting import Deadline
from app.ops.observed import Metrics
from app.ops.process import Life, Pools
from app.settings import Settings
from app.store import schema
from app.store.store import Store
from core.input.photograph import Image


@dataclass(frozen=True, eq=False)
class Inspecting:
    """What inspecting takes: loaded banks, the queue, the ledger. Made by ``app.lifecycle.opening`` only.

    memory: for what is in flight. image_limits: what one image may ask for. sample: of accepted images, where only some
    are kept. comparing: held while two versions are compared. explainers: give explanations
    their turn. rules: priorities and shares of banks, as last read.
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
    explainers: Explainers = field(default_factory=Explainers)
    rules: dict[str, Rules] = field(default_factory=dict)

    def noted(self, row: schema.Bank) -> None:
        """Remember a bank's priority and share, as its row has them."""
        if row.priority is not None or row.share:
            self.rules[row.id] = Rules(row.priority, row.share or 0.0)
        else:
            self.rules.pop(row.id, None)

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
    """What a caller wants beside the score. share: of the memory; thresholds override the bank's.

    origin: makes the row that says which file the inspection with this id is of.
    version: which must be the active one; None for whichever is.
    """

    deadline: Deadline
    actor: str
    share: Pass
    serial: str | None = None
    station: str | None = None
    name: str | None = None
    review_threshold: float | None = None
    reject_threshold: float | None = None
    picture: Kind | None = None
    origin: Callable[[str], schema.Origin] | None = None
    version: int | None = None


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
