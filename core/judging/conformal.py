"""Thresholds over parts: the conformal rank at which parts that are left out in turn are rejected as asked.

Parts are exchangeable, photographs of one part are not exchangeable with those of others: each of g parts weighs 1,
each of its n_g photographs 1 / n_g (Lee, Barber and Willett 2023, section 3.1). A threshold leaves a weight k above it.
How often does a new part's photograph pass the threshold that leaves k of the others above? As often as those of the
parts at hand pass it, each part left out in turn: a photograph does if other parts weigh at most k above it. The
threshold is the lowest for which those photographs weigh at most rate (g + 1). Parts of one photograph each give the
plain conformal rank of ``core.judging.calibration``, bit for bit; the paper's own rank (Eq. 6) is never lower, and
rejects too few parts where photographs of a part differ.
Letters: n photographs, g parts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float, Float64, Int, Shaped
from scipy.special import betaincinv

from core.errors import ShapeError, TooFewNominalImages
from core.judging.calibration import Promise, conformal_rank, exact_rate, images_needed, percent, promise
from core.judging.groups import group_sizes, parts_where, weights

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
    """The score that a photograph of a new nominal part passes with probability ``rate`` or a little less.

    Never clamped. Raises TooFewNominalImages where g parts do not support the rate (the least is 1 / (g + 1)),
    ShapeError for scores that are not finite or not one a photograph, ConfigError for a rate outside (0, 1).
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
    _, place, rejected = _reached(scores, groups, rate)
    if g == n:
        return promise(n, rate)
    passed = float(rejected)
    low, high = (float(betaincinv(passed, g + 1 - passed, q)) for q in _tails())
    expected = passed / (g + 1)
    text = (
        f"{n} photographs of {g} parts support false-reject rates from {percent(1 / (g + 1))}; at the asked "
        f"{percent(rate)} the threshold is number {n - place} of their {n} scores in ascending order, which new "
        f"nominal parts pass {percent(expected, 3)} of the time on average and, for 95 of 100 such sets of "
        f"parts, between {percent(low, 3)} and {percent(high, 3)} of the time."
    )
    return Promise(g, rate, n - place, expected, low, high, text)


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
    """What held-out scores say of any threshold for new parts: (mean rate, what was seen with its interval)."""
    expected = expected_at(scores, groups, np.array([threshold], scores.dtype))
    return float(expected[0]), over_parts(scores > threshold, groups)


def expected_at(
    scores: Float[np.ndarray, " n"], groups: Int[np.ndarray, " n"], thresholds: Float[np.ndarray, " t"]
) -> Float64[np.ndarray, " t"]:
    """The mean rate at which new parts pass each threshold; 1 where all held-out scores do."""
    places = len(scores) - np.searchsorted(np.sort(scores), thresholds, side="right")
    found, some = np.ones(len(thresholds)), places < len(scores)
    if some.any():
        ranked = _Ranked.of(scores, groups)
        passed = ranked.rejected(ranked.above[places[some]])
        found[some] = passed / (ranked.unit * (len(group_sizes(groups)) + 1))
    return found


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


@dataclass(frozen=True, eq=False)
class _Ranked:
    """Photographs in descending order of their scores, ties as they come from a stable sort.

    order (n,): of each place its photograph. unit: what a part weighs. above (n,): the weight of all photographs
    before a place; cumulative, ranked (n,): of photographs sorted by what other parts weigh before them, that weight
    and the sum of their own.
    """

    order: Int[np.ndarray, " n"]
    unit: int
    above: Shaped[np.ndarray, " n"]
    ranked: Shaped[np.ndarray, " n"]
    cumulative: Shaped[np.ndarray, " n"]

    @classmethod
    def of(cls, scores: Float[np.ndarray, " n"], groups: Int[np.ndarray, " n"]) -> _Ranked:
        each, unit = weights(groups)
        order = np.argsort(scores, kind="stable")[::-1]
        own, weight = groups[order], each[order]
        above = np.cumsum(weight) - weight
        by_part = np.argsort(own, kind="stable")
        first = np.concatenate([[0], np.cumsum(group_sizes(groups))[:-1]])
        siblings = np.empty(len(own), np.int64)  # of its own part, before it
        siblings[by_part] = np.arange(len(own)) - first[own[by_part]]
        others = above - siblings * weight
        ascending = np.argsort(others, kind="stable")
        return cls(order, unit, above, others[ascending], np.cumsum(weight[ascending]))

    def rejected(self, above: Shaped[np.ndarray, " k"]) -> Shaped[np.ndarray, " k"]:
        """The weight of photographs with at most so much of other parts above them."""
        return np.asarray(self.cumulative[np.searchsorted(self.ranked, above, side="right") - 1])


def _reached(
    scores: Float[np.ndarray, " n"], groups: Int[np.ndarray, " n"], rate: float
) -> tuple[np.ndarray, int, Fraction]:
    """Descending order, the last place whose score may be the threshold, and the parts then rejected when left out."""
    _check(scores, groups)
    g = len(group_sizes(groups))
    check_parts(g, len(scores), rate)
    ranked = _Ranked.of(scores, groups)
    allowed = math.floor((g + 1) * ranked.unit * exact_rate(rate))  # one part at least: the rate is supported
    rejected = ranked.rejected(ranked.above)
    place = int(np.searchsorted(rejected, allowed, side="right")) - 1
    return ranked.order, place, Fraction(int(rejected[place]), ranked.unit)


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
