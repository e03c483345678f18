"""What a pair of thresholds would do: expected of new nominal images, measured on images already scored.

The expectation rests only on nominal scores. Of n exchangeable ones k lie above a threshold; whichever score between
its two neighbours the threshold is, the rate of new nominal images above it lies between Beta(k, n - k + 1) and
Beta(k + 1, n - k) (Vovk 2012), whose outer quantiles are those of Clopper and Pearson.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from core.errors import ConfigError
from core.judging.calibration import binomial_interval
from core.judging.conformal import expected_over_parts
from core.judging.scoring import Decision, Thresholds

DECISIONS: tuple[Decision, ...] = ("accept", "review", "reject")
"""In ascending order of severity; a decision's code is its place here."""
OUTLIERS = 0.01  # share of scores beyond a histogram's last edge


@dataclass(frozen=True)
class Share:
    """``count`` in ``total`` were seen. low, high: 95 % interval of the rate behind them; (0, 1) for none seen."""

    count: int
    total: int
    low: float
    high: float

    @property
    def rate(self) -> float | None:
        """In [0, 1]; None of nothing."""
        return self.count / self.total if self.total else None


@dataclass(frozen=True)
class ExpectedRate:
    """How often new nominal images score above a threshold that ``above`` of ``images`` nominal scores exceed.

    expected: the mean over such calibrations is at most this, (above + 1) / (images + 1) where each image shows a
    part of its own; else parts count, each by the share of its images. low, high: 95 % interval
    of the rate that this one calibration realises.
    """

    above: int
    images: int
    expected: float
    low: float
    high: float


def share(count: int, total: int) -> Share:
    """Raises ConfigError unless 0 <= count <= total."""
    return Share(count, total, *binomial_interval(count, total))


def expected_rate(
    nominal: Float[np.ndarray, " n"], threshold: float, groups: Int[np.ndarray, " n"] | None = None
) -> ExpectedRate:
    """What n held-out scores say of a threshold, whichever it is; a score equal to it does not exceed it.

    groups: the part that each shows, over which the rates are; None: each its own.
    """
    n = len(nominal)
    above = int(np.count_nonzero(nominal > threshold))
    if groups is None:
        return ExpectedRate(above, n, (above + 1) / (n + 1), *binomial_interval(above, n))
    expected, seen = expected_over_parts(nominal, groups, threshold)
    return ExpectedRate(above, n, expected, seen.low, seen.high)


def decide_all(scores: Float[np.ndarray, " k"], thresholds: Thresholds) -> Int[np.ndarray, " k"]:
    """The code of each score's decision, as ``core.judging.calibration.decide`` makes it."""
    return np.asarray((scores > thresholds.review).astype(np.int8) + (scores > thresholds.reject))


def cross_counts(
    rows: Int[np.ndarray, " k"], columns: Int[np.ndarray, " k"], shape: tuple[int, int]
) -> Int[np.ndarray, "r c"]:
    """How many of k have each pair of codes: transitions of decisions, or decisions by verdict."""
    flat = np.bincount(rows.astype(np.int64) * shape[1] + columns, minlength=shape[0] * shape[1])
    return np.asarray(flat.reshape(shape))


def bin_edges(
    nominal: Float[np.ndarray, " n"], others: Float[np.ndarray, " k"], bins: int
) -> Float[np.ndarray, " e"]:
    """``bins`` + 1 ascending edges over every nominal score and all but the farthest ``OUTLIERS`` of the others.

    Raises ConfigError for less than one bin.
    """
    if bins < 1:
        raise ConfigError(
            requirement="a histogram needs at least one bin", received=str(bins), remedy="ask for 40"
        )
    ends = [float(nominal.min()), float(nominal.max())] if len(nominal) else []
    if len(others):
        ends += [float(others.min()), float(np.quantile(others, 1 - OUTLIERS))]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    return np.linspace(low, high if high > low else low + 1.0, bins + 1)


def histogram(scores: Float[np.ndarray, " k"], edges: Float[np.ndarray, " e"]) -> Int[np.ndarray, " bins"]:
    """How many scores lie in each bin; the outer ones hold what lies beyond them."""
    return np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0]
