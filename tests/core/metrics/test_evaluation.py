"""Image metrics against scikit-learn and against every threshold tried one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from core.errors import EvaluationError
from core.metrics.evaluation import auroc, average_precision, detection_rate, f1_max, false_reject_rate

METRICS = [auroc, average_precision, f1_max]


@st.composite
def labelled_scores(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """2 to 40 images of both classes; scores from few values, so that most of them tie."""
    n = draw(st.integers(2, 40))
    scores = draw(st.lists(st.integers(0, draw(st.integers(1, 30))), min_size=n, max_size=n))
    labels = draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda seen: len(set(seen)) == 2))
    return np.array(scores, dtype=np.float32) / 7, np.array(labels)


def f1(labels: np.ndarray, called: np.ndarray) -> float:
    return float(2 * (labels & called).sum() / (labels.sum() + called.sum()))


@settings(deadline=None)
@given(labelled_scores())
def test_auroc_equals_scikit_learn_with_ties(sample: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = sample
    assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@settings(deadline=None)
@given(labelled_scores())
def test_average_precision_equals_scikit_learn_with_ties(sample: tuple[np.ndarray, np.ndarray]) -> None:
    scores, labels = sample
    expected = average_precision_score(labels, scores)
    assert average_precision(scores, labels) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(labelled_scores())
def test_f1_max_is_the_best_of_every_threshold_and_its_threshold_gives_it(
    sample: tuple[np.ndarray, np.ndarray],
) -> None:
    scores, labels = sample
    tried = [f1(labels, scores >= value) for value in np.unique(scores)]
    best = f1_max(scores, labels)
    assert best.value == pytest.approx(max(tried), abs=1e-12)
    assert f1(labels, scores > best.threshold) == pytest.approx(best.value, abs=1e-12)


def test_separated_classes_score_one_everywhere() -> None:
    scores, labels = np.array([0.1, 0.2, 5.0, 6.0]), np.array([False, False, True, True])
    assert auroc(scores, labels) == 1
    assert average_precision(scores, labels) == 1
    assert f1_max(scores, labels).value == 1
    assert f1_max(scores, labels).threshold == 0.2


def test_scores_all_equal_tell_nothing() -> None:
    scores, labels = np.ones(10), np.arange(10) < 3
    assert auroc(scores, labels) == 0.5
    assert average_precision(scores, labels) == pytest.approx(0.3)


def test_reversed_scores_reverse_auroc(rng: np.random.Generator) -> None:
    scores, labels = rng.integers(0, 9, 50).astype(np.float64), rng.random(50) < 0.4
    assert auroc(-scores, labels) == pytest.approx(1 - auroc(scores, labels), abs=1e-12)


def test_rates_count_the_scores_strictly_above_the_threshold() -> None:
    scores = np.array([1.0, 2.0, 3.0, 4.0, 2.0, 5.0])
    labels = np.array([False, False, False, False, True, True])
    rejected, detected = false_reject_rate(scores, labels, 2.0), detection_rate(scores, labels, 2.0)
    assert (rejected.value, rejected.count, rejected.n) == (0.5, 2, 4)
    assert (detected.value, detected.count, detected.n) == (0.5, 1, 2)
    assert rejected.low < 0.5 < rejected.high


def test_false_rejects_need_no_defects() -> None:
    rate = false_reject_rate(np.array([1.0, 2.0]), np.array([False, False]), 5.0)
    assert (rate.value, rate.low) == (0, 0)
    with pytest.raises(EvaluationError, match="at least one defective image"):
        detection_rate(np.array([1.0, 2.0]), np.array([False, False]), 5.0)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("label", [True, False])
def test_one_class_alone_is_refused(metric: object, label: bool) -> None:
    with pytest.raises(EvaluationError, match="needs nominal and defective images"):
        metric(np.array([1.0, 2.0]), np.array([label, label]))  # type: ignore[operator]


@pytest.mark.parametrize("metric", METRICS)
def test_scores_that_are_not_finite_are_refused(metric: object) -> None:
    with pytest.raises(EvaluationError, match="cores must be finite"):
        metric(np.array([1.0, np.nan]), np.array([True, False]))  # type: ignore[operator]


@pytest.mark.parametrize("metric", METRICS)
def test_scores_and_labels_of_unequal_length_are_refused(metric: object) -> None:
    with pytest.raises(EvaluationError, match="share the shape"):
        metric(np.array([1.0, 2.0, 3.0]), np.array([True, False]))  # type: ignore[operator]
