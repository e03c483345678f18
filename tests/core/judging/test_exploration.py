"""Thresholds tried out: expected rates, their intervals, decisions of many scores, histograms."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import ConfigError
from core.judging.calibration import conformal_threshold, promise
from core.judging.exploration import (
    DECISIONS,
    bin_edges,
    cross_counts,
    decide_all,
    expected_rate,
    histogram,
    share,
)
from core.judging.scoring import Thresholds, decide


def test_at_a_calibrated_threshold_the_expectation_is_what_the_calibration_promises() -> None:
    scores = np.random.default_rng(0).uniform(1, 2, 199)
    for rate in (0.01, 0.05, 0.2):
        found = expected_rate(scores, conformal_threshold(scores, rate))
        promised = promise(199, rate)
        assert found.expected == pytest.approx(promised.expected)
        assert found.high == pytest.approx(promised.high)
        assert found.low <= promised.low


def test_a_threshold_anywhere_realises_a_rate_within_its_interval_95_times_in_100() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(2000):
        threshold = rng.uniform(0.7, 1)  # of uniform scores 1 - threshold lie above
        found = expected_rate(rng.uniform(0, 1, 60), threshold)
        hits += found.low <= 1 - threshold <= found.high
    assert hits >= 0.95 * 2000


def test_without_a_score_above_the_rate_is_bounded_and_not_called_zero() -> None:
    found = expected_rate(np.array([1.0, 2.0, 3.0]), 3.0)
    assert (found.above, found.images, found.expected, found.low) == (0, 3, 0.25, 0.0)
    assert found.high > 0.5


def test_nothing_known_expects_anything() -> None:
    found = expected_rate(np.array([]), 1.0)
    assert (found.expected, found.low, found.high) == (1.0, 0.0, 1.0)
    assert share(0, 0).rate is None
    assert (share(3, 4).rate, share(3, 4).total) == (0.75, 4)
    with pytest.raises(ConfigError):
        share(5, 4)


def test_many_scores_are_decided_as_each_alone() -> None:
    scores = np.array([0.5, 1.0, 1.5, 2.0, 2.5, np.nextafter(2.0, 3)])
    for thresholds in (Thresholds(1.0, 2.0), Thresholds(2.0, 2.0)):
        codes = decide_all(scores, thresholds)
        assert [DECISIONS[code] for code in codes] == [decide(float(score), thresholds) for score in scores]
    assert decide_all(np.array([]), Thresholds(1.0, 2.0)).size == 0


def test_cross_counts_count_every_pair() -> None:
    rng = np.random.default_rng(2)
    rows, columns = rng.integers(0, 4, 500), rng.integers(0, 3, 500)
    counts = cross_counts(rows, columns, (4, 3))
    expected = [[np.sum((rows == r) & (columns == c)) for c in range(3)] for r in range(4)]
    np.testing.assert_array_equal(counts, expected)
    assert cross_counts(rows[:0], columns[:0], (4, 3)).tolist() == [[0, 0, 0]] * 4


def test_a_histogram_loses_no_score_and_one_outlier_does_not_flatten_it() -> None:
    nominal = np.random.default_rng(3).normal(2, 0.1, 300)
    others = np.append(np.random.default_rng(4).normal(3, 0.5, 999), 1e6)
    edges = bin_edges(nominal, others, 40)
    assert (len(edges), edges[0]) == (41, min(nominal.min(), others.min()))
    assert nominal.max() <= edges[-1] < 10
    assert histogram(nominal, edges).sum() == 300
    assert histogram(others, edges).sum() == 1000
    assert histogram(others, edges)[-1] >= 1


@pytest.mark.parametrize("scores", [[], [2.0], [2.0, 2.0]])
def test_edges_ascend_whatever_there_is_to_show(scores: list[float]) -> None:
    edges = bin_edges(np.array(scores), np.array([]), 5)
    assert (np.diff(edges) > 0).all()
    assert histogram(np.array(scores), edges).sum() == len(scores)
    with pytest.raises(ConfigError):
        bin_edges(np.array(scores), np.array([]), 0)
