"""A growing set of centres and, exactly, how near they come: products propose, direct differences decide.

For a point x known to lie at squared distance u from some centre, a centre c gains
(u - |x - c|^2) / 2 = x.c - |c|^2 / 2 - (|x|^2 - u) / 2: one matrix product for all pairs. The product may be
of low precision: it is made an upper bound of the gain, and every centre whose bound reaches the best gain of
its point is measured again as sum (x - c)^2. The precision moves the time, never a result.

A device reads its memory so fast that greedy k-centre needs no shortcuts there: ``farthest_first`` is the textbook
loop, every step one pass over all points, and waits for the host only every few picks.
Letters: n points, k dimensions, p centres of one product, m picks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int, Int64
from torch import Tensor

from core.parallel import run_parts
from core.search.sketch import multiplies_faster

_ROWS, _COLUMNS = 1024, 2048  # centres and points of one product: passes stay in cache, calls stay few
_MEASURED = 16  # pairs measured again for each point, above which a finer product is cheaper
_BATCH = 2**14  # pairs measured again at a time
_BLOCK = 2**25  # floats of one difference, 128 MiB
_ROUND = 64  # picks between two words with the host


class _Precision(NamedTuple):
    """A type to multiply in. error: of a product, relative to |x|^2 + |c|^2. rounding: of its output.

    bits: integers of the same size; floats that are not negative are in the order of their bits.
    """

    type: torch.dtype
    bits: torch.dtype
    error: float
    rounding: float


_FINE = _Precision(torch.float32, torch.int32, 2.0**-15, 2.0**-20)
_COARSE = _Precision(torch.bfloat16, torch.int16, 2.0**-7 + 2.0**-11, 2.0**-7)


class Centres:
    """Centres in the order they were appended. origin (k,): about where points lie; any value is correct."""

    def __init__(self, origin: Float32[np.ndarray, " k"], capacity: int) -> None:
        k = len(origin)
        self.count = 0
        self._origin = origin
        self._points = np.empty((capacity, k), np.float32)
        self._precision = _quickest()
        self._factors = torch.empty(capacity, k + 4, dtype=self._precision.type)
        self._largest = 0.0  # squared norm, from the origin

    def append(self, centres: Float32[np.ndarray, "p k"]) -> None:
        """Add centres; there must be room for them."""
        first, self.count = self.count, self.count + len(centres)
        self._points[first : self.count] = centres
        self._prepare(first)

    def approach(
        self,
        points: Float32[np.ndarray, "n k"],
        ids: Int[np.ndarray, " a"],
        squared: Float32[np.ndarray, " a"],
        seen: Int[np.ndarray, " a"],
        between: Callable[[], None] = lambda: None,
    ) -> Float32[np.ndarray, " a"]:
        """For each of the points ``ids`` the smaller of ``squared`` and its squared distance to any centre.

        seen: how many centres, the first ones, ``squared`` accounts for; ascending. ``between`` is called
        many times a second; what it raises ends the work.
        """
        near = squared.copy()

        def work(part: slice) -> int:
            return self._approach(points.take(ids[part], axis=0), near[part], seen[part])

        parts = [slice(a, a + _COLUMNS) for a in range(0, len(ids), _COLUMNS)]
        if sum(run_parts(work, parts, between)) > _MEASURED * max(len(ids), _COLUMNS):
            self._refine()
        return near

    def _approach(self, points: np.ndarray, near: np.ndarray, seen: np.ndarray) -> int:
        """Lower ``near`` in place; how many pairs were measured."""
        start, measured = near.copy(), 0
        factors, slack = self._point_factors(points, start)
        for b in range(int(seen[0]), self.count, _ROWS):
            rows = slice(b, min(b + _ROWS, self.count))
            n = int(np.searchsorted(seen, rows.stop))  # points from here on have seen all of these
            gains = (self._factors[rows] @ factors[:n].T).view(self._precision.bits).numpy()  # (p, n)
            i, j = _contenders(gains, self._precision, slack[:n], (start[:n] - near[:n]) / 2)
            _measure(self._points[rows], points, near, i, j)
            measured += len(i)
        return measured

    def _point_factors(self, points: np.ndarray, squared: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """The points' side (n, k + 4) of the product, and how far its bounds may exceed the gains (n,)."""
        shift = points - self._origin
        norm = squares(shift)
        error = _error(self._precision)
        factors = _factors(shift, self._precision.type)
        _put_halves(factors[:, -4:-2], (squared - (1 - error) * norm) / 2)
        factors[:, -2:] = 1
        reach = np.minimum(2.2 * (norm + squared), self._largest)  # |c|^2 of a centre that gains is no larger
        return factors, error * (norm + reach)

    def _prepare(self, first: int) -> None:
        """The centres' side of the product, from the ``first`` on."""
        shift = self._points[first : self.count] - self._origin
        norm = squares(shift)
        factors = _factors(shift, self._precision.type)
        factors[:, -4:-2] = 1
        _put_halves(factors[:, -2:], norm * (-(1 - _error(self._precision)) / 2))
        self._factors[first : self.count] = factors
        self._largest = max(self._largest, float(norm.max()))

    def _refine(self) -> None:
        """Multiply in float32 from here on: distances have become small against the product's error."""
        if self._precision is not _FINE:
            self._precision = _FINE
            self._factors = self._factors.float()
            self._prepare(0)


def squares(difference: Float32[np.ndarray, "n k"]) -> Float32[np.ndarray, " n"]:
    """Squared Euclidean norms."""
    found: np.ndarray = np.einsum("nk,nk->n", difference, difference)
    return found


def _measure(centres: np.ndarray, points: np.ndarray, near: np.ndarray, i: np.ndarray, j: np.ndarray) -> None:
    """Lower ``near`` in place to the squared distances of the pairs (i-th centre, j-th point)."""
    for a in range(0, len(i), _BATCH):
        some = slice(a, a + _BATCH)
        difference = centres.take(i[some], axis=0)
        difference -= points.take(j[some], axis=0)
        np.minimum.at(near, j[some], squares(difference))


def _contenders(
    bits: np.ndarray, kind: _Precision, slack: np.ndarray, gained: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (centre, point) whose bound reaches the point's best gain so far and its best one here."""
    best = torch.from_numpy(bits.max(axis=0)).view(kind.type).float().numpy()  # wrong where none is positive
    least = np.maximum(best * (1 - kind.rounding) - slack, gained).clip(1e-37) * (1 - kind.rounding)
    lowest = torch.from_numpy(least.astype(np.float32)).to(kind.type).view(kind.bits).numpy()
    return np.divmod(np.flatnonzero(bits >= lowest), bits.shape[1])


def _factors(shift: np.ndarray, kind: torch.dtype) -> Tensor:
    factors = torch.empty(len(shift), shift.shape[1] + 4, dtype=kind)
    factors[:, :-4] = torch.from_numpy(shift)
    return factors


def _put_halves(into: Tensor, values: np.ndarray) -> None:
    """Write (n,) values as sums of two of lower precision into the columns of (n, 2)."""
    exact = torch.from_numpy(values.astype(np.float32))
    into[:, 0] = exact
    into[:, 1] = exact - into[:, 0].float()


def _error(kind: _Precision) -> float:
    """Where float32 products are allowed to be sloppy, they are as good as bfloat16."""
    return kind.error if torch.get_float32_matmul_precision() == "highest" else _COARSE.error


def _quickest() -> _Precision:
    """The precision that multiplies faster on this processor."""
    return _COARSE if multiplies_faster(torch.bfloat16) else _FINE


def farthest_first(
    points: Float32[Tensor, "n k"], count: int, start: int, between: Callable[[int], None]
) -> tuple[Int64[Tensor, " m"], Float32[Tensor, " m"], float]:
    """Up to ``count`` picks from ``start`` on, their squared distances to those before, that of the next one.

    The first's is inf. Distances are those of direct differences, in float32. Stops where every point is picked
    or alike to a pick. ``between``, called with the picks so far many times a second, may raise to stop.
    """
    picks = torch.empty(count, dtype=torch.int64, device=points.device)
    radii = torch.zeros(count, device=points.device)
    nearest = torch.full((len(points),), torch.inf, device=points.device)
    picks[0], radii[0] = start, torch.inf
    for done in range(1, count + 1):
        _approach(nearest, points, points[picks[done - 1]])
        if done % _ROUND == 0 or done == count:
            between(done)
            if float(nearest.max()) <= 0:
                break
        if done < count:
            radii[done], picks[done] = nearest.max(dim=0)
    distinct = int((radii > 0).sum())  # picks at distance 0 are copies of others
    return picks[:distinct], radii[:distinct], float(nearest.max())


def _approach(nearest: Float32[Tensor, " n"], points: Float32[Tensor, "n k"], centre: Tensor) -> None:
    """Lower ``nearest`` in place to squared distances to one more centre."""
    step = max(1, _BLOCK // points.shape[1])
    for a in range(0, len(points), step):
        near = nearest[a : a + step]
        torch.minimum(near, (points[a : a + step] - centre).square_().sum(dim=1), out=near)
