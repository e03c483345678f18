"""Calibration scores of a build: each nominal part judged by the bank as it would be without that part.

Letters: n images, c of them scored, g parts, p patches of an image, d dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int, Int64

from core.config import DetectorConfig
from core.input.cells import drawn
from core.input.views import Placement
from core.judging.calibration import images_needed
from core.judging.groups import group_sizes
from core.judging.heatmap import as_input, heatmap, map_scores, peak
from core.judging.held_out import HeldOutBank, sampled_groups
from core.memory.merge_reduce import StreamedCoreset
from core.memory.patch_store import PatchStore
from core.memory.substitutes import Substitutes
from core.parallel import run_parts
from core.search import Index

SIDE_BY_SIDE = 8  # parts


@dataclass(frozen=True, eq=False)
class HeldOutScores:
    """images (c,): which were scored, ascending. scores, peaks (c,): of each its score and its map's highest value."""

    images: Int64[np.ndarray, " c"]
    scores: Float32[np.ndarray, " c"]
    peaks: Float32[np.ndarray, " c"]

    @classmethod
    def of(cls, found: Sequence[tuple[int, float, float]]) -> HeldOutScores:
        """From (image, score, peak) of each, in any order."""
        images, scores, peaks = zip(*sorted(found), strict=True)
        return cls(np.array(images, np.int64), np.array(scores, np.float32), np.array(peaks, np.float32))


@dataclass(frozen=True, eq=False)
class Calibration:
    """What the scores are made from.

    image (m,): which image gave each bank vector. groups (n,): the part of each image, numbered from 0. In the store
    every ``config.augment.views`` images are one photograph: as taken, which is scored, then its copies, which leave
    with it. points: what the coreset was picked from. kept (m,): its row ids in ``store``. placements (n,): of the
    images; offset: see ``core.judging.heatmap``.
    """

    store: PatchStore
    index: Index
    image: Int[np.ndarray, " m"]
    groups: Int64[np.ndarray, " n"]
    points: StreamedCoreset
    kept: Int64[np.ndarray, " m"]
    config: DetectorConfig
    placements: Sequence[Placement]
    offset: float

    def run(self, check: Callable[[], None], progress: Callable[[int, int], None]) -> HeldOutScores:
        """Score all parts, or a sample of many; what ``check``, called many times a second, raises ends it."""
        members = sampled_parts(self.groups, self.config)
        sample, total = [*members], sum(map(len, members.values()))
        progress(0, total)
        substitutes = self._substitutes(check)
        found: list[tuple[int, float, float]] = []
        for a in range(0, len(sample), SIDE_BY_SIDE):
            some = sample[a : a + SIDE_BY_SIDE]
            for of_one in run_parts(lambda part: self._part(part, members[part], substitutes), some, check):
                found += of_one
            progress(len(found), total)
        return HeldOutScores.of(found)

    def _substitutes(self, check: Callable[[], None]) -> Substitutes:
        owner = self.groups[self.store.image_of(self.points.ids) // self._views].astype(np.int32)
        picks = np.searchsorted(self.points.ids, self.kept)
        return Substitutes(self.points.rows, owner, picks, check, self._distances_known)

    def _part(
        self, part: int, members: Int64[np.ndarray, " q"], substitutes: Substitutes
    ) -> list[tuple[int, float, float]]:
        """(image, score, peak) of each photograph of one part."""
        put_in = self.store.rows(self.points.ids[substitutes.of(part)])
        bank = HeldOutBank(self.index, np.flatnonzero(self.groups[self.image] == part), put_in)
        return [(i, *self._judged(i, bank, substitutes)) for i in members.tolist()]

    def _judged(self, i: int, bank: HeldOutBank, substitutes: Substitutes) -> tuple[float, float]:
        taken = i * self._views
        kept = substitutes.distances_without_own(self.store.ids(taken)) if self._distances_known else None
        vectors, grid = self.store.image_vectors(taken), self.store.grid(taken)
        return judged(
            vectors, grid, self.placements[i], bank, self.config, self.offset, kept, self.points.device
        )

    @property
    def _views(self) -> int:
        return self.config.augment.views

    @property
    def _distances_known(self) -> bool:
        """Whether the points are all vectors, neither projected nor reduced, and distances all that a score needs."""
        whole = (len(self.points.rows), self.points.dimension) == (self.store.count, self.store.dimension)
        return whole and not self.config.reweight


def judged(
    vectors: Float32[np.ndarray, "p d"],
    grid: tuple[int, int],
    place: Placement,
    bank: HeldOutBank,
    config: DetectorConfig,
    offset: float,
    kept: Float32[np.ndarray, " p"] | None = None,
    device: torch.device | None = None,
) -> tuple[float, float]:
    """(score, peak of its map) of one image by a bank without its part. kept: see ``HeldOutBank.score``."""
    cells = place.cells(config.input, grid)
    rows = slice(None) if cells is None else cells.rows
    score, distances = bank.score(
        torch.from_numpy(vectors[rows]).to(device), config.neighbours if config.reweight else None, kept
    )
    distances = distances if cells is None else cells.scattered(distances)
    spread = drawn(cells, distances)
    inputs = place.frame.rows.input, place.frame.columns.input
    if config.score == "map":
        score = float(map_scores(spread[None], grid, inputs, config.sigma)[0])
    return score, peak(heatmap(spread.reshape(grid), as_input(inputs), config.sigma, offset)).value


def sampled_parts(
    groups: Int64[np.ndarray, " n"], config: DetectorConfig
) -> dict[int, Int64[np.ndarray, " q"]]:
    """The images of each part that is scored: of all, or of a sample that supports the lower of the asked rates."""
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.cumsum(group_sizes(groups))[:-1])
    rates = (config.target_false_reject, config.target_review)
    needed = max(images_needed(rate) for rate in rates if rate is not None)
    return {part: members[part] for part in sampled_groups(groups, config.seed, needed).tolist()}
