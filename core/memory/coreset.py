"""Greedy k-centre coreset (Roth et al. 2022, Eq. 5) in an exact lazy form; the random projection before it.

The textbook loop reads every point for every pick. Here a point keeps its distance to the centres it has
seen, an upper bound of its distance to all of them. Only the points with the largest bounds are brought up to
date, and picks are made among them while the best is no nearer than the largest bound outside: the same
picks, up to ties.
Letters: n points, k dimensions, m picks, a active points, s survivors among them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from core.errors import Cancelled, ConfigError, ShapeError
from core.memory.centres import Centres, farthest_first, squares

Progress = Callable[[int, int], None]
"""``progress(done, total)``"""

HOST = "cpu"  # the device whose memory needs the lazy form

_BLOCK = 2048  # points of the first pass at a time
_ACTIVE = 16384  # points kept up to date at a time
_SURVIVORS = 512  # points that picks are made among at a time
_FARTHEST = 1e36  # squared distance; sums of a few fit in float32
_ORIGIN = 4096  # points whose mean is the origin of products
_LONGEST = 1e16  # coordinate on a device: squares of thousands of differences sum up to less than _FARTHEST


@dataclass(frozen=True, eq=False)
class Coreset:
    """Kept points in the order they were picked; a shorter coreset is a prefix of it.

    indices (m,): which points, no two alike. radii (m,): distance of each pick to the picks before it, inf
    for the first. covering_radius: largest distance to the kept among the points that the last stage picked
    from. radius_bound: no point at all lies farther away; larger than the covering radius only after
    merge-reduce. points: how many there were. exact: picked from all of them at once. Distances are
    Euclidean, in the space greedy searched.
    """

    indices: Int64[np.ndarray, " m"]
    radii: Float32[np.ndarray, " m"]
    covering_radius: float
    radius_bound: float
    points: int
    exact: bool = True


def random_projection(d: int, k: int, generator: torch.Generator) -> Float32[Tensor, "d k"] | None:
    """A Gaussian (d, k) matrix that keeps distances on average (Johnson and Lindenstrauss 1984).

    None where k >= d: nothing would be saved, so vectors are searched as they are.
    """
    if k >= d:
        return None
    return torch.randn(d, k, generator=generator) / math.sqrt(k)


def greedy_coreset(
    points: Float32[Tensor, "n k"],
    count: int,
    generator: torch.Generator,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Coreset:
    """Pick up to ``count`` points, each the farthest from those before it; the generator gives the first.

    Stops early, with a covering radius of 0, where there are fewer distinct points. ``cancelled`` is asked
    many times a second. Points on another device than the CPU are searched there. Raises Cancelled, ShapeError
    for no points or values that are not finite, ConfigError for a count below 1.
    """
    _check(points, count)
    report = progress or (lambda done, total: None)
    start = int(torch.randint(len(points), (1,), generator=generator))
    if points.device.type != HOST:
        return on_device(points, min(count, len(points)), start, report, cancelled or (lambda: False))
    search = _Search(points.cpu().numpy(), min(count, len(points)), cancelled or (lambda: False))
    search.begin(start)
    farthest = search.run(report)
    radius = math.sqrt(farthest)
    radii = np.sqrt(np.asarray(search.squared_radii, np.float32))
    return Coreset(np.asarray(search.picks, np.int64), radii, radius, radius, len(points))


def continued_picks(
    points: Float32[np.ndarray, "n k"], squared: Float32[np.ndarray, " n"], count: int
) -> tuple[Int64[np.ndarray, " m"], float]:
    """Go on picking the farthest of points already at ``squared`` distances from centres that are not given.

    Returns up to ``count`` positions in the order they were picked, fewer where all distances have become 0, and
    the squared distance of the last to all before it. Squared distances must be finite, below 1e36.
    """
    search = _Search(points, min(count, len(points)), lambda: False)
    search.go_on(squared)
    search.run(lambda done, total: None)
    return np.asarray(search.picks, np.int64), search.squared_radii[-1] if search.picks else 0.0


def on_device(
    points: Float32[Tensor, "n k"], count: int, start: int, report: Progress, cancelled: Callable[[], bool]
) -> Coreset:
    """The coreset whose first pick is ``start``, by ``core.memory.centres``, on the points' device."""
    if not bool((points.abs() < _LONGEST).all()):
        raise _not_finite(f"less than {_LONGEST:.0e}", "some that are not")

    def between(done: int) -> None:
        report(done, count)
        if cancelled():
            raise _cancelled(done, count)

    picks, squared, farthest = farthest_first(points, count, start, between)
    report(count, count)
    radius = math.sqrt(farthest)
    return Coreset(picks.cpu().numpy(), squared.sqrt().cpu().numpy(), radius, radius, len(points))


class _Search:
    """One greedy search: its picks, and for every point a bound of its squared distance to them."""

    def __init__(self, points: Float32[np.ndarray, "n k"], count: int, cancelled: Callable[[], bool]) -> None:
        n = len(points)
        self.count = count
        self.picks: list[int] = []
        self.squared_radii: list[float] = []
        self._points = points
        self._cancelled = cancelled
        self._bound = np.empty(0, np.float32)  # (n,), upper bounds
        self._seen = np.zeros(n, np.int32)  # centres that each bound accounts for
        self._centres = Centres(points[:: max(1, n // _ORIGIN)].mean(axis=0), count)
        self._active, self._floor = np.empty(0, np.int64), np.float32(0)

    def begin(self, start: int) -> None:
        """With this pick."""
        self.picks.append(start)
        self.squared_radii.append(math.inf)
        self._bound = self._distances_to(self._points[start])
        self._seen[:] = 1
        self._centres.append(self._points[start : start + 1])

    def go_on(self, bound: Float32[np.ndarray, " n"]) -> None:
        """From centres that only the bounds know of."""
        self._bound = bound.copy()

    def run(self, report: Progress) -> float:
        """Pick until there are ``count`` or no other point is left; the squared distance of the next one."""
        farthest = self.next_farthest()
        while farthest > 0 and len(self.picks) < self.count:
            self.pick()
            report(len(self.picks), self.count)
            farthest = self.next_farthest()
        report(self.count, self.count)
        return farthest

    def next_farthest(self) -> float:
        """Squared distance of the point farthest from all picks; afterwards it is active and up to date."""
        while True:
            self._active, self._floor = _largest(self._bound, _ACTIVE)
            self._update()
            best = self._bound[self._active].max()
            if best >= self._floor:
                return float(best)

    def pick(self) -> None:
        """Pick among the active points, at least one, while their best is no nearer than any other point."""
        bound = self._bound[self._active]
        top, floor = _largest(bound, _SURVIVORS)
        floor = max(floor, self._floor)
        survivors = np.sort(self._active[top][bound[top] >= floor])
        x = self._points.take(survivors, axis=0)
        order, squared = _pick_within(x, self._bound[survivors], floor, self.count - len(self.picks))
        self.picks += survivors[order].tolist()
        self.squared_radii += squared
        self._centres.append(x[order])

    def _update(self) -> None:
        """Bring the bounds of the active points up to date with all picks."""
        active = self._active[np.argsort(self._seen[self._active], kind="stable")]
        self._bound[active] = self._centres.approach(
            self._points, active, self._bound[active], self._seen[active], self._check_cancelled
        )
        self._seen[active] = self._centres.count

    def _distances_to(self, centre: np.ndarray) -> Float32[np.ndarray, " n"]:
        found = np.empty(len(self._points), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for a in range(0, len(found), _BLOCK):
                found[a : a + _BLOCK] = squares(self._points[a : a + _BLOCK] - centre)
                self._check_cancelled()
        far = np.count_nonzero(~(found < _FARTHEST))  # NaN too
        if far:
            raise _not_finite(f"less than {_FARTHEST**0.5:.0e} apart", f"{far} of {len(found)} that are not")
        return found

    def _check_cancelled(self) -> None:
        if self._cancelled():
            raise _cancelled(len(self.picks), self.count)


def _pick_within(
    x: Float32[np.ndarray, "s k"], squared: Float32[np.ndarray, " s"], floor: np.float32, room: int
) -> tuple[list[int], list[float]]:
    """The textbook loop among a few up-to-date points, down to the floor: positions and squared radii."""
    order: list[int] = []
    radii: list[float] = []
    alive = np.arange(len(x))
    while len(order) < room and len(x):
        j = int(squared.argmax())
        if squared[j] < floor or squared[j] <= 0:
            break
        order.append(int(alive[j]))
        radii.append(float(squared[j]))
        squared = np.minimum(squared, squares(x - x[j]))
        if len(order) % 16 == 0:  # points below the floor cannot be picked any more
            keep = squared >= floor
            alive, x, squared = alive[keep], x[keep], squared[keep]
    return order, radii


def _largest(values: Float32[np.ndarray, " n"], size: int) -> tuple[Int64[np.ndarray, " a"], np.float32]:
    """Positions of the ``size`` largest values, and the largest of the others (0 where there are none)."""
    split = len(values) - size
    if split <= 0:
        return np.arange(len(values)), np.float32(0)
    order = np.argpartition(values, split - 1)
    return order[split:], values[order[split - 1]]


def _not_finite(bound: str, received: str) -> ShapeError:
    return ShapeError(
        requirement=f"points of a coreset must be finite and {bound}",
        received=received,
        remedy="look for NaN or huge values in the weights and images",
    )


def _cancelled(done: int, count: int) -> Cancelled:
    return Cancelled(
        requirement="choosing the coreset must run to its end",
        received=f"a request to stop after {done} of {count} picks",
        remedy="start the build again when it is wanted",
    )


def _check(points: Tensor, count: int) -> None:
    if points.ndim != 2 or 0 in points.shape:
        raise ShapeError(
            requirement="points of a coreset must have shape (n, k), both at least 1",
            received=str(tuple(points.shape)),
            remedy="pass the projected patch vectors of at least one image",
        )
    if count < 1:
        raise ConfigError("a coreset must keep at least 1 point", str(count), "choose 1 or more")
