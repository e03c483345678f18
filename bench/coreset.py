"""How long the greedy coreset takes: the exact lazy form of ``core.memory.coreset`` against the textbook loop.

Both run in this process, on the same points and cores, in turns; the table gives medians. Points are a mix
of Gaussian clusters, as patch features are, and uniform noise, where nothing can be saved by structure.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from bench.tables import machine, table
from core.memory.coreset import greedy_coreset

DIMENSIONS = 128
CLUSTERS = 200
SEED = 0
LAZY_RUNS = 3  # for one run of the textbook loop
T = TypeVar("T")


def main() -> None:
    """Print the comparison; exits with 1 where the two forms pick differently, ties aside."""
    words = argparse.ArgumentParser(prog="python -m bench.coreset", description=__doc__)
    words.add_argument("--points", type=int, default=200_000)
    words.add_argument("--picks", type=int, default=2_000)
    words.add_argument("--rounds", type=int, default=3, help="turns of both forms")
    words.add_argument("--features", metavar="NPY", help="also run on (n, k) float32 points of this file")
    words.add_argument("--lazy-only", action="store_true", help="leave the textbook loop out: for large sets")
    words.add_argument("--toy", action="store_true", help="a small set, to see that it works")
    options = words.parse_args()
    if options.toy:
        options.points, options.picks, options.rounds = 6_000, 60, 1
    print(f"{machine()}; {torch.get_num_threads()} threads\n")
    rows, agree = [], True
    for name, points in _sets(options.points, options.features):
        print(f"{name}: {options.rounds} rounds ...", file=sys.stderr)
        row, same = _compare(points, min(options.picks, len(points)), options.rounds, options.lazy_only)
        rows.append([name, *row])
        agree &= same
    head = ["points", "n", "picks", "textbook loop", "lazy", "ratio", "same picks"]
    print(table(head, rows))
    raise SystemExit(0 if agree else 1)


def _sets(n: int, features: str | None) -> list[tuple[str, Tensor]]:
    generator = torch.Generator().manual_seed(SEED)
    sets = [
        ("clustered", clustered(n, generator)),
        ("uniform", torch.rand(n, DIMENSIONS, generator=generator)),
    ]
    if features:
        sets.append(("features", torch.from_numpy(np.load(features, allow_pickle=False)[:n].copy())))
    return sets


def clustered(n: int, generator: torch.Generator) -> Tensor:
    """(n, 128) points of Gaussian clusters whose spread falls off over the dimensions, as features' does."""
    scale = torch.arange(1, DIMENSIONS + 1).rsqrt()
    means = torch.randn(CLUSTERS, DIMENSIONS, generator=generator) * scale
    which = torch.randint(CLUSTERS, (n,), generator=generator)
    return means[which] + 0.7 * torch.randn(n, DIMENSIONS, generator=generator) * scale


def textbook(points: Tensor, count: int, generator: torch.Generator) -> list[int]:
    """Greedy k-centre as usually written: after each pick, one vectorised pass over all points."""
    norms = points.square().sum(1)
    nearest = torch.full((len(points),), torch.inf)
    distances = torch.empty(len(points))
    picks = [int(torch.randint(len(points), (1,), generator=generator))]
    while len(picks) < count:
        centre = points[picks[-1]]
        torch.addmv(norms, points, centre, alpha=-2, out=distances)
        torch.minimum(nearest, distances.add_(norms[picks[-1]]), out=nearest)
        picks.append(int(nearest.argmax()))
    return picks


def _compare(points: Tensor, picks: int, rounds: int, lazy_only: bool) -> tuple[list[str], bool]:
    slow: list[float] = []
    fast: list[float] = []
    for _ in range(rounds):
        for _ in range(LAZY_RUNS):
            seconds, coreset = _timed(lambda: greedy_coreset(points, picks, _generator()))
            fast.append(seconds)
        if not lazy_only:
            seconds, expected = _timed(lambda: textbook(points, picks, _generator()))
            slow.append(seconds)
    sizes = [f"{len(points):,}", f"{picks:,}"]
    if lazy_only:
        return [*sizes, "-", _median(fast), "-", "-"], True
    same = same_up_to_ties(points, coreset.indices, expected)
    ratio = statistics.median(slow) / statistics.median(fast)
    return [*sizes, _median(slow), _median(fast), f"{ratio:.1f}", "yes" if same else "NO"], same


def same_up_to_ties(points: Tensor, indices: np.ndarray, expected: list[int]) -> bool:
    """Whether the first different pick, if any, is as far from those before it as the expected (to 1e-4)."""
    different = np.flatnonzero(indices != np.asarray(expected))
    if not len(different):
        return True
    first = int(different[0])
    before = points[torch.tensor(expected[:first])].double()
    pair = points[torch.tensor([int(indices[first]), expected[first]])].double()
    radii = torch.cdist(pair, before).amin(1)
    return bool((radii[0] - radii[1]).abs() <= 1e-4 * radii[1])


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def _median(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} s"


if __name__ == "__main__":
    main()
