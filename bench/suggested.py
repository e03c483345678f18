"""Is a suggested kind right? The margin is chosen on one half of the parts and judged on the other.

Voters are the half that chose, so that what is judged has no part in it. A part of ``python -m bench.memory``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.cuts import Cut
from core.retrieval import LEAST_MARGIN, Vote, vote
from core.retrieval.voting import LEAST_VOTERS

HEAD = (
    "set, seed",
    "margin chosen",
    "suggested, right there",
    "suggested, right on the other half",
    f"at {LEAST_MARGIN:g}, on the other half",
)
RIGHT = 0.9  # of suggestions, that the chosen margin has to reach
MARGINS = tuple(margin / 20 for margin in range(20))


def row(cut: Cut) -> list[str]:
    """Of one cut."""
    described, order = cut.described(), np.random.default_rng(cut.seed).permutation(np.unique(cut.parts))
    chooses = np.isin(cut.parts, order[: len(order) // 2])
    here, there = (_votes(cut, described, side, chooses) for side in (chooses, ~chooses))
    reached = [margin for margin in MARGINS if _right(here, margin)[1] >= RIGHT]
    label = f"{cut.name}, {cut.seed}"
    if not reached:
        return [label, "none reaches it", "", "", _said(there, LEAST_MARGIN)]
    return [
        label,
        f"{reached[0]:.2f}",
        _said(here, reached[0]),
        _said(there, reached[0]),
        _said(there, LEAST_MARGIN),
    ]


def _votes(
    cut: Cut, described: np.ndarray, asked: np.ndarray, voters: np.ndarray
) -> list[tuple[Vote | None, str]]:
    """The vote on each of those asked, and what it is."""
    found = []
    for place in np.flatnonzero(asked):
        apart = voters & (cut.parts != cut.parts[place])
        kinds = cut.kinds[apart].tolist()
        found.append((vote(kinds, described[apart] @ described[place]), str(cut.kinds[place])))
    return found


def _right(votes: Sequence[tuple[Vote | None, str]], margin: float) -> tuple[float, float]:
    """(share suggested, share of these that are right)."""
    sure = [
        each.kind == kind
        for each, kind in votes
        if each is not None and each.voters >= LEAST_VOTERS and each.margin >= margin
    ]
    return len(sure) / max(1, len(votes)), float(np.mean(sure)) if sure else 0.0


def _said(votes: Sequence[tuple[Vote | None, str]], margin: float) -> str:
    suggested, right = _right(votes, margin)
    return f"{suggested:.0%}, {right:.0%}"
