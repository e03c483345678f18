"""Thresholds by cost: where missed defects and false rejects together cost least, with intervals.

At the reject threshold t a part costs r M miss(t) + (1 - r) F rejected(t) on average, with r the rate of defects, M and
F the costs of a missed defect and of a false reject. rejected(t) is the conformal expectation over g nominal parts, as
``core.judging.conformal`` has it. miss(t) is (k + 1) / (n + 2) where k of n reviewed defects score t or less (Laplace's
rule of succession): none missed among 20 does not mean that none ever is.
Intervals are of the Bayesian bootstrap (Rubin 1981): each draw weighs the observations anew by a flat Dirichlet. The
estimates' additional counts, 1 of the parts and 2 of the defects, are drawn beside them, so that the draws have the
estimates as their means, rates of which nothing was seen vary as well, and each rate alone is Beta distributed.
Letters: n defects, g parts, p photographs of them, t thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from core.errors import ConfigError, ShapeError, TooFewDefects
from core.judging.conformal import expected_at
from core.judging.groups import group_sizes
from core.judging.scoring import UNLOCATED

LEAST_DEFECTS = 10  # reviewed, fewer say nearly nothing of a rate of misses
MOST_COST = 1e12
PARTS = 1000  # that a cost is per
DRAWS = 1000
TAILS = (0.025, 0.975)
EQUAL = 1e-9  # costs nearer than this, relatively, are one


@dataclass(frozen=True)
class Costs:
    """What the two errors cost, in one currency, and how often a part is defective.

    missed_defect, false_reject: each in [0, ``MOST_COST``], one of them above 0; only their ratio moves the threshold.
    defect_rate: in (0, 1), of all parts that arrive. Raises ConfigError outside.
    """

    missed_defect: float
    false_reject: float
    defect_rate: float

    def __post_init__(self) -> None:
        for name in ("missed_defect", "false_reject"):
            if not 0 <= (value := getattr(self, name)) <= MOST_COST:
                raise ConfigError(
                    requirement=f"{name} must be a cost between 0 and {MOST_COST:g}",
                    received=str(value),
                    remedy="give both costs in one currency",
                )
        if not (self.missed_defect or self.false_reject):
            raise ConfigError(
                requirement="missed_defect or false_reject must cost something",
                received="0 for both",
                remedy="give what each costs, such as 500 and 5",
            )
        if not 0 < self.defect_rate < 1:
            raise ConfigError(
                requirement="defect_rate must lie between 0 and 1, both excluded",
                received=str(self.defect_rate),
                remedy="give 0.01 where one part in a hundred is defective",
            )

    def of(
        self, missed: Float64[np.ndarray, " t"], rejected: Float64[np.ndarray, " t"]
    ) -> Float64[np.ndarray, " t"]:
        """Of ``PARTS`` parts, where these shares of defects are missed and of good parts rejected."""
        return PARTS * (
            self.defect_rate * self.missed_defect * missed
            + (1 - self.defect_rate) * self.false_reject * rejected
        )


@dataclass(frozen=True)
class Priced:
    """A reject threshold: shares of good parts rejected and of defects missed, and what both cost per ``PARTS`` parts.

    low, high: 95 % interval of the cost.
    """

    threshold: float
    rejected: float
    missed: float
    cost: float
    low: float
    high: float


@dataclass(frozen=True)
class Saving:
    """What the best threshold costs less than the present one, per ``PARTS`` parts; low, high: 95 % interval.

    The best was chosen by the same scores, so the saving is rather less; an interval with 0 in it shows none.
    """

    cost: float
    low: float
    high: float


@dataclass(frozen=True)
class Economics:
    """The cheapest threshold of ``defects`` reviewed defects and ``parts`` nominal parts, beside the present one.

    low, high: beyond them a threshold costs more than the best in 39 of 40 draws. present, saving: None without a
    present threshold.
    """

    best: Priced
    low: float
    high: float
    present: Priced | None
    saving: Saving | None
    defects: int
    parts: int


def by_cost(
    nominal: Float[np.ndarray, " p"],
    groups: Int[np.ndarray, " p"],
    defects: Float[np.ndarray, " n"],
    costs: Costs,
    present: float | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Economics:
    """The observed score whose threshold costs least, the lowest of several.

    nominal: held-out scores of nominal photographs; groups: the part of each, numbered from 0. It is never above the
    highest of them, beyond which the calibration tells no rates apart. defects: scores of reviewed defects.
    Raises TooFewDefects below ``LEAST_DEFECTS``, ShapeError for scores that are not finite.
    """
    _check(nominal, groups, defects)
    observed = np.unique(np.concatenate([nominal, defects[defects < UNLOCATED]]).astype(np.float64))
    tried = observed if present is None else np.append(observed, present)
    seen = _Seen.of(nominal, groups, defects, tried)
    cost = costs.of(seen.missed, seen.rejected)
    least = cost[: len(observed)].min() * (1 + EQUAL)
    best = int(np.flatnonzero(cost <= least)[0])  # the lowest of equal ones
    as_low, of_best, of_last = _drawn(seen, costs, best, draws, np.random.default_rng(seed))
    alike = np.flatnonzero(as_low[: len(observed)] >= TAILS[0])  # the best among them
    return Economics(
        _priced(seen, best, cost, of_best),
        float(observed[alike[0]]),
        float(observed[min(alike[-1] + 1, len(observed) - 1)]),  # up to the next score nothing changes
        None if present is None else _priced(seen, -1, cost, of_last),
        None if present is None else Saving(float(cost[-1] - cost[best]), *_between(of_last - of_best)),
        len(defects),
        seen.parts,
    )


@dataclass(frozen=True, eq=False)
class _Seen:
    """Rates at thresholds, and what draws of them need.

    part, weight (p,): of photographs in descending order of their scores, the part of each and its share of it.
    above, below (t,): photographs above and defects at or below each threshold. beside (t,): what the part that is yet
    to come adds to the parts above.
    """

    thresholds: Float64[np.ndarray, " t"]
    rejected: Float64[np.ndarray, " t"]
    missed: Float64[np.ndarray, " t"]
    part: Int64[np.ndarray, " p"]
    weight: Float64[np.ndarray, " p"]
    above: Int64[np.ndarray, " t"]
    below: Int64[np.ndarray, " t"]
    beside: Float64[np.ndarray, " t"]
    parts: int
    defects: int

    @classmethod
    def of(cls, nominal: np.ndarray, groups: np.ndarray, defects: np.ndarray, tried: np.ndarray) -> _Seen:
        order, sizes = np.argsort(-nominal, kind="stable"), group_sizes(groups)
        part = groups[order].astype(np.int64)
        weight = 1 / sizes[part]
        above = len(nominal) - np.searchsorted(np.sort(nominal), tried, side="right")
        below = np.searchsorted(np.sort(defects), tried, side="right")
        rejected = expected_at(nominal, groups, tried)
        beside = rejected * (len(sizes) + 1) - _before(weight)[above]
        missed = (below + 1) / (len(defects) + 2)
        counts = len(sizes), len(defects)
        return cls(tried, rejected, missed, part, weight, above, below, beside, *counts)

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
        """(missed, rejected, the weights of what is not seen yet: a part and a defect), once."""
        parts, defects = rng.dirichlet(np.ones(self.parts + 1)), rng.dirichlet(np.ones(self.defects + 2))
        rejected = _before(self.weight * parts[self.part])[self.above] + self.beside * parts[-1]
        missed = _before(defects[:-2])[self.below] + defects[-1]
        return missed, rejected, (float(parts[-1]), float(defects[-1]))


def _priced(
    seen: _Seen, at: int, cost: Float64[np.ndarray, " t"], drawn: Float64[np.ndarray, " d"]
) -> Priced:
    """drawn: what threshold number ``at`` costs in each draw."""
    threshold, rejected, missed = (float(of[at]) for of in (seen.thresholds, seen.rejected, seen.missed))
    return Priced(threshold, rejected, missed, float(cost[at]), *_between(drawn))


def _drawn(
    seen: _Seen, costs: Costs, best: int, draws: int, rng: np.random.Generator
) -> tuple[Float64[np.ndarray, " t"], Float64[np.ndarray, " d"], Float64[np.ndarray, " d"]]:
    """(share of the draws in which each threshold may cost no more than the best, costs of the best, of the last).

    May: between the two the next good part or the next defect may lie, whichever speaks for the other threshold, as
    in an interval of Clopper and Pearson. Without it no threshold between two scores would ever come into question.
    """
    as_low, ends = np.zeros(len(seen.thresholds)), np.empty((2, draws))
    above = seen.thresholds > seen.thresholds[best]
    for i in range(draws):
        missed, rejected, (part, defect) = seen.draw(rng)
        drawn = costs.of(missed, rejected)
        favour = costs.of(np.where(above, 0.0, defect), np.where(above, part, 0.0))
        as_low += drawn - favour <= drawn[best]
        ends[:, i] = drawn[best], drawn[-1]
    return as_low / draws, ends[0], ends[1]


def _between(drawn: Float64[np.ndarray, " d"]) -> tuple[float, float]:
    """The central 95 % of draws."""
    low, high = np.quantile(drawn, TAILS)
    return float(low), float(high)


def _before(values: Float64[np.ndarray, " k"]) -> Float64[np.ndarray, " k1"]:
    """Of each place the sum of those before it, and of all at last."""
    return np.concatenate([[0.0], np.cumsum(values)])


def _check(nominal: np.ndarray, groups: np.ndarray, defects: np.ndarray) -> None:
    finite = np.isfinite(nominal).all() and np.isfinite(defects).all()
    if nominal.ndim != 1 or nominal.shape != groups.shape or not len(nominal) or not finite:
        raise ShapeError(
            requirement="scores must be finite, nominal ones of shape (p,), p at least 1, with one group each",
            received=f"nominal {nominal.shape}, groups {groups.shape}, finite: {bool(finite)}",
            remedy="pass what a calibration recorded",
        )
    if len(defects) < LEAST_DEFECTS:
        raise TooFewDefects(
            requirement=f"thresholds by cost need at least {LEAST_DEFECTS} reviewed defects of this version",
            received=str(len(defects)),
            remedy="review more of its inspections, accepted ones too; meanwhile a labelled set on the page Check "
            "measures what it misses",
        )
