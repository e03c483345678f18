"""Greedy k-centre coreset on a device: the textbook loop, every step one pass over all points.

A device reads its memory so fast that the loop needs no shortcuts (``core.memory.coreset`` has those of the CPU), and
waits for the host only every few picks. Letters: n points, k dimensions, m picks.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

_BLOCK = 2**25  # floats of one difference, 128 MiB
_ROUND = 64  # picks between two words with the host


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
