"""Thresholds over parts: the plain rank for parts of one photograph, the theorem by simulation, intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ShapeError, TooFewNominalImages
from core.judging.calibration import binomial_interval, conformal_threshold, images_needed, promise
from core.judging.conformal import (
    check_parts,
    expected_over_parts,
    hierarchical_threshold,
    interval_over_parts,
    over_parts,
    promise_over_parts,
)
from core.judging.exploration import expected_rate
from core.judging.groups import as_groups, own_groups, weights


@given(
    st.lists(st.floats(0, 100, width=32), min_size=1, max_size=300),
    st.sampled_from([0.01, 0.03, 0.05, 0.1, 0.29, 0.5]),
)
def test_parts_of_one_photograph_give_the_plain_threshold_and_promise_bit_for_bit(
    values: list[float], rate: float
) -> None:
    scores, groups = np.array(values, np.float32), own_groups(len(values))
    if len(values) < images_needed(rate):
        with pytest.raises(TooFewNominalImages) as plain:
            conformal_threshold(scores, rate)
        with pytest.raises(TooFewNominalImages) as over:
            hierarchical_threshold(scores, groups, rate)
        assert str(over.value) == str(plain.value)
        return
    assert hierarchical_threshold(scores, groups, rate) == conformal_threshold(scores, rate)
    assert promise_over_parts(scores, groups, rate) == promise(len(scores), rate)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 9), st.integers(0, 9)), min_size=25, max_size=50))
def test_the_threshold_is_the_lowest_at_which_parts_left_out_in_turn_are_rejected_as_asked(
    pairs: list[tuple[float, int]],
) -> None:
    scores, groups = np.array([s for s, _ in pairs]), as_groups(np.array([g for _, g in pairs]))
    g, (each, unit) = int(groups.max()) + 1, weights(groups)
    if 3 * (g + 1) < 10:
        return
    descending, share = np.argsort(scores, kind="stable")[::-1].tolist(), [int(weight) for weight in each]

    def rejected_without(part: int, above: int) -> int:
        """Of a part, what lies above the lowest score of the others that leaves at most ``above`` of them above."""
        passed, own, reached = 0, 0, 0
        for i in descending:
            if groups[i] == part:
                own += share[i]
            elif passed <= above:
                reached, passed = own, passed + share[i]
        return reached

    fitting = []
    for place, i in enumerate(descending):
        above = sum(share[j] for j in descending[:place])
        if 10 * sum(rejected_without(part, above) for part in range(g)) <= 3 * (g + 1) * unit:
            fitting.append(scores[i])
    assert hierarchical_threshold(scores, groups, 0.3) == fitting[-1]


@given(st.integers(20, 60), st.integers(0, 1000))
def test_a_higher_rate_never_raises_the_threshold(g: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(g), rng.integers(1, 6, g))
    scores = rng.normal(size=len(groups))
    found = [hierarchical_threshold(scores, groups, rate) for rate in (0.05, 0.1, 0.2, 0.5)]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("within", [0.0, 0.3, 1.0, 3.0])
def test_photographs_of_new_parts_pass_at_the_asked_rate(within: float, rng: np.random.Generator) -> None:
    """By simulation: parts of 1 to 7 photographs, the new part drawn as the others are."""
    passed = []
    for _ in range(3000):
        groups = np.repeat(np.arange(21), rng.integers(1, 8, 21))
        scores = rng.normal(size=21)[groups] + within * rng.normal(size=len(groups))
        known = groups < 20
        threshold = hierarchical_threshold(scores[known], groups[known], 0.1)
        passed.append(np.mean(scores[~known] > threshold))
    error = np.std(passed) / math.sqrt(len(passed))
    assert np.mean(passed) <= 0.1 + 3 * error
    assert np.mean(passed) >= 2 / 21 - 0.01 - 3 * error  # twenty parts allow 2 / 21


def test_by_photograph_the_same_parts_would_be_rejected_too_often(rng: np.random.Generator) -> None:
    """Why parts count: many photographs of few parts, one photograph of most, the plain rank of all."""
    sizes = np.array([1] * 30 + [20] * 10)
    passed = []
    for _ in range(1500):
        part = rng.normal(size=41)
        groups = np.repeat(np.arange(40), sizes[rng.permutation(40)])
        threshold = conformal_threshold(part[groups], 0.05)
        passed.append(part[40] > threshold)
    assert binomial_interval(int(np.sum(passed)), 1500, 0.999)[0] > 0.05


def test_too_few_parts_are_named_with_those_needed() -> None:
    with pytest.raises(TooFewNominalImages) as refusal:
        hierarchical_threshold(np.arange(96.0), np.repeat(np.arange(12), 8), 0.01)
    assert str(refusal.value) == (
        "A false-reject rate of 1 % needs photographs of 99 nominal parts; received 96 photographs of 12 parts, which "
        "support 7.692 % at best. Photograph other good parts, not the same ones again, ask for a higher rate, or "
        "correct which photographs show one part."
    )
    check_parts(99, 500, 0.01)
    with pytest.raises(TooFewNominalImages, match="98 parts"):
        check_parts(98, 500, 0.01)


def test_the_promise_counts_parts_and_covers_what_calibrations_realise(rng: np.random.Generator) -> None:
    groups = np.repeat(np.arange(60), 4)
    told, realised = [], []
    for _ in range(1500):
        scores = np.repeat(rng.random(60), 4)  # all photographs of a part alike
        told.append(promise_over_parts(scores, groups, 0.1))
        realised.append(1 - hierarchical_threshold(scores, groups, 0.1))
    assert {(p.n, p.rate) for p in told} == {(60, 0.1)}
    assert np.mean(realised) == pytest.approx(told[0].expected, abs=0.004)
    inside = [p.low <= rate <= p.high for p, rate in zip(told, realised, strict=True)]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.02)
    assert told[0].text.startswith("240 photographs of 60 parts support false-reject rates from 1.639 %")


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (0, 0)])
def test_whole_parts_have_the_interval_of_clopper_and_pearson(k: int, n: int) -> None:
    assert interval_over_parts(float(k), n) == pytest.approx(binomial_interval(k, n))


def test_the_interval_moves_with_every_share_of_a_part() -> None:
    ends = [interval_over_parts(k, 30) for k in np.linspace(0, 30, 61).tolist()]
    assert ends == sorted(ends)
    assert all(0 <= low < high <= 1 for low, high in ends)


def test_the_threshold_taken_expects_the_rate_that_it_promises(rng: np.random.Generator) -> None:
    groups = np.repeat(np.arange(50), rng.integers(1, 6, 50))
    scores = rng.normal(size=len(groups))
    for rate in (0.05, 0.1, 0.3):
        threshold = hierarchical_threshold(scores, groups, rate)
        told = promise_over_parts(scores, groups, rate)
        assert expected_over_parts(scores, groups, threshold)[0] == pytest.approx(told.expected)
        assert told.expected <= rate < expected_over_parts(scores, groups, np.sort(scores)[told.rank - 2])[0]
    assert expected_over_parts(scores, groups, scores.min() - 1)[0] == 1


def test_any_threshold_expects_what_one_photograph_a_part_expected(rng: np.random.Generator) -> None:
    scores = rng.random(80)
    for threshold in (0.2, 0.95, 2.0):
        known = expected_rate(scores, threshold)
        expected, seen = expected_over_parts(scores, own_groups(80), threshold)
        assert expected == pytest.approx(known.expected)
        assert (seen.hits, seen.parts, seen.photographs) == (known.above, 80, 80)
        assert (seen.low, seen.high) == pytest.approx((known.low, known.high))


def test_changed_decisions_are_counted_over_parts() -> None:
    flipped = over_parts(np.array([True, False, True, True]), np.array([0, 0, 1, 1]))
    assert (flipped.rate, flipped.parts, flipped.photographs) == (0.75, 2, 4)
    nothing = over_parts(np.array([], bool), np.array([], np.int64))
    assert (nothing.rate, nothing.low, nothing.high) == (None, 0.0, 1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_scores_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ShapeError, match="1 not finite"):
        hierarchical_threshold(np.array([1.0, bad]), np.array([0, 1]), 0.5)
