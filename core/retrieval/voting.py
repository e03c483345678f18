"""What kind is this? The nearest named images vote, each by its similarity; unsure votes are refused.

Distance-weighted nearest neighbours (Dudani 1976) with a reject option (Chow 1970): a name is worth giving only where
the winner is well ahead of the next. The query votes as it is: one that is grown by its nearest
(core/retrieval/ranking.py) ranks better, but is too sure of itself. Letters: n images with a kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

VOTERS = 9  # nearest named images
LEAST_VOTERS = 3  # fewer promise nothing
POWER = 2.0  # of a similarity, which is a voter's weight
LEAST_MARGIN = 0.8  # by which the winner's share must exceed the next kind's (docs/decisions.md)


@dataclass(frozen=True)
class Vote:
    """kind: the winner. share: of the weights, in [0, 1]. margin: how far ahead of the next kind's share."""

    kind: str
    share: float
    margin: float
    voters: int

    @property
    def sure(self) -> bool:
        """Whether the kind is worth suggesting."""
        return self.voters >= LEAST_VOTERS and self.margin >= LEAST_MARGIN


def vote(kinds: Sequence[str], similar: Float32[np.ndarray, " n"], most: int = VOTERS) -> Vote | None:
    """The kind that the ``most`` similar ones give; None where none of them points the same way at all.

    similar: of each to the image in question, in [-1, 1]. Where kinds tie, the first by name wins.
    """
    nearest = np.argsort(-similar, kind="stable")[:most]
    weights = dict[str, float]()
    for place in nearest:
        weight = max(0.0, float(similar[place])) ** POWER
        weights[kinds[place]] = weights.get(kinds[place], 0.0) + weight
    total, voters = sum(weights.values()), int((similar[nearest] > 0).sum())
    if total == 0:
        return None
    order = sorted(weights, key=lambda kind: (-weights[kind], kind))
    shares = [weights[kind] / total for kind in order]
    return Vote(order[0], shares[0], shares[0] - (shares[1] if len(shares) > 1 else 0.0), voters)
