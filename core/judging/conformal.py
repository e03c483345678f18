"""Thresholds over parts: the hierarchical conformal rank (Lee, Barber and Willett 2023, Eq. 6).

Parts are exchangeable, photographs of one part are not exchangeable with those of others. Each of g parts weighs
1 / (g + 1), each of its n_g photographs 1 / ((g + 1) n_g); a photograph of a new part scores above the smallest score
whose cumulative weight reaches 1 - rate with probability at most ``rate``. Parts of one photograph each give the
plain conformal rank of ``core.judging.calibration``, bit for bit.
Letters: n photographs, g parts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float, Int
from scipy.special import betaincinv

from core.errors import ShapeError, TooFewNominalImages
from core.judging.calibration import Promise, conformal_rank, exact_rate, images_needed, percent, promise
from core.judging.groups import group_sizes, parts_above, parts_where, weights

CONFIDENCE = 0.95


@dataclass(frozen=True)
class RateOverParts:
    """A rate of which ``hits`` in ``parts`` were seen, a part counted by the share of its photographs.

    photographs: of all parts. low, high: 95 % interval of the rate behind them, Clopper and Pearson's over parts;
    (0, 1) for none seen.
    """

    hits: float
    parts: int
    photographs: int
    low: float
    high: float

    @property
    def rate(self) -> float | None:
        """In [0, 1]; None of nothing."""
        return self.hits / self.parts if self.parts else None


def hierarchical_threshold(
    scores: Float[np.ndarray, " n"], groups: Int[np.ndarray, " n"], rate: float
) -> float:
    """The score that a photograph of a new nominal part passes with probability at most ``rate``; never clamped.

    Raises TooFewNominalImages where g parts do not support the rate (the least is 1 / (g + 1)), ShapeError for
    scores that are not finite or not one a photograph, ConfigError for a rate outside (0, 1).
    """
    order, place, _ = _reached(scores, groups, rate)
    return float(scores[order[place]])


def promise_over_parts(
    scores: Float[np.ndarray, " n"], groups: Int[np.ndarray, " n"], rate: float
) -> Promise:
    """What ``rate`` asked of these parts means, in numbers and in a sentence; ``n`` and the rates count parts.

    Raises as ``hierarchical_threshold``. The interval takes the photographs of a part for one draw: where they
    differ, the realised rate varies less than it says.
    """
    g, n = len(group_sizes(groups)), len(scores)
    _, place, reached = _reached(scores, groups, rate)
    if g == n:
        return promise(n, rate)
    above = float(g - reached)
    low, high = (float(betaincinv(above + 1, g - above, q)) for q in _tails())
    expected = (above + 1) / (g + 1)
    text = (
        f"{n} photographs of {g} parts support false-reject rates from {percent(1 / (g + 1))}; at the asked "
        f"{percent(rate)} the threshold is number {place + 1} of their {n} scores in ascending order, which new "
        f"nominal parts pass {percent(expected, 3)} of the time on average and, for 95 of 100 such sets of "
        f"parts, between {percent(low, 3)} and {percent(high, 3)} of the time."
    )
    return Promise(g, rate, place + 1, expected, low, high, text)


def check_parts(parts: int, photographs: int, rate: float) -> None:
    """Refuse a rate that so many parts do not support. Raises TooFewNominalImages, which names the parts needed."""
    if parts == photographs:
        conformal_rank(photographs, rate)
        return
    needed = images_needed(rate)
    if parts < needed:
        raise TooFewNominalImages(
            requirement=f"a false-reject rate of {percent(rate)} needs photographs of {needed} nominal parts",
            received=f"{photographs} photographs of {parts} parts, which support {percent(1 / (parts + 1))} at best",
            remedy="photograph other good parts, not the same ones again, ask for a higher rate, or correct which "
            "photographs show one part",
        )


def expected_over_parts(
    scores: Float[np.ndarray, " n"], groups: Int[np.ndarray, " n"], threshold: float
) -> tuple[float, RateOverParts]:
    """What held-out scores say of any threshold for new parts: (mean rate at most, what was seen with its interval)."""
    seen = over_parts(scores > threshold, groups)
    return float((parts_above(scores, groups, threshold) + 1) / (seen.parts + 1)), seen


def over_parts(hits: np.ndarray, groups: Int[np.ndarray, " n"]) -> RateOverParts:
    """The rate of photographs that show something, such as a rejection or a changed decision, counted over parts.

    Raises ShapeError where there is not one group a photograph.
    """
    k, g = float(parts_where(hits, groups)), len(group_sizes(groups))
    return RateOverParts(k, g, len(groups), *interval_over_parts(k, g))


def interval_over_parts(k: float, g: int) -> tuple[float, float]:
    """95 % interval of a rate of which k in g parts were seen, k not whole where a part shows it in part.

    The interval of Clopper and Pearson with k real: for whole k the same numbers. (0, 1) for g = 0.
    """
    low, high = _tails()
    return (
        float(betaincinv(k, g - k + 1, low)) if k > 0 else 0.0,
        float(betaincinv(k + 1, g - k, high)) if k < g else 1.0,
    )


def _reached(
    scores: Float[np.ndarray, " n"], groups: Int[np.ndarray, " n"], rate: float
) -> tuple[np.ndarray, int, Fraction]:
    """Ascending order, the place in it where the weight suffices, and the parts at or below that place."""
    _check(scores, groups)
    each, unit = weights(groups)
    g = len(group_sizes(groups))
    check_parts(g, len(scores), rate)
    needed = math.ceil((g + 1) * unit * (1 - exact_rate(rate)))  # at most g * unit: the rate is supported
    order = np.argsort(scores, kind="stable")
    cumulative = np.cumsum(each[order])
    place = int(np.searchsorted(cumulative, needed))
    return order, place, Fraction(int(cumulative[place]), unit)


def _check(scores: np.ndarray, groups: np.ndarray) -> None:
    if scores.ndim != 1 or scores.shape != groups.shape or not np.isfinite(scores).all():
        raise ShapeError(
            requirement="calibration scores must be finite, of shape (n,), with one group each",
            received=f"scores of shape {scores.shape}, {np.count_nonzero(~np.isfinite(scores))} not finite, "
            f"groups of shape {groups.shape}",
            remedy="score every nominal image once and name its group",
        )


def _tails() -> tuple[float, float]:
    return (1 - CONFIDENCE) / 2, 1 - (1 - CONFIDENCE) / 2
