"""PatternNet against clusters: do the groups that it makes of defects keep their labels apart, are they stable?

Both make as many groups: as many as clusters of the worst patches stand apart best, at least two. Stability is over
seeds, and over draws of four fifths of the defects: the adjusted Rand index of the groups of those in both draws.
A part of ``python -m bench.memory``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from statistics import mean

import numpy as np

from bench.cuts import Cut
from core.patterns import INPUTS, Of, Pooled, agreement, mine, rand_index, stability
from core.retrieval import grouped

HEAD = (
    "set",
    "groups by",
    "groups",
    "separation",
    "stable over seeds",
    "stable over draws",
    "NMI with labels",
    "purity",
)
SEEDS, DRAWS, DRAWN = range(3), 3, 0.8
Grouping = Callable[[np.ndarray], np.ndarray]
"""Rows of the defects -> the group of each."""


def rows(cuts: Sequence[Cut]) -> list[list[str]]:
    """Of one set, means over its cuts."""
    found: dict[str, list[list[float | None]]] = {}
    for cut in cuts:
        clusters = grouped(cut.described())
        count = max(2, len(set(clusters.tolist())))
        for of in INPUTS:
            found.setdefault(f"patterns, {of}", []).append(_mined(cut, of, count))
        found.setdefault("clusters", []).append(_clusters(cut, clusters))
    return [[cuts[0].name, by, *_means([*zip(*of, strict=True)])] for by, of in found.items()]


def _mined(cut: Cut, of: Of, count: int) -> list[float | None]:
    good, bad = cut.pooled(of)
    mined = [mine(Pooled(good, bad), count, seed) for seed in SEEDS]
    draws = _over_draws(len(bad), lambda some: mine(Pooled(good, bad[some]), count).groups)
    with_labels = [agreement(each.groups.tolist(), cut.kinds.tolist()) for each in mined]
    return [
        count,
        mean(each.separation for each in mined),
        stability(mined),
        draws,
        mean(each.nmi for each in with_labels),
        mean(each.purity for each in with_labels),
    ]


def _clusters(cut: Cut, groups: np.ndarray) -> list[float | None]:
    described = cut.described()
    with_labels = agreement(groups.tolist(), cut.kinds.tolist())
    draws = _over_draws(len(described), lambda some: grouped(described[some]))
    return [len(set(groups.tolist())), None, None, draws, with_labels.nmi, with_labels.purity]


def _over_draws(n: int, grouping: Grouping) -> float:
    rng, found = np.random.default_rng(0), []
    for _ in range(DRAWS):
        some = np.sort(rng.permutation(n)[: max(2, round(DRAWN * n))])
        found.append(dict(zip(some.tolist(), grouping(some).tolist(), strict=True)))
    pairs = itertools.combinations(found, 2)
    return mean(
        rand_index([a[row] for row in both], [b[row] for row in both])
        for a, b in pairs
        if (both := sorted(a.keys() & b.keys()))
    )


def _means(columns: Sequence[Sequence[float | None]]) -> list[str]:
    """The first column is a count."""
    known = [[value for value in column if value is not None] for column in columns]
    counts, *shares = (mean(column) if column else None for column in known)
    return [f"{counts:.0f}", *("" if share is None else f"{share:.2f}" for share in shares)]
