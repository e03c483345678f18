"""Image scores from nearest-neighbour distances (Roth et al. 2022, Eq. 6) and their re-weighting (Eq. 7).

Letters: b images, p patches an image, d dimensions, m bank vectors, k neighbours, e excluded vectors.
Distances are Euclidean, not squared; larger is more anomalous; scores are unbounded and in the same unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int64

from core.errors import ConfigError, ShapeError

NEIGHBOURS = 9  # the paper's b, m* itself included


Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""``search(queries (n, d), k) -> (distances (n, k) ascending, ids (n, k))``: what ``Index.search`` does."""


UNLOCATED = 1e31
"""The score of a part that is not located: above every threshold that may be set, and every distance that is found."""

Decision = Literal["accept", "review", "reject"]


def image_scores(distances: Float32[np.ndarray, "b p"]) -> Float32[np.ndarray, " b"]:
    """Score of each image: the largest of its patches' distances to their nearest bank vector (Eq. 6)."""
    if distances.ndim != 2 or distances.shape[1] == 0:
        raise ShapeError(
            requirement="distances must have shape (b, p) with at least one patch an image",
            received=f"shape {distances.shape}",
            remedy="pass one row of patch distances for each image",
        )
    scores: np.ndarray = distances.max(axis=1)
    return scores


def reweighted_scores(
    scores: Float32[np.ndarray, " b"],
    worst: Float32[np.ndarray, "b d"],
    nearest: Int64[np.ndarray, " b"],
    bank: Float32[np.ndarray, "m d"],
    search: Search,
    neighbours: int = NEIGHBOURS,
    excluded: Int64[np.ndarray, " e"] | None = None,
) -> Float32[np.ndarray, " b"]:
    """Scores of Eq. 7: the Eq. 6 score, damped where its nominal vector m* lies among equally close ones.

    ``scores`` are those of Eq. 6, ``worst`` each image's patch farthest from the bank, ``nearest`` the row of
    that patch's m* in ``bank``; ``search`` answers over the same bank. A bank of fewer than ``neighbours``
    vectors is used whole. ``excluded`` rows count as absent, for leave-one-image-out scores (m* must not be
    one of them). Never NaN for finite input; from 0 up to the Eq. 6 score.
    """
    around = neighbourhoods(nearest, bank, search, neighbours, excluded)
    return reweight(scores, np.linalg.norm(bank[around] - worst[:, None, :], axis=2))


def neighbourhoods(
    nearest: Int64[np.ndarray, " b"],
    bank: Float32[np.ndarray, "m d"],
    search: Search,
    neighbours: int = NEIGHBOURS,
    excluded: Int64[np.ndarray, " e"] | None = None,
) -> Int64[np.ndarray, "b k"]:
    """N_b(m*) of Eq. 7 for each m* in ``nearest``: rows of its neighbours in the bank, itself among them."""
    absent = np.empty(0, np.int64) if excluded is None else excluded
    width = min(neighbours + len(absent), len(bank))
    _, ids = search(bank[nearest], width)  # (b, width)
    return _with_itself(_first_kept(ids, absent, neighbours), nearest)


def reweight(
    scores: Float32[np.ndarray, " b"], distances: Float32[np.ndarray, "b k"]
) -> Float32[np.ndarray, " b"]:
    """Eq. 7 as s* (1 - 1 / sum exp(d_m - s*)) over the distances d_m of the worst patch to N_b(m*).

    Written 1 - exp(-log sum exp(d_m - s*)): every exponent is at most zero, so nothing overflows. The paper
    has s* itself among the d_m, so the sum is at least 1; rounding below that is lifted to it.
    """
    excess = distances.astype(np.float64) - scores.astype(np.float64)[:, None]  # d_m - s*, (b, k)
    highest = excess.max(axis=1, keepdims=True)
    log_sum = highest[:, 0] + np.log(np.exp(excess - highest).sum(axis=1))
    damped: np.ndarray = scores * -np.expm1(-np.maximum(log_sum, 0.0))
    return damped.astype(np.float32)


def _first_kept(
    ids: Int64[np.ndarray, "b w"], excluded: Int64[np.ndarray, " e"], count: int
) -> Int64[np.ndarray, "b k"]:
    """The first ``count`` ids of each row that are not excluded; where a row has fewer, as many as it has."""
    kept = ~np.isin(ids, excluded)
    shared = min(count, int(kept.sum(axis=1).min(initial=count)))
    if shared == 0:
        raise ShapeError(
            requirement="Eq. 7 needs neighbours that are not excluded",
            received=f"{len(excluded)} excluded and none other among {ids.shape[1]} found",
            remedy="keep more vectors in the bank, so that no image alone fills it",
        )
    leading = np.argsort(~kept, axis=1, kind="stable")[:, :shared]  # the kept ones first, still ascending
    return np.take_along_axis(ids, leading, axis=1)


def _with_itself(
    around: Int64[np.ndarray, "b k"], itself: Int64[np.ndarray, " b"]
) -> Int64[np.ndarray, "b k"]:
    """Put m* last where duplicates of it, or an approximate index, crowded it out of its own neighbours."""
    missing = ~(around == itself[:, None]).any(axis=1)
    return np.column_stack([around[:, :-1], np.where(missing, itself, around[:, -1])])


@dataclass(frozen=True)
class Thresholds:
    """Two scores, ``review`` at most ``reject``: above one a person looks, above the other a part fails."""

    review: float
    reject: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.review) and math.isfinite(self.reject) and self.review <= self.reject):
            raise ConfigError(
                requirement="thresholds must be finite, review not above reject",
                received=f"review {self.review}, reject {self.reject}",
                remedy="lower the review threshold or raise the reject threshold",
            )


def decide(score: float, thresholds: Thresholds) -> Decision:
    """``reject`` above the reject threshold, else ``review`` above the review threshold, else ``accept``.

    A score equal to a threshold is not above it. Raises ShapeError for NaN, which would else be accepted.
    """
    if math.isnan(score):
        raise ShapeError(
            requirement="a score must be a number",
            received="NaN",
            remedy="check the backbone's weights and the image for non-finite values",
        )
    if score > thresholds.reject:
        return "reject"
    return "review" if score > thresholds.review else "accept"
