"""Coreset of a stream: exact while the stream fits in memory, greedy by merge and reduce past it.

Each full block is reduced to its own greedy coreset, the last pick is made among what was kept of the blocks
(Malkomes et al. 2015). A point lies within its block's covering radius of a kept point, which lies within
the last covering radius of a picked one: the stages' radii add up to a bound of every point's distance.
Letters: p points of one addition, k dimensions, m picks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from core.errors import MemoryBudgetError, ShapeError, TooFewImages
from core.memory.coreset import Coreset, Progress, greedy_coreset

_FEWEST_BLOCKS = 4  # a buffer must hold so many coresets, else a block would hardly be reduced
_SCRATCH_BYTES = 96 << 20  # products and their masks, of eight parts side by side
_SCRATCH_ROWS = 1 << 15  # active points, and as many differences


class StreamedCoreset:
    """Takes projected vectors as they come, keeps what fits in ``budget_bytes``, picks at the end.

        stream = StreamedCoreset(count, k, budget_bytes, generator, cancelled)
        for vectors in blocks:
            stream.add(vectors)
        coreset = stream.finish()

    The coreset's indices count the added points from 0, in the order of addition.
    """

    def __init__(
        self,
        count: int,
        dimension: int,
        budget_bytes: int,
        generator: torch.Generator,
        cancelled: Callable[[], bool] | None = None,
        device: torch.device | None = None,
    ) -> None:
        """device: where points are kept and searched, the CPU by default.

        Raises MemoryBudgetError where the budget cannot hold four coresets of ``count`` points.
        """
        self._count = count
        self._generator = generator
        self._cancelled = cancelled
        capacity = points_in(budget_bytes, count, dimension)
        if capacity < fewest_points(count):
            raise MemoryBudgetError(
                requirement=f"{_FEWEST_BLOCKS} coresets of {count} vectors of {dimension} dimensions take "
                f"{bytes_for(fewest_points(count), count, dimension) / 1e6:,.0f} MB",
                received=f"a budget of {budget_bytes / 1e6:,.0f} MB",
                remedy="raise the budget or lower the number of bank vectors",
            )
        # a CPU's pages are taken as they are filled
        self._points = torch.empty(capacity, dimension, device=device)
        self._ids = np.empty(capacity, np.int64)
        self._kept = 0  # rows in front that are coresets of earlier blocks
        self._used = 0
        self._radius = 0.0  # every point added so far lies within it of a row
        self.seen = self.added = 0  # of all points, and of those kept

    def add(self, points: Float32[Tensor, "p k"], kept: Int64[np.ndarray, " q"] | None = None) -> None:
        """Take the next points; reduces a block where the buffer is full. Raises Cancelled, ShapeError.

        kept: the places of those to be picked from, ascending; None: all. Ids count the others too.
        """
        if points.shape[1:] != self._points.shape[1:]:
            raise ShapeError(
                requirement=f"points must have shape (p, {self._points.shape[1]})",
                received=str(tuple(points.shape)),
                remedy="project all vectors with the same matrix",
            )
        ids = self.seen + (np.arange(len(points)) if kept is None else kept)
        self.seen += len(points)
        points = points if kept is None else points[torch.from_numpy(kept)]
        while len(points):
            if self._used == len(self._points):
                self._reduce()
            taken = points[: len(self._points) - self._used]
            rows = slice(self._used, self._used + len(taken))
            self._points[rows], self._ids[rows] = taken, ids[: len(taken)]
            self._used, self.added = rows.stop, self.added + len(taken)
            points, ids = points[len(taken) :], ids[len(taken) :]

    def finish(self, count: int | None = None, progress: Progress | None = None) -> Coreset:
        """Pick ``count`` (by default as many as announced, never more) of all added points.

        Raises Cancelled, and TooFewImages where nothing was added.
        """
        if not self.added:
            raise TooFewImages("a coreset needs patches of nominal images", "none", "add images")
        picked = self._greedy(slice(0, self._used), min(count or self._count, self._count), progress)
        return dataclasses.replace(
            picked,
            indices=self._ids[picked.indices],
            radius_bound=self._radius + picked.covering_radius,
            points=self.added,
            exact=self._kept == 0,
        )

    @property
    def points(self) -> Float32[Tensor, "n k"]:
        """The kept points, those that ``finish`` picks from; not a copy."""
        return self._points[: self._used]

    @property
    def ids(self) -> Int64[np.ndarray, " n"]:
        """Of each kept point, its place among all that were added; ascending."""
        return self._ids[: self._used]

    def _reduce(self) -> None:
        """Put the newest block's coreset beside the earlier ones; reduce those too past half the buffer."""
        self._radius = max(self._radius, self._replace(self._kept))
        if self._kept > len(self._points) // 2:
            self._radius += self._replace(0)

    def _replace(self, first: int) -> float:
        """Replace the rows from ``first`` on by their coreset; its covering radius."""
        coreset = self._greedy(slice(first, self._used), self._count)
        chosen = np.sort(coreset.indices) + first
        self._kept = self._used = first + len(chosen)
        self._points[first : self._used] = self._points[torch.from_numpy(chosen)]
        self._ids[first : self._used] = self._ids[chosen]
        return coreset.covering_radius

    def _greedy(self, rows: slice, count: int, progress: Progress | None = None) -> Coreset:
        return greedy_coreset(
            self._points[rows], count, self._generator, progress=progress, cancelled=self._cancelled
        )


def bytes_for(points: int, count: int, dimension: int) -> int:
    """Peak memory of holding ``points`` projected vectors and picking ``count`` of them."""
    row = 4 * dimension + 8 + 40  # vector, id, and what greedy or, after it, the search for substitutes keeps
    centre = 4 * dimension + 4 * (dimension + 4)
    return points * row + count * centre + 4 * dimension * _SCRATCH_ROWS + _SCRATCH_BYTES


def fewest_points(count: int) -> int:
    """How many projected vectors the buffer of a coreset of ``count`` must hold."""
    return _FEWEST_BLOCKS * count


def points_in(budget_bytes: int, count: int, dimension: int) -> int:
    """How many projected vectors a budget holds while ``count`` of them are picked."""
    spare = budget_bytes - bytes_for(0, count, dimension)
    return max(0, spare // (bytes_for(1, 0, dimension) - bytes_for(0, 0, dimension)))
