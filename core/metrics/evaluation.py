"""Image-level metrics, exact at every distinct score: AUROC, average precision, F1-max, rates at a threshold.

Labels are True for defective images; larger scores are more anomalous; "above" a threshold is strict, as in
``core.judging.calibration.decide``. Pixel metrics are in ``core.metrics.pixel_evaluation``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from core.errors import EvaluationError
from core.judging.calibration import binomial_interval


@dataclass(frozen=True)
class F1Max:
    """The largest F1 of any threshold, in [0, 1], and the score above which an image counts as defective."""

    value: float
    threshold: float


@dataclass(frozen=True)
class Rate:
    """``count`` of ``n`` scores lie above a threshold: their share and its Clopper-Pearson 95 % interval."""

    value: float
    count: int
    n: int
    low: float
    high: float


def auroc(scores: Float[np.ndarray, " _n"], labels: Bool[np.ndarray, " _n"]) -> float:
    """Probability that a defective image outscores a nominal one, ties counted half; in [0, 1].

    Raises EvaluationError where a class is missing, a score is not finite or the shapes differ; so do
    ``average_precision`` and ``f1_max``.
    """
    nominal, defective = _classes(scores, labels)
    nominal = np.sort(nominal)
    beaten = np.searchsorted(nominal, defective, "left") + np.searchsorted(nominal, defective, "right")
    return float(beaten.mean() / (2 * len(nominal)))


def average_precision(scores: Float[np.ndarray, " _n"], labels: Bool[np.ndarray, " _n"]) -> float:
    """Area under the precision-recall steps, sum of (R_n - R_(n-1)) P_n over distinct scores; in [0, 1]."""
    _, found, called, defects = _cuts(scores, labels)
    gained = np.diff(found, prepend=0)
    return float((gained * (found / called)).sum() / defects)


def f1_max(scores: Float[np.ndarray, " _n"], labels: Bool[np.ndarray, " _n"]) -> F1Max:
    """The best F1 over every threshold; among equals the highest threshold, which rejects least.

    The threshold is the highest score left below the cut, or just under the lowest where all are above it.
    """
    values, found, called, defects = _cuts(scores, labels)
    f1 = 2 * found / (called + defects)
    best = int(f1.argmax())
    under = np.nextafter(values[-1], values.dtype.type(-np.inf))
    return F1Max(float(f1[best]), float(np.append(values, under)[best + 1]))


def false_reject_rate(
    scores: Float[np.ndarray, " _n"], labels: Bool[np.ndarray, " _n"], threshold: float
) -> Rate:
    """Share of the nominal images that score above ``threshold``. Raises EvaluationError without any."""
    return _rate_above(_finite(scores, labels)[~labels], threshold, "nominal")


def detection_rate(
    scores: Float[np.ndarray, " _n"], labels: Bool[np.ndarray, " _n"], threshold: float
) -> Rate:
    """Share of the defective images that score above ``threshold``. Raises EvaluationError without any."""
    return _rate_above(_finite(scores, labels)[labels], threshold, "defective")


def _rate_above(scores: np.ndarray, threshold: float, name: str) -> Rate:
    if len(scores) == 0:
        raise EvaluationError(
            f"this rate needs at least one {name} image", "none", f"add {name} images to the test set"
        )
    count, n = int(np.count_nonzero(scores > threshold)), len(scores)
    return Rate(count / n, count, n, *binomial_interval(count, n))


def _cuts(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Distinct scores descending; defects at or above each; images at or above each; defects in all."""
    _, defective = _classes(scores, labels)
    order = np.argsort(-scores, kind="stable")
    values = scores[order]
    last = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)  # the last image of every tie
    return values[last], np.cumsum(labels[order])[last], last + 1, len(defective)


def _classes(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    nominal, defective = _finite(scores, labels)[~labels], scores[labels]
    if len(nominal) == 0 or len(defective) == 0:
        raise EvaluationError(
            requirement="this metric needs nominal and defective images",
            received=f"{len(nominal)} nominal and {len(defective)} defective",
            remedy="add images of the missing class to the test set",
        )
    return nominal, defective


def _finite(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise EvaluationError(
            requirement="scores and labels must share the shape (n,)",
            received=f"scores {scores.shape} and labels {labels.shape}",
            remedy="give every image one score and one label",
        )
    if not np.isfinite(scores).all():
        raise EvaluationError(
            requirement="scores must be finite",
            received=f"{np.count_nonzero(~np.isfinite(scores))} of {len(scores)} that are not",
            remedy="check the backbone's weights and the images for non-finite values",
        )
    return scores
