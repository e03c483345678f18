"""The picks greedy would have made had one group's patches never been there, without starting anew.

The coreset's other picks stay where they are, as far apart as greedy keeps them; greedy (Roth et al. 2022, Eq. 5)
goes on from them over the points of all other groups until there are as many as before. Only points that were nearest
to a pick of the group ("orphans") have lost anything, so all distances come from one search for all groups.
Letters: n points, k dimensions, m picks, g groups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64

from core.memory.coreset import continued_picks
from core.memory.rows import OnDevice, Rows
from core.parallel import run_parts
from core.search import Index

_BLOCK = 4096  # points searched at a time
_NEAR = 4  # picks looked at for one of another group; points with none among them are searched again
_SPARE = 4  # candidates of either kind for each substitute; more are taken where they do not suffice
_LEAST = 1024  # of those candidates
_NONE = np.float32(1e30)  # squared distance where no pick of another group is left


class Substitutes:
    """Of one coreset: for each group the points to put in place of its picks. Several threads may ask.

    points: what greedy picked from, n of them. owner (n,): the group of each point, from 0. picks (m,):
    positions in the points. own_distances: whether ``distances_without_own`` will be asked for. ``check`` is called
    many times a second; what it raises ends the work.
    """

    def __init__(
        self,
        points: Rows | OnDevice,
        owner: Int32[np.ndarray, " n"],
        picks: Int64[np.ndarray, " m"],
        check: Callable[[], None] = lambda: None,
        own_distances: bool = True,
        found: NearestPicks | None = None,
    ) -> None:
        """found: of all points, where others have looked already."""
        self._points, self._owner = points, owner
        self._picked = owner[picks]  # (m,) groups
        found = found or nearest_picks(points, owner, points.take(picks), self._picked, check, own_distances)
        self._nearest_squared, self._first, self._second_squared = found
        self._farthest = np.argsort(-self._nearest_squared, kind="stable")
        orphans = np.flatnonzero(self._first != owner)
        orphans = orphans[np.lexsort((-self._second_squared[orphans], self._first[orphans]))]
        edges = np.searchsorted(self._first[orphans], np.arange(1, int(owner.max()) + 1))
        self._orphans = np.split(orphans, edges)  # of each group, farthest first, its own points left out

    def of(self, group: int) -> Int64[np.ndarray, " s"]:
        """Positions of as many points of other groups as the group has picks, or of all that differ from the rest."""
        need = int(np.count_nonzero(self._picked == group))
        spare = max(_LEAST, _SPARE * need)
        while need:
            rows, squared, floor = self._candidates(group, spare)
            picks, last = (
                continued_picks(self._points.take(rows), squared, need) if len(rows) else (rows, 0.0)
            )
            if floor <= 0 or (len(picks) == need and last >= floor):
                return np.asarray(rows[picks])
            spare *= 4  # a point outside the candidates was farther
        return np.empty(0, np.int64)

    def distances_without_own(self, rows: slice) -> Float32[np.ndarray, " r"]:
        """From some points to the nearest pick of another group than their own; huge where there is none."""
        own = self._first[rows] == self._owner[rows]
        squared = np.where(own, self._second_squared[rows], self._nearest_squared[rows])
        return np.asarray(np.sqrt(squared))

    def wanted(self, group: int) -> Int64[np.ndarray, " c"]:
        """Positions of the points that ``of`` begins with."""
        return self._candidates(group, max(_LEAST, _SPARE * int(np.count_nonzero(self._picked == group))))[0]

    def _candidates(
        self, group: int, spare: int
    ) -> tuple[Int64[np.ndarray, " c"], Float32[np.ndarray, " c"], float]:
        """The farthest of the orphans and of the other points, with squared distances, and that of the next one."""
        orphans, others = self._orphans[group], self._farthest
        floor = max(
            _after(self._second_squared, orphans, spare), _after(self._nearest_squared, others, spare)
        )
        far = others[:spare]
        far = far[(self._owner[far] != group) & (self._first[far] != group)]
        rows = np.concatenate([orphans[:spare], far])
        squared = np.concatenate([self._second_squared[orphans[:spare]], self._nearest_squared[far]])
        order = np.argsort(rows)
        return rows[order], squared[order], floor


class NearestPicks(NamedTuple):
    """squared (n,): to the nearest pick; group (n,): of that pick; other (n,): squared, to the nearest of another."""

    squared: Float32[np.ndarray, " n"]
    group: Int32[np.ndarray, " n"]
    other: Float32[np.ndarray, " n"]

    @classmethod
    def of(cls, parts: Sequence[NearestPicks]) -> NearestPicks:
        """Those of several shards, one after the other."""
        return cls(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def nearest_picks(
    points: Rows | OnDevice,
    owner: Int32[np.ndarray, " n"],
    picks: Float32[np.ndarray, "m k"],
    picked: Int32[np.ndarray, " m"],
    check: Callable[[], None] = lambda: None,
    own_distances: bool = True,
) -> NearestPicks:
    """Of some points. picked: the picks' groups; the rest as of ``Substitutes``. Any shards give the same bits."""
    index = Index.build(picks)
    blocks = [slice(a, a + _BLOCK) for a in range(0, len(points), _BLOCK)]
    search = partial(_nearest, points, owner, index, picked, own_distances)
    return NearestPicks.of(run_parts(search, blocks, check))


def _nearest(
    points: Rows | OnDevice,
    owner: Int32[np.ndarray, " n"],
    index: Index,
    picked: Int32[np.ndarray, " m"],
    own_distances: bool,
    block: slice,
) -> NearestPicks:
    queries = points.block(block)
    distances, ids = index.search(queries, min(_NEAR, index.size))
    groups = picked[ids]  # (b, near)
    other = groups != groups[:, :1]
    second = np.take_along_axis(distances, other.argmax(axis=1)[:, None], axis=1)[:, 0] ** 2
    lacking = ~other.any(axis=1)
    second[lacking] = _NONE
    if not own_distances:
        lacking &= groups[:, 0] != owner[block]
    for group in np.unique(groups[lacking, 0]):
        rows = np.flatnonzero(lacking & (groups[:, 0] == group))
        own = np.flatnonzero(picked == group)
        if len(own) < index.size:
            second[rows] = index.nearest_excluding(queries[rows], own)[0] ** 2
    return NearestPicks(distances[:, 0] ** 2, groups[:, 0], second)


def _after(squared: Float32[np.ndarray, " n"], descending: Int64[np.ndarray, " c"], count: int) -> float:
    """The largest value behind the first ``count``, 0 where there is none."""
    return float(squared[descending[count]]) if count < len(descending) else 0.0
