"""The stages of a build behind one protocol: what images gave, picking, reading rows, scores of parts left out.

``Learned`` is one process, and needs nothing else; the workers of a cluster share them (app/learning/sharded).
Letters: n images, m picks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Int64

from core.config import DetectorConfig
from core.features.pca import Pca
from core.features.position import Position
from core.features.stream import ReadImages
from core.judging.calibrate import Calibration, HeldOutScores
from core.memory.coreset import Coreset, Progress
from core.memory.layout import Vectors
from core.memory.merge_reduce import StreamedCoreset
from core.memory.patch_store import PatchStore
from core.search import Index


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What parts are scored with. index: of the bank; image (m,): which image gave each vector; kept (m,): its row id.

    groups (n,): the part of each image, from 0. offset: see ``core.judging.heatmap``.
    """

    config: DetectorConfig
    index: Index
    image: Int[np.ndarray, " m"]
    kept: Int64[np.ndarray, " m"]
    groups: Int64[np.ndarray, " n"]
    offset: float


@runtime_checkable
class Stages(Protocol):
    """A build whose images are read."""

    @property
    def store(self) -> Vectors:
        """All patch vectors, as they are compared."""
        ...

    @property
    def read(self) -> ReadImages:
        """What was read."""
        ...

    @property
    def pca(self) -> Pca | None: ...

    @property
    def position(self) -> Position | None: ...

    @property
    def added(self) -> int:
        """How many patches a coreset is picked from."""
        ...

    def pick(self, count: int, progress: Progress) -> Coreset:
        """The greedy coreset, its indices row ids of the store. Raises Cancelled."""
        ...

    def left_out(
        self, of: LeftOut, check: Callable[[], None], progress: Callable[[int, int], None]
    ) -> HeldOutScores:
        """Score all parts, or a sample of many, by the bank without each; what ``check`` raises ends it."""
        ...


@dataclass(frozen=True, eq=False)
class Learned:
    """All stages in this process. points: what a coreset is picked from."""

    store: PatchStore
    points: StreamedCoreset
    pca: Pca | None
    position: Position | None
    read: ReadImages

    @property
    def added(self) -> int:
        return self.points.added

    def pick(self, count: int, progress: Progress) -> Coreset:
        return self.points.finish(count, progress)

    def left_out(
        self, of: LeftOut, check: Callable[[], None], progress: Callable[[int, int], None]
    ) -> HeldOutScores:
        held = (self.points, of.kept, of.config, self.read.placements, of.offset)
        return Calibration(self.store, of.index, of.image, of.groups, *held).run(check, progress)
