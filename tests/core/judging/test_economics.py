"""Thresholds by cost: known optima of two Gaussians, intervals, what moves the threshold and what does not."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from core.errors import ConfigError, ShapeError, TooFewDefects
from core.judging.conformal import expected_over_parts
from core.judging.economics import LEAST_DEFECTS, PARTS, Costs, Economics, by_cost
from core.judging.groups import own_groups
from core.judging.scoring import UNLOCATED

APART = 4.0  # standard deviations between the two Gaussians
COSTS = Costs(missed_defect=500.0, false_reject=5.0, defect_rate=0.01)


def two_gaussians(seed: int, count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return 10 + rng.normal(0, 1, count), 10 + rng.normal(APART, 1, count)


def priced(costs: Costs, seed: int = 0, present: float | None = None, draws: int = 200) -> Economics:
    nominal, defects = two_gaussians(seed)
    return by_cost(nominal, own_groups(len(nominal)), defects, costs, present, draws=draws)


def known_best(costs: Costs) -> float:
    """Where the densities' ratio is that of the costs: r M phi(t - d) = (1 - r) F phi(t)."""
    ratio = (1 - costs.defect_rate) * costs.false_reject / (costs.defect_rate * costs.missed_defect)
    return 10 + APART / 2 + math.log(ratio) / APART


@pytest.mark.parametrize("missed_defect", [50.0, 500.0, 5000.0])
def test_the_interval_of_the_best_threshold_holds_the_known_optimum(missed_defect: float) -> None:
    costs = replace(COSTS, missed_defect=missed_defect)
    inside = sum(
        found.low <= known_best(costs) <= found.high
        for found in (priced(costs, seed, draws=100) for seed in range(12))
    )
    assert inside >= 11


def test_the_interval_of_the_cost_holds_the_known_cost_of_the_present_threshold() -> None:
    def upper(z: float) -> float:
        return math.erfc(z / math.sqrt(2)) / 2

    known = PARTS * (0.01 * 500 * (1 - upper(12 - 10 - APART)) + 0.99 * 5 * upper(12 - 10))
    found = [priced(COSTS, seed, 12.0, draws=100).present for seed in range(12)]
    assert sum(each is not None and each.low <= known <= each.high for each in found) >= 10


def test_the_best_is_the_least_of_costs_computed_one_by_one() -> None:
    rng = np.random.default_rng(3)
    nominal, defects = rng.normal(0, 1, 60), rng.normal(1.5, 1, 25)
    groups = np.repeat(np.arange(20), 3)
    found = by_cost(nominal, groups, defects, COSTS, draws=10)
    expected = {}
    for t in [*nominal, *defects]:
        missed = (np.count_nonzero(defects <= t) + 1) / (25 + 2)
        expected[t] = 1000 * (0.01 * 500 * missed + 0.99 * 5 * expected_over_parts(nominal, groups, t)[0])
    assert found.best.cost == pytest.approx(min(expected.values()))
    assert expected[found.best.threshold] == pytest.approx(found.best.cost)
    assert (found.parts, found.defects) == (20, 25)


def test_costs_ten_times_as_high_move_no_threshold() -> None:
    once = priced(COSTS, present=12.5)
    tenfold = priced(replace(COSTS, missed_defect=5000.0, false_reject=50.0), present=12.5)
    assert (tenfold.best.threshold, tenfold.low, tenfold.high) == (once.best.threshold, once.low, once.high)
    assert tenfold.best.cost == pytest.approx(10 * once.best.cost)
    assert once.saving is not None
    assert tenfold.saving is not None
    assert tenfold.saving.high == pytest.approx(10 * once.saving.high)


def test_costlier_misses_and_more_defects_lower_the_threshold() -> None:
    by_miss = [
        priced(replace(COSTS, missed_defect=cost)).best.threshold for cost in (5.0, 50.0, 500.0, 5000.0)
    ]
    by_rate = [priced(replace(COSTS, defect_rate=rate)).best.threshold for rate in (0.001, 0.01, 0.1, 0.5)]
    for thresholds in (by_miss, by_rate):
        assert thresholds == sorted(thresholds, reverse=True)
        assert thresholds[0] > thresholds[-1]


def test_nothing_is_suggested_beyond_what_the_calibration_supports() -> None:
    """Where all defects lie far beyond the nominal scores, and where only false rejects cost."""
    nominal, defects = np.linspace(1, 2, 50), np.linspace(8, 9, LEAST_DEFECTS)
    found = by_cost(nominal, own_groups(50), defects, COSTS)
    assert (found.best.threshold, found.best.rejected) == (2.0, pytest.approx(1 / 51))
    assert found.best.missed == pytest.approx(1 / 12)  # none of 10 was missed, which is not never
    assert 0 < found.best.low < found.best.cost < found.best.high
    assert by_cost(nominal, own_groups(50), defects, replace(COSTS, missed_defect=0.0)).best.threshold == 2.0
    assert by_cost(nominal, own_groups(50), defects, replace(COSTS, false_reject=0.0)).best.threshold == 1.0


def test_the_present_threshold_is_priced_beside_the_best() -> None:
    found = priced(COSTS, present=15.0)
    assert found.present is not None
    assert found.saving is not None
    assert found.present.threshold == 15.0
    assert found.saving.cost == pytest.approx(found.present.cost - found.best.cost)
    assert 0 < found.saving.low < found.saving.cost < found.saving.high
    assert priced(COSTS).saving is None
    itself = priced(COSTS, present=found.best.threshold).saving
    assert itself is not None
    assert (itself.cost, itself.low, itself.high) == pytest.approx((0, 0, 0), abs=1e-9)


def test_photographs_of_one_part_count_as_the_part() -> None:
    nominal, defects = two_gaussians(1, 40)
    once = by_cost(nominal, own_groups(40), defects, COSTS, draws=50)
    thrice = by_cost(np.repeat(nominal, 3), np.repeat(own_groups(40), 3), defects, COSTS, draws=50)
    assert (thrice.parts, thrice.best.threshold) == (40, once.best.threshold)
    assert (thrice.best.rejected, thrice.best.high) == pytest.approx((once.best.rejected, once.best.high))


def test_defects_in_parts_that_were_not_located_are_never_missed_nor_a_threshold() -> None:
    nominal, _ = two_gaussians(2, 40)
    found = by_cost(nominal, own_groups(40), np.full(LEAST_DEFECTS, UNLOCATED), COSTS, draws=50)
    assert found.best.missed == pytest.approx(1 / 12)
    assert found.high <= nominal.max()


def test_the_same_scores_give_the_same_intervals() -> None:
    assert priced(COSTS, present=12.0) == priced(COSTS, present=12.0)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"missed_defect": -1.0}, "missed_defect"),
        ({"missed_defect": math.nan}, "missed_defect"),
        ({"false_reject": math.inf}, "false_reject"),
        ({"missed_defect": 0.0, "false_reject": 0.0}, "missed_defect or false_reject"),
        ({"defect_rate": 0.0}, "defect_rate"),
        ({"defect_rate": 1.0}, "defect_rate"),
        ({"defect_rate": math.nan}, "defect_rate"),
    ],
)
def test_costs_and_rates_that_mean_nothing_are_refused_by_name(change: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        replace(COSTS, **change)


def test_too_few_defects_and_scores_that_are_not_finite_are_refused() -> None:
    nominal, defects = two_gaussians(0, 30)
    with pytest.raises(TooFewDefects, match=r"at least 10 .* received 9\. Review more"):
        by_cost(nominal, own_groups(30), defects[: LEAST_DEFECTS - 1], COSTS)
    with pytest.raises(ShapeError, match="finite"):
        by_cost(nominal, own_groups(30), np.full(12, np.nan), COSTS)
