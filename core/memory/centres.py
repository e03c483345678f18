"""A growing set of centres and, exactly, how near they come: products propose, direct differences decide.

A point known to lie within some distance of a centre is nearer only to those that gain at least what
``core.search.bounds`` says of that distance. The least is subtracted within the product, so that a sign is left to look
at; of what remains, all that may be as good as the best of a product is measured as sum (x - c)^2.

A device reads its memory so fast that greedy k-centre needs no shortcuts there: ``farthest_first`` is the textbook
loop, every step one pass over all points, and waits for the host only every few picks.
Letters: n points, k dimensions, p centres of one product, m picks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int, Int64, Shaped
from torch import Tensor

from core.memory.rows import Rows
from core.parallel import run_parts
from core.search.bounds import UNIT, Rounded, Rounding, multiplies_faster

_ROWS, _COLUMNS = 1024, 2048  # centres and points of one product: passes stay in cache, calls stay few
_MEASURED = 16  # pairs measured again for each point, above which a finer product is cheaper
_BATCH = 2**14  # pairs measured again at a time
_BLOCK = 2**25  # floats of one difference, 128 MiB
_ROUND = 64  # picks between two words with the host
_BITS = {
    torch.float32: torch.int32,
    torch.bfloat16: torch.int16,
}  # in the order of floats that are not negative


class Centres:
    """Centres in the order they were appended. origin (k,): about where points lie; any value is correct."""

    def __init__(self, origin: Float32[np.ndarray, " k"], capacity: int) -> None:
        self.count = 0
        self._origin = torch.from_numpy(origin)
        self._points = np.empty((capacity, len(origin)), np.float32)
        self._multiply_in(_quickest())

    def append(self, centres: Float32[np.ndarray, "p k"]) -> None:
        """Add centres; there must be room for them."""
        first, self.count = self.count, self.count + len(centres)
        self._points[first : self.count] = centres
        self._prepare(first)

    def approach(
        self,
        points: Rows,
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
            return self._approach(points.take(ids[part]), near[part], seen[part])

        parts = [slice(a, a + _COLUMNS) for a in range(0, len(ids), _COLUMNS)]
        measured = sum(run_parts(work, parts, between))
        if measured > _MEASURED * max(len(ids), _COLUMNS) and self._rounding.kind is not torch.float32:
            self._multiply_in(torch.float32)  # distances have become small against the product's error
        return near

    def _approach(self, points: np.ndarray, near: np.ndarray, seen: np.ndarray) -> int:
        """Lower ``near`` in place; how many pairs were measured."""
        start, measured = near.copy(), 0
        part = self._round(points)
        bound = torch.from_numpy(start).double().sqrt_().mul_(1 + (points.shape[1] + 8) * UNIT)
        least, error = self._rounding.least(bound, part, self._largest, 0.0)
        ones, slack = part.values.new_ones(len(points), 2), (2 * error).numpy()
        factors = torch.cat([part.values, ones, _halved(-least, ones.dtype)], dim=1)  # (n, k + 4)
        for b in range(int(seen[0]), self.count, _ROWS):
            rows = slice(b, min(b + _ROWS, self.count))
            n = int(np.searchsorted(seen, rows.stop))  # points from here on have seen all of these
            above = self._factors[rows] @ factors[:n].T  # gains, less the least: (p, n)
            i, j = _contenders(above, slack[:n], (start[:n] - near[:n]) / 2)
            _measure(self._points[rows], points, near, i, j)
            measured += len(i)
        return measured

    def _multiply_in(self, kind: torch.dtype) -> None:
        capacity, k = self._points.shape
        self._rounding, self._largest = Rounding(kind, k), 0.0  # squared norm, from the origin
        self._factors = torch.empty(capacity, k + 4, dtype=kind)
        self._prepare(0)

    def _prepare(self, first: int) -> None:
        """The centres' side of the product, from the ``first`` on."""
        rows = slice(first, self.count)
        side = self._round(self._points[rows])
        ones = side.values.new_ones(len(side.values), 2)
        self._factors[rows] = torch.cat([side.values, _halved(side.squared / -2, ones.dtype), ones], dim=1)
        self._largest = max([self._largest, *side.squared.tolist()])

    def _round(self, points: Float32[np.ndarray, "n k"]) -> Rounded:
        return self._rounding.round(torch.from_numpy(points) - self._origin)


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
    above: Shaped[Tensor, "p n"], slack: np.ndarray, gained: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (centre, point) that reach what the point has gained so far and, but for their error, its best one here."""
    bits = above.view(_BITS[above.dtype]).numpy()
    best = torch.from_numpy(bits.max(axis=0)).view(above.dtype).float().numpy()  # wrong if none is positive
    rounding = 1 - torch.finfo(above.dtype).eps
    least = np.maximum(best * rounding - slack, gained).clip(1e-37) * rounding
    lowest = torch.from_numpy(least.astype(np.float32)).to(above.dtype).view(_BITS[above.dtype]).numpy()
    return np.divmod(np.flatnonzero(bits >= lowest), bits.shape[1])


def _halved(values: Float64[Tensor, " n"], kind: torch.dtype) -> Shaped[Tensor, "n 2"]:
    """As sums of two of lower precision."""
    first = values.to(kind)
    return torch.stack([first, (values - first.double()).to(kind)], dim=1)


def _quickest() -> torch.dtype:
    """The type that this processor multiplies faster."""
    return torch.bfloat16 if multiplies_faster(torch.bfloat16) else torch.float32


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
