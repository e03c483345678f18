"""Thresholds from nominal scores only: the split-conformal rank and what n images can promise (Vovk 2012).

With n exchangeable nominal scores, a new one lies above the ceil((n+1)(1-rate))-th smallest of them with
probability at most ``rate``, whatever their distribution. Leave-one-image-out scores stand in for scores of
images the bank never saw. Ranks are exact: 0.01 means one in a hundred, not its nearest binary fraction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float
from scipy.special import betaincinv

from core.errors import ConfigError, ShapeError, TooFewNominalImages

FEW_PARTS = 20  # so many and fewer: about the hardest part decides at 5 %


@dataclass(frozen=True)
class Promise:
    """What a threshold taken from ``n`` nominal scores holds for new nominal images.

    rank: the threshold is the rank-th smallest score; expected: mean false-reject rate over all such
    calibrations; low, high: the central 95 % of the rate one calibration realises; all rates in [0, 1].
    """

    n: int
    rate: float
    rank: int
    expected: float
    low: float
    high: float
    text: str


def supported_rate(n: int) -> float:
    """The smallest false-reject rate that ``n`` nominal images support: 1 / (n + 1)."""
    return 1 / (n + 1)


def advice_for_few(parts: int, augmented: bool) -> str:
    """What so few parts support and what helps, in sentences; empty beyond FEW_PARTS."""
    if parts > FEW_PARTS:
        return ""
    copies = (
        "The copies that the bank learned cover what was declared; they do not stand in for other parts"
        if augmented
        else "If parts may arrive mirrored, turned, moved or lit otherwise, learn copies of each photograph too "
        "(--augment), but not if that would be a defect"
    )
    return (
        f"{parts} parts are few: the threshold follows the hardest of them, and good parts that look unlike all of "
        f"them will be rejected. Use this bank to begin with, look at what it rejects, teach its false alarms and "
        f"build again; {images_needed(0.05)} parts support 5 %, {images_needed(0.01)} support 1 %. {copies}."
    )


def images_needed(rate: float) -> int:
    """The fewest nominal images that support ``rate``, in (0, 1): 99 for 1 %. Raises ConfigError outside."""
    return math.ceil(1 / exact_rate(rate)) - 1


def conformal_rank(n: int, rate: float) -> int:
    """ceil((n + 1)(1 - rate)), counted from 1. Raises TooFewNominalImages where that passes ``n``."""
    rank = math.ceil((n + 1) * (1 - exact_rate(rate)))
    if rank > n:
        raise TooFewNominalImages(
            requirement=f"a false-reject rate of {percent(rate)} needs {images_needed(rate)} nominal images",
            received=f"{n}, which support {percent(supported_rate(n))} at best" if n else "none",
            remedy="add nominal images or ask for a higher rate",
        )
    return rank


def conformal_threshold(scores: Float[np.ndarray, " n"], rate: float) -> float:
    """The score that a new nominal image passes with probability at most ``rate``; never clamped.

    Raises TooFewNominalImages where n does not support the rate, ShapeError for scores that are not finite.
    """
    if scores.ndim != 1 or not np.isfinite(scores).all():
        raise ShapeError(
            requirement="calibration scores must be finite and of shape (n,)",
            received=f"shape {scores.shape}, {np.count_nonzero(~np.isfinite(scores))} not finite",
            remedy="score every nominal image once",
        )
    rank = conformal_rank(len(scores), rate)
    return float(np.partition(scores, rank - 1)[rank - 1])


def promise(n: int, rate: float) -> Promise:
    """What ``rate`` asked of ``n`` nominal images means, in numbers and in a sentence.

    The rate that one calibration realises is Beta(n + 1 - rank, rank) distributed (Vovk 2012) for independent
    continuous scores; ties make it lower. Raises TooFewNominalImages as conformal_rank does.
    """
    rank = conformal_rank(n, rate)
    low, high = (float(betaincinv(n + 1 - rank, rank, q)) for q in (0.025, 0.975))
    expected = (n + 1 - rank) / (n + 1)
    text = (
        f"{n} nominal images support false-reject rates from {percent(supported_rate(n))}; at the asked "
        f"{percent(rate)} the threshold is number {rank} of their {n} scores in ascending order, which new "
        f"nominal images pass {percent(expected, 3)} of the time on average and, for 95 of 100 such sets of "
        f"images, between {percent(low, 3)} and {percent(high, 3)} of the time."
    )
    return Promise(n, rate, rank, expected, low, high, text)


def binomial_interval(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval of a rate of which ``k`` in ``n`` were seen; (0, 1) for n = 0."""
    if not (0 <= k <= n and 0 < confidence < 1):
        raise ConfigError(
            requirement="a binomial interval needs 0 <= k <= n and a confidence between 0 and 1",
            received=f"k {k}, n {n}, confidence {confidence}",
            remedy="count the successes among the trials",
        )
    tail = (1 - confidence) / 2
    low = float(betaincinv(k, n - k + 1, tail)) if k else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return low, high


def exact_rate(rate: float) -> Fraction:
    """The rate as written: the shortest decimal that reads back as the same float."""
    if not 0 < rate < 1:
        raise ConfigError(
            requirement="a false-reject rate must lie between 0 and 1, both excluded",
            received=str(rate),
            remedy="ask for 0.01 to have one good part in a hundred rejected",
        )
    return Fraction(str(float(rate)))


def percent(rate: float, digits: int = 4) -> str:
    return f"{100 * rate:.{digits}g} %"
