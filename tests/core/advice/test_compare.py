"""Gains: an exact test against its textbook value, intervals that hold no gain of chance, and see a true one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from core.advice.compare import Judged, gain, sign_test


def judged(clean: np.ndarray, defects: np.ndarray) -> Judged:
    """A part per image; defects of two kinds."""
    n = len(defects)
    return Judged(
        clean,
        np.arange(len(clean)),
        defects,
        np.arange(n) % len(clean),
        tuple("ab"[i % 2] for i in range(n)),
        (0.02,) * n,
    )


@pytest.mark.parametrize(("a", "b"), [(0, 0), (5, 0), (7, 2), (3, 3), (1, 9)])
def test_mcnemars_exact_test_is_that_of_a_fair_coin(a, b):
    expected = binomtest(a, a + b).pvalue if a + b else 1.0
    assert sign_test(a, b) == pytest.approx(expected)


def test_a_setting_gains_nothing_over_itself():
    rng = np.random.default_rng(0)
    one = judged(rng.normal(0, 1, 24), rng.normal(1, 1, 60))
    same = gain(one, one, 0.05, 0)
    assert (same.found, same.found_low, same.found_high, same.early, same.auroc) == (0, 0, 0, 0, 0)
    assert (same.only_new, same.only_old, same.p) == (0, 0, 1.0)
    assert not same.clear
    assert not same.worse


def test_scores_that_differ_by_chance_are_seldom_called_a_gain():
    """Both settings see the same images with noise of their own: at 98 % about one in a hundred is above 0."""
    rng, called = np.random.default_rng(1), 0
    for trial in range(25):
        clean, defects = rng.normal(0, 1, 20), rng.normal(1.5, 1, 40)
        noisy = [judged(clean + rng.normal(0, 0.5, 20), defects + rng.normal(0, 0.5, 40)) for _ in range(2)]
        called += gain(noisy[0], noisy[1], 0.05, trial).clear
    assert called <= 2


def test_defects_that_come_out_of_the_nominal_scores_are_a_clear_gain():
    rng = np.random.default_rng(2)
    clean = rng.normal(0, 1, 24)
    found = gain(judged(clean, rng.normal(1, 1, 60)), judged(clean, rng.normal(4, 1, 60)), 0.05, 0)
    assert found.clear
    assert found.found_low > 0.2
    assert found.early_low > 0.2
    assert found.only_old == 0
    assert found.p < 1e-6


def test_thresholds_are_at_the_asked_rate_or_the_least_that_so_many_parts_support():
    one = judged(np.arange(20.0), np.array([18.5, 19.5]))
    assert one.rate(0.1) == 0.1
    assert one.rate(0.01) == pytest.approx(1 / 21, abs=1e-4)
    assert one.threshold(0.01) == 19.0
    assert one.found(0.01).tolist() == [False, True]
    assert one.tallies(0.01) == {
        "kinds": {"a": {"found": 0, "of": 1}, "b": {"found": 1, "of": 1}},
        "sizes": {"2 %": {"found": 1, "of": 2}},
    }


def test_several_photographs_of_one_part_are_one_draw():
    """Without parts 40 clean scores would support 2.5 %; of 4 parts they support 20 %."""
    one = judged(np.arange(40.0), np.array([1.0]))
    few = Judged(one.clean, np.arange(40) % 4, one.defects, np.array([0]), ("a",), (0.0,))
    assert (one.rate(0.01), few.rate(0.01)) == (pytest.approx(1 / 41, abs=1e-4), 0.2)
    assert few.tallies(0.2)["sizes"] == {}


def test_scores_all_alike_have_no_spread():
    assert judged(np.zeros(5), np.ones(3)).spread == 0.0
