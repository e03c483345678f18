"""One part of the points of a greedy search: how near each comes to the picks, and which may be picked next.

A point keeps its distance to the centres it has seen, an upper bound of its distance to all of them. Only the points
with the largest bounds are brought up to date, until the best of them comes before every other point: farther away or,
where distances are equal, earlier. So what a search picks depends neither on how points are parted nor on what was
brought up to date when.
Letters: n points, k dimensions, p new centres, a active points, c candidates among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

from core.errors import ShapeError
from core.memory.centres import Centres, squares
from core.memory.rows import Rows

BLOCK = 2048  # points of the first pass at a time
ACTIVE = 16384  # points kept up to date at a time
CANDIDATES = 512  # points that picks are made among at a time
FARTHEST = 1e36  # squared distance; sums of a few fit in float32
_ORIGIN = 4096  # points whose mean is the origin of products
_NOWHERE = np.iinfo(np.int64).max


class Floor(NamedTuple):
    """The first of the points left aside: an upper bound of its squared distance, and its id."""

    squared: float = -1.0
    id: int = int(_NOWHERE)

    def before(self, other: Floor) -> bool:
        """Whether this one is picked first."""
        return (self.squared, -self.id) > (other.squared, -other.id)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Points that may be picked next. ids (c,): ascending, of all points. points (c, k).

    squared (c,): squared distances to all picks, exact; the first of them comes before the ``floor``.
    """

    ids: Int64[np.ndarray, " c"]
    points: Float32[np.ndarray, "c k"]
    squared: Float32[np.ndarray, " c"]
    floor: Floor

    @classmethod
    def of(cls, parts: Sequence[Candidates]) -> Candidates:
        """Those of several shards, in the order of their ids, as one shard would have them."""
        if len(parts) == 1:
            return parts[0]
        floor = max((part.floor for part in parts), key=lambda floor: (floor.squared, -floor.id))
        ids = np.concatenate([part.ids for part in parts])
        squared = np.concatenate([part.squared for part in parts])
        kept = np.flatnonzero(squared >= floor.squared)
        kept = kept[np.argsort(ids[kept])]
        return cls(ids[kept], np.concatenate([part.points for part in parts])[kept], squared[kept], floor)


class Shard:
    """ids (n,): of its points among all, ascending. capacity: picks at most.

    ``check`` is called many times a second; what it raises ends the work. Call ``start`` or ``go_on``, then ``step``.
    """

    def __init__(
        self,
        points: Rows,
        ids: Int64[np.ndarray, " n"],
        capacity: int,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        n = len(points)
        self._points, self._ids, self._check = points, ids, check
        self._bound = np.empty(0, np.float32)  # (n,), upper bounds
        self._seen = np.zeros(n, np.int32)  # centres that each bound accounts for
        spread = points.take(np.arange(0, n, max(1, n // _ORIGIN)))
        self._centres = Centres(spread.mean(axis=0) if n else np.zeros(spread.shape[1], np.float32), capacity)

    def start(self, centres: Float32[np.ndarray, "p k"]) -> None:
        """With the picks so far, at least one: a search's first, or all, to restore a shard that was lost.

        Raises ShapeError for points whose distances are not finite.
        """
        self._bound = self._distances_to(centres[0])
        self._seen[:] = 1
        self._centres.append(centres)

    def go_on(self, squared: Float32[np.ndarray, " n"]) -> None:
        """From centres that only these squared distances know of."""
        self._bound = squared.copy()

    def step(self, centres: Float32[np.ndarray, "p k"]) -> Candidates:
        """Take in the picks since the last step; what may be picked next."""
        if len(centres):
            self._centres.append(centres)
        while True:
            active, rest = _first(self._bound, ACTIVE)
            self._update(active)
            bound = self._bound[active]
            if not len(active) or self._floor(active, bound, int(bound.argmax())).before(
                self._floor(None, self._bound, rest)
            ):
                break
        top, cut = _first(bound, CANDIDATES)
        outside, aside = self._floor(None, self._bound, rest), self._floor(active, bound, cut)
        floor = aside if aside.before(outside) else outside
        places = active[top[bound[top] >= floor.squared]]
        return Candidates(self._ids[places], self._points.take(places), self._bound[places], floor)

    def _floor(self, places: np.ndarray | None, values: np.ndarray, at: int | None) -> Floor:
        """The value at a place, and whose it is; the last of all for None."""
        if at is None:
            return Floor()
        return Floor(float(values[at]), int(self._ids[at if places is None else places[at]]))

    def _update(self, active: Int64[np.ndarray, " a"]) -> None:
        """Bring the bounds of the active points up to date with all picks."""
        active = active[np.argsort(self._seen[active], kind="stable")]
        self._bound[active] = self._centres.approach(
            self._points, active, self._bound[active], self._seen[active], self._check
        )
        self._seen[active] = self._centres.count

    def _distances_to(self, centre: np.ndarray) -> Float32[np.ndarray, " n"]:
        found = np.empty(len(self._points), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for a in range(0, len(found), BLOCK):
                found[a : a + BLOCK] = squares(self._points.block(slice(a, a + BLOCK)) - centre)
                self._check()
        far = np.count_nonzero(~(found < FARTHEST))  # NaN too
        if far:
            raise not_finite(f"less than {FARTHEST**0.5:.0e} apart", f"{far} of {len(found)} that are not")
        return found


def _first(values: Float32[np.ndarray, " n"], size: int) -> tuple[Int64[np.ndarray, " a"], int | None]:
    """Places of the ``size`` largest values, ascending, of equal ones the first; and the first of all others."""
    split = len(values) - size
    if split <= 0:
        return np.arange(len(values)), None
    least = np.partition(values, split - 1)[split - 1]  # the largest of those left out
    top, tied = np.flatnonzero(values > least), np.flatnonzero(values == least)
    room = size - len(top)
    if room:
        top = np.sort(np.concatenate([top, tied[:room]]))
    return top, int(tied[room])


def not_finite(bound: str, received: str) -> ShapeError:
    """The error for points that have no distance."""
    return ShapeError(
        requirement=f"points of a coreset must be finite and {bound}",
        received=received,
        remedy="look for NaN or huge values in the weights and images",
    )
