"""Coreset of a stream: exact over memory and, past it, a file; by merge and reduce once memory cannot hold what a
search keeps of each point (48 bytes).

Then each full block is reduced to its own greedy coreset, the last pick is made among what was kept of the blocks
(Malkomes et al. 2015). A point lies within its block's covering radius of a kept point, which lies within
the last covering radius of a picked one: the stages' radii add up to a bound of every point's distance.
Letters: p points of one addition, k dimensions, m picks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from core.errors import MemoryBudgetError, ShapeError, TooFewImages
from core.memory.coreset import HOST, Coreset, Progress, greedy_coreset, picked_from
from core.memory.rows import Filed, OnDevice, Some

_FEWEST_BLOCKS = 4  # a buffer must hold so many coresets, else a block would hardly be reduced
_BESIDE = (
    8 + 40
)  # bytes of a point in memory beside it: its id, and what greedy or, after it, the search for substitutes keeps
_SCRATCH_BYTES = 96 << 20  # products and their masks, of eight parts side by side
_SCRATCH_ROWS = 1 << 15  # active points, and as many differences


class StreamedCoreset:
    """Takes projected vectors as they come, holds ``budget_bytes`` of them in memory, picks at the end.

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
        expected: int | None = None,
        directory: Path | None = None,
    ) -> None:
        """device: where points are kept and searched, the CPU by default, and where memory does not hold all of those
        ``expected``: some are then in a file in ``directory``. None: as many as memory holds.

        Raises MemoryBudgetError where the budget cannot hold four coresets of ``count`` points.
        """
        self._count = count
        self._generator = generator
        self._cancelled = cancelled or (lambda: False)
        self.device = device or torch.device(HOST)
        self.dimension = dimension
        within = points_in(budget_bytes, count, dimension)
        if within < fewest_points(count):
            raise MemoryBudgetError(
                requirement=f"{_FEWEST_BLOCKS} coresets of {count} vectors of {dimension} dimensions take "
                f"{bytes_for(fewest_points(count), count, dimension) / 1e6:,.0f} MB",
                received=f"a budget of {budget_bytes / 1e6:,.0f} MB",
                remedy="raise the budget or lower the number of bank vectors",
            )
        self._capacity, held = shared(budget_bytes, count, dimension, expected or within)
        self.rows: Filed | OnDevice
        if self.device.type == HOST or held < within:
            self.device, self.rows = torch.device(HOST), Filed(dimension, held, directory)
        else:
            self.rows = OnDevice(dimension, within, self.device)
        self._ids = np.empty(self._capacity, np.int64)  # a CPU's pages are taken as they are filled
        self._kept = 0  # rows in front that are coresets of earlier blocks
        self._radius = 0.0  # every point added so far lies within it of a row
        self.seen = self.added = 0  # of all points, and of those kept

    def add(self, points: Float32[Tensor, "p k"], kept: Int64[np.ndarray, " q"] | None = None) -> None:
        """Take the next points; reduces a block where the buffer is full. Raises Cancelled, ShapeError.

        kept: the places of those to be picked from, ascending; None: all. Ids count the others too.
        """
        if points.ndim != 2 or points.shape[1] != self.dimension:
            raise ShapeError(
                requirement=f"points must have shape (p, {self.dimension})",
                received=str(tuple(points.shape)),
                remedy="project all vectors with the same matrix",
            )
        ids = self.seen + (np.arange(len(points)) if kept is None else kept)
        self.seen += len(points)
        points = points if kept is None else points[torch.from_numpy(kept)]
        while len(points):
            if len(self.rows) == self._capacity:
                self._reduce()
            used = len(self.rows)
            taken = points[: self._capacity - used]
            self._append(taken)
            self._ids[used : used + len(taken)] = ids[: len(taken)]
            self.added += len(taken)
            points, ids = points[len(taken) :], ids[len(taken) :]

    def _append(self, points: Float32[Tensor, "p k"]) -> None:
        if isinstance(self.rows, OnDevice):
            self.rows.append(points)
            return
        try:
            self.rows.append(points.cpu().numpy())
        except OSError as error:
            raise MemoryBudgetError(
                requirement="projected vectors past the memory budget need room on the disk",
                received=error.strerror or str(error),
                remedy="free disk space, name another directory, raise the memory budget or use fewer images",
            ) from error

    def finish(self, count: int | None = None, progress: Progress | None = None) -> Coreset:
        """Pick ``count`` (by default as many as announced, never more) of all added points.

        Raises Cancelled, and TooFewImages where nothing was added.
        """
        if not self.added:
            raise TooFewImages("a coreset needs patches of nominal images", "none", "add images")
        picked = self._greedy(0, min(count or self._count, self._count), progress)
        return dataclasses.replace(
            picked,
            indices=self._ids[picked.indices],
            radius_bound=self._radius + picked.covering_radius,
            points=self.added,
            exact=self._kept == 0,
        )

    @property
    def ids(self) -> Int64[np.ndarray, " n"]:
        """Of each kept row, its place among all that were added; ascending."""
        return self._ids[: len(self.rows)]

    def _reduce(self) -> None:
        """Put the newest block's coreset beside the earlier ones; reduce those too past half the buffer."""
        self._radius = max(self._radius, self._replace(self._kept))
        if self._kept > self._capacity // 2:
            self._radius += self._replace(0)

    def _replace(self, first: int) -> float:
        """Replace the rows from ``first`` on by their coreset; its covering radius."""
        coreset = self._greedy(first, self._count)
        kept = np.concatenate([np.arange(first), np.sort(coreset.indices) + first])
        self._ids[: len(kept)] = self._ids[kept]
        self.rows.keep(kept)
        self._kept = len(kept)
        return coreset.covering_radius

    def _greedy(self, first: int, count: int, progress: Progress | None = None) -> Coreset:
        """Of the rows from ``first`` on."""
        places = np.arange(first, len(self.rows))
        return self.among(places if first else None, count, self._generator, progress)

    def among(
        self,
        places: Int64[np.ndarray, " q"] | None,
        count: int,
        generator: torch.Generator,
        progress: Progress | None = None,
    ) -> Coreset:
        """The greedy coreset of some rows, its indices counted among them. places: of the rows; None: all."""
        if isinstance(self.rows, OnDevice):
            every = self.rows.block(slice(None))
            points = every if places is None else every[torch.from_numpy(places).to(self.device)]
            return greedy_coreset(points, count, generator, progress=progress, cancelled=self._cancelled)
        rows = self.rows if places is None else Some(self.rows, places)
        start = int(torch.randint(len(rows), (1,), generator=generator))
        report = progress or (lambda done, total: None)
        return picked_from(rows, min(count, len(rows)), start, report, self._cancelled)


def bytes_for(points: int, count: int, dimension: int) -> int:
    """Peak memory of holding ``points`` projected vectors and picking ``count`` of them."""
    row = 4 * dimension + _BESIDE
    centre = 4 * dimension + 4 * (dimension + 4)
    return points * row + count * centre + 4 * dimension * _SCRATCH_ROWS + _SCRATCH_BYTES


def fewest_points(count: int) -> int:
    """How many projected vectors the buffer of a coreset of ``count`` must hold."""
    return _FEWEST_BLOCKS * count


def points_in(budget_bytes: int, count: int, dimension: int) -> int:
    """How many projected vectors a budget holds while ``count`` of them are picked."""
    spare = budget_bytes - bytes_for(0, count, dimension)
    return max(0, spare // (bytes_for(1, 0, dimension) - bytes_for(0, 0, dimension)))


def shared(budget_bytes: int, count: int, dimension: int, expected: int) -> tuple[int, int]:
    """Of ``expected`` points: how many can be searched at once, and how many of those memory holds."""
    spare = max(0, budget_bytes - bytes_for(0, count, dimension))
    within = points_in(budget_bytes, count, dimension)
    if expected <= within:
        return within, within
    capacity = min(expected, spare // _BESIDE)
    return capacity, (spare - capacity * _BESIDE) // (4 * dimension)
