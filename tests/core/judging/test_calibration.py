"""Conformal ranks against integers, the promise against simulation, intervals against their definition."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import bdtr, bdtrc

from core.errors import ConfigError, ShapeError, TooFewNominalImages
from core.judging.calibration import (
    binomial_interval,
    conformal_rank,
    conformal_threshold,
    images_needed,
    promise,
    supported_rate,
)
from core.judging.scoring import Thresholds, decide


@pytest.mark.parametrize(("rate", "hundredths"), [(0.01, 1), (0.05, 5), (0.1, 10), (0.29, 29)])
def test_the_rank_is_exact_for_every_count_up_to_two_thousand(rate: float, hundredths: int) -> None:
    for n in range(1, 2001):
        rank = -((n + 1) * (100 - hundredths) // -100)  # ceiling division of integers
        if rank <= n:
            assert conformal_rank(n, rate) == rank
        else:
            with pytest.raises(TooFewNominalImages):
                conformal_rank(n, rate)


@pytest.mark.parametrize(
    ("rate", "needed"), [(0.01, 99), (0.05, 19), (0.1, 9), (0.5, 1), (0.001, 999), (0.03, 33), (0.9, 1)]
)
def test_images_needed_is_the_first_count_that_supports_the_rate(rate: float, needed: int) -> None:
    assert images_needed(rate) == needed
    assert supported_rate(needed) <= rate
    assert conformal_rank(needed, rate) <= needed
    with pytest.raises(TooFewNominalImages):
        conformal_rank(needed - 1, rate)


def test_forty_images_support_the_forty_first_part() -> None:
    assert supported_rate(40) == pytest.approx(0.02439, abs=1e-5)


def test_the_threshold_is_the_score_of_that_rank(rng: np.random.Generator) -> None:
    scores = rng.permutation(np.arange(1.0, 100.0))
    assert conformal_threshold(scores, 0.01) == 99
    assert conformal_threshold(scores, 0.05) == 95
    assert conformal_threshold(scores, 0.5) == 50


def test_the_threshold_leaves_the_scores_as_they_were(rng: np.random.Generator) -> None:
    scores = rng.random(30, dtype=np.float32)
    kept = scores.copy()
    conformal_threshold(scores, 0.2)
    np.testing.assert_array_equal(scores, kept)


def test_at_most_the_asked_share_of_new_scores_passes_on_average(rng: np.random.Generator) -> None:
    """The conformal theorem, by simulation: 4,000 calibrations of 60 scores, each with one new score."""
    draws = rng.standard_normal((4000, 61))
    passed = np.array([row[-1] > conformal_threshold(row[:-1], 0.05) for row in draws])
    assert binomial_interval(int(passed.sum()), 4000, 0.999)[0] <= promise(60, 0.05).expected <= 0.05


def test_too_few_images_says_what_they_support_and_how_many_are_needed() -> None:
    with pytest.raises(TooFewNominalImages) as refusal:
        conformal_threshold(np.arange(40.0), 0.01)
    assert str(refusal.value) == (
        "A false-reject rate of 1 % needs 99 nominal images; received 40, which support 2.439 % at best. "
        "Add nominal images or ask for a higher rate."
    )


def test_one_image_too_few_is_not_told_it_supports_the_rate() -> None:
    with pytest.raises(TooFewNominalImages, match=r"received 98, which support 1\.01 % at best"):
        conformal_threshold(np.arange(98.0), 0.01)


def test_no_scores_support_no_rate() -> None:
    with pytest.raises(TooFewNominalImages, match="received none"):
        conformal_threshold(np.empty(0), 0.5)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 1.5, math.nan, math.inf])
def test_a_rate_outside_its_range_is_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        conformal_threshold(np.arange(10.0), rate)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        images_needed(rate)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_scores_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ShapeError, match="1 not finite"):
        conformal_threshold(np.array([1.0, bad, 2.0]), 0.5)


def test_decisions_change_strictly_above_each_threshold() -> None:
    thresholds = Thresholds(review=1.0, reject=2.0)
    assert [decide(score, thresholds) for score in (0.5, 1.0, 1.5, 2.0, 2.5)] == [
        "accept",
        "accept",
        "review",
        "review",
        "reject",
    ]


def test_equal_thresholds_leave_no_review() -> None:
    thresholds = Thresholds(1.0, 1.0)
    assert {decide(score, thresholds) for score in np.linspace(0, 2, 41)} == {"accept", "reject"}


def test_nan_is_never_accepted() -> None:
    with pytest.raises(ShapeError, match="NaN"):
        decide(math.nan, Thresholds(1.0, 2.0))


@pytest.mark.parametrize(
    ("review", "reject"), [(2.0, 1.0), (math.nan, 1.0), (0.0, math.inf), (-math.inf, 0.0)]
)
def test_thresholds_out_of_order_or_not_finite_are_refused(review: float, reject: float) -> None:
    with pytest.raises(ConfigError, match="finite, review not above reject"):
        Thresholds(review, reject)


def test_the_promise_matches_simulated_calibrations(rng: np.random.Generator) -> None:
    """Uniform scores: the realised rate of a calibration is 1 minus its threshold."""
    realised = np.array([1 - conformal_threshold(row, 0.05) for row in rng.random((4000, 99))])
    told = promise(99, 0.05)
    assert told.rank == 95
    assert realised.mean() == pytest.approx(told.expected, abs=0.002)
    assert np.quantile(realised, [0.025, 0.975]) == pytest.approx([told.low, told.high], abs=0.006)


def test_the_promise_reads_as_a_sentence() -> None:
    text = promise(99, 0.01).text
    assert text == (
        "99 nominal images support false-reject rates from 1 %; at the asked 1 % the threshold is number 99 "
        "of their 99 scores in ascending order, which new nominal images pass 1 % of the time on average "
        "and, for 95 of 100 such sets of images, between 0.0256 % and 3.66 % of the time."
    )


@given(n=st.integers(1, 5000), rate=st.floats(1e-4, 0.999))
def test_the_expected_rate_never_passes_the_asked_one(n: int, rate: float) -> None:
    if n < images_needed(rate):
        with pytest.raises(TooFewNominalImages):
            promise(n, rate)
    else:
        told = promise(n, rate)
        assert 0 <= told.low <= told.expected <= rate * (1 + 1e-12)
        assert told.low <= told.high <= 1


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (1, 20), (7, 190), (0, 0), (190, 380)])
def test_the_binomial_interval_solves_its_own_definition(k: int, n: int) -> None:
    """At the lower end k or more have probability 2.5 %, at the upper end k or fewer have."""
    low, high = binomial_interval(k, n)
    assert bdtrc(k - 1, n, low) == pytest.approx(0.025) if k else low == 0
    assert bdtr(k, n, high) == pytest.approx(0.025) if k < n else high == 1


def test_binomial_intervals_narrow_as_images_come() -> None:
    widths = [high - low for low, high in (binomial_interval(n // 20, n) for n in (20, 100, 500, 2500))]
    assert all(wider > narrower for wider, narrower in pairwise(widths))


@pytest.mark.parametrize(("k", "n", "confidence"), [(-1, 5, 0.95), (6, 5, 0.95), (1, 5, 0.0), (1, 5, 1.0)])
def test_impossible_counts_are_refused(k: int, n: int, confidence: float) -> None:
    with pytest.raises(ConfigError, match="0 <= k <= n"):
        binomial_interval(k, n, confidence)
