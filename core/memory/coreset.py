"""Greedy k-centre coreset (Roth et al. 2022, Eq. 5) in an exact lazy form; the random projection before it.

The textbook loop reads every point for every pick. Here shards (``core.memory.shard``) give the few points that may be
picked next, and picks are made among them while the best is no nearer than any other: the same picks, of any number of
shards. On one machine there is one shard.
Letters: n points, k dimensions, m picks, p picks of one round.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from core.errors import Cancelled, ConfigError, ShapeError
from core.memory.centres import farthest_first, squares
from core.memory.rows import Held, Rows
from core.memory.shard import Candidates, Floor, Shard, not_finite

Progress = Callable[[int, int], None]
"""``progress(done, total)``"""

HOST = "cpu"  # the device whose memory needs the lazy form

_LONGEST = (
    1e16  # coordinate on a device: squares of thousands of differences sum up to less than shard.FARTHEST
)


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
    return picked_from(
        Held(points.numpy()), min(count, len(points)), start, report, cancelled or (lambda: False)
    )


def picked_from(
    points: Rows, count: int, start: int, report: Progress, cancelled: Callable[[], bool]
) -> Coreset:
    """The coreset whose first pick is ``start``, of points in this machine's memory or files."""
    first = points.take(np.array([start]))
    picks = Picks(count, first.shape[1])
    picks.add([start], [math.inf], first)

    def check() -> None:
        if cancelled():
            raise _cancelled(len(picks.ids), count)

    shard = Shard(points, np.arange(len(points)), count, check)
    shard.start(first)
    return coreset_of(
        picks, farthest_across(lambda new: [shard.step(new)], picks, count, report), len(points)
    )


def coreset_of(picks: Picks, farthest: float, points: int) -> Coreset:
    """The picks of a search that has ended. farthest: what it returned; points: of all shards."""
    radius = math.sqrt(farthest)
    radii = np.sqrt(np.asarray(picks.squared, np.float32))
    return Coreset(np.asarray(picks.ids, np.int64), radii, radius, radius, points)


def continued_picks(
    points: Float32[np.ndarray, "n k"], squared: Float32[np.ndarray, " n"], count: int
) -> tuple[Int64[np.ndarray, " m"], float]:
    """Go on picking the farthest of points already at ``squared`` distances from centres that are not given.

    Returns up to ``count`` positions in the order they were picked, fewer where all distances have become 0, and
    the squared distance of the last to all before it. Squared distances must be finite, below 1e36.
    """
    count = min(count, len(points))
    picks, shard = Picks(count, points.shape[1]), Shard(Held(points), np.arange(len(points)), count)
    shard.go_on(squared)
    farthest_across(lambda new: [shard.step(new)], picks, count)
    return np.asarray(picks.ids, np.int64), picks.squared[-1] if picks.ids else 0.0


def on_device(
    points: Float32[Tensor, "n k"], count: int, start: int, report: Progress, cancelled: Callable[[], bool]
) -> Coreset:
    """The coreset whose first pick is ``start``, by ``core.memory.centres``, on the points' device."""
    if not bool((points.abs() < _LONGEST).all()):
        raise not_finite(f"less than {_LONGEST:.0e}", "some that are not")

    def between(done: int) -> None:
        report(done, count)
        if cancelled():
            raise _cancelled(done, count)

    picks, squared, farthest = farthest_first(points, count, start, between)
    report(count, count)
    radius = math.sqrt(farthest)
    return Coreset(picks.cpu().numpy(), squared.sqrt().cpu().numpy(), radius, radius, len(points))


class Picks:
    """What a search has picked so far. ids: in order. squared: squared distance of each to those before, inf first."""

    def __init__(self, capacity: int, dimension: int) -> None:
        self.ids: list[int] = []
        self.squared: list[float] = []
        self._points = np.empty((capacity, dimension), np.float32)

    @property
    def points(self) -> Float32[np.ndarray, "m k"]:
        """Those picked, in order: what a shard is started with; not a copy."""
        return self._points[: len(self.ids)]

    def add(self, ids: Sequence[int], squared: Sequence[float], points: Float32[np.ndarray, "p k"]) -> None:
        """The next ones."""
        self._points[len(self.ids) : len(self.ids) + len(ids)] = points
        self.ids += ids
        self.squared += squared


Step = Callable[[Float32[np.ndarray, "p k"]], Sequence[Candidates]]
"""Gives every shard the picks since the last step; the candidates of each."""


def farthest_across(
    step: Step,
    picks: Picks,
    count: int,
    report: Progress = lambda done, total: None,
    taken: Callable[[Picks], None] = lambda picks: None,
) -> float:
    """Add the farthest point of all shards until there are ``count`` picks, or no other point differs from them.

    Returns the squared distance of the next one. The picks are the same for any number of shards: of points equally
    far the one with the least id. picks: those that the shards know. taken: is given them after each round.
    """
    found = Candidates.of(step(picks.points[:0]))
    while (farthest := float(found.squared.max(initial=0))) > 0 and len(picks.ids) < count:
        order, squared = _pick_within(found, count - len(picks.ids))
        chosen = found.points[order]
        picks.add(found.ids[order].tolist(), squared, chosen)
        report(len(picks.ids), count)
        taken(picks)
        found = Candidates.of(step(chosen))
    report(count, count)
    return farthest


def _pick_within(found: Candidates, room: int) -> tuple[list[int], list[float]]:
    """The textbook loop among a few up-to-date points, down to the floor: positions and squared radii."""
    order: list[int] = []
    radii: list[float] = []
    x, squared, floor = found.points, found.squared, found.floor
    alive = np.arange(len(x))
    while len(order) < room and len(x):
        j = int(squared.argmax())
        if squared[j] <= 0 or floor.before(Floor(float(squared[j]), int(found.ids[alive[j]]))):
            break
        order.append(int(alive[j]))
        radii.append(float(squared[j]))
        squared = np.minimum(squared, squares(x - x[j]))
        if len(order) % 16 == 0:  # points below the floor cannot be picked any more
            keep = squared >= floor.squared
            alive, x, squared = alive[keep], x[keep], squared[keep]
    return order, radii


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
