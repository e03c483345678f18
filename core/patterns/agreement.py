"""How two groupings of the same images agree: mutual information, purity, adjusted Rand index (Hubert and Arabie 1985).

Letters: n images, a b groups of either grouping.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from core.errors import ShapeError


@dataclass(frozen=True)
class Agreement:
    """Of found groups with known kinds. nmi: mutual information over the mean of both entropies, in [0, 1]; 0 where
    both have one group. purity: share of images whose group's commonest kind is their own, in [0, 1].
    """

    nmi: float
    purity: float


def agreement(found: Sequence[object], known: Sequence[object]) -> Agreement:
    """Of found groups with known kinds. Raises ShapeError for none or unequally many."""
    joint = _table(found, known)
    shares = joint / joint.sum()
    of_found, of_known = shares.sum(axis=1), shares.sum(axis=0)
    apart = np.outer(of_found, of_known)
    both = shares > 0
    mutual = float((shares[both] * np.log(shares[both] / apart[both])).sum())
    mean = (_entropy(of_found) + _entropy(of_known)) / 2
    purity = float(joint.max(axis=1).sum() / joint.sum())
    return Agreement(min(1.0, max(0.0, mutual / mean)) if mean > 0 else 0.0, purity)


def rand_index(one: Sequence[object], other: Sequence[object]) -> float:
    """The adjusted Rand index: 1 for the same groups, 0 on average for random ones. Raises as ``agreement``."""
    joint = _table(one, other)
    pairs = float(_pairs(np.asarray([joint.sum()])))
    rows, columns = _pairs(joint.sum(axis=1)), _pairs(joint.sum(axis=0))
    expected, most = rows * columns / max(pairs, 1.0), (rows + columns) / 2
    return 1.0 if most == expected else (_pairs(joint.ravel()) - expected) / (most - expected)


def _table(one: Sequence[object], other: Sequence[object]) -> Float64[np.ndarray, "a b"]:
    if len(one) != len(other) or not len(one):
        raise ShapeError(
            requirement="two groupings must be of the same images, at least one",
            received=f"{len(one)} and {len(other)}",
            remedy="name a group of each image in both",
        )
    (_, rows), (_, columns) = (np.unique(np.asarray(each), return_inverse=True) for each in (one, other))
    joint = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(joint, (rows, columns), 1)
    return joint


def _entropy(shares: Float64[np.ndarray, " a"]) -> float:
    held = shares[shares > 0]
    return float(-(held * np.log(held)).sum())


def _pairs(counts: Float64[np.ndarray, " a"]) -> float:
    return float((counts * (counts - 1) / 2).sum())
