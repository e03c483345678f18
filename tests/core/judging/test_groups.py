"""Parts and what their photographs weigh."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ShapeError
from core.judging.groups import as_groups, group_sizes, own_groups, parts_where, weights


def test_labels_are_numbered_as_they_appear() -> None:
    assert as_groups(np.array(["b", "a", "b", "c"])).tolist() == [0, 1, 0, 2]
    assert as_groups(np.array([7, 3, 7, -1])).tolist() == [0, 1, 0, 2]
    assert as_groups(np.array([], np.int64)).tolist() == []


@given(st.lists(st.integers(0, 12), min_size=1, max_size=200))
def test_the_photographs_of_each_part_weigh_one_together(labels: list[int]) -> None:
    groups = as_groups(np.array(labels))
    each, unit = weights(groups)
    for part in range(groups.max() + 1):
        assert sum(Fraction(int(weight), unit) for weight in each[groups == part]) == 1


def test_weights_stay_exact_where_their_unit_passes_64_bits() -> None:
    groups = np.repeat(np.arange(60), np.arange(1, 61))  # lcm(1..60) is about 1e25
    each, unit = weights(groups)
    assert unit > 2**63
    assert sum(int(weight) for weight in each) == 60 * unit
    assert parts_where(groups < 3, groups) == 3


def test_a_part_counts_by_the_share_of_its_photographs() -> None:
    scores, groups = np.array([1.0, 3.0, 2.0, 4.0, 5.0]), np.array([0, 0, 1, 1, 1])
    assert parts_where(scores > 3.0, groups) == Fraction(2, 3)
    assert parts_where(scores > 2.5, groups) == Fraction(1, 2) + Fraction(2, 3)


def test_one_photograph_a_part_counts_photographs() -> None:
    assert own_groups(4).tolist() == [0, 1, 2, 3]
    assert group_sizes(own_groups(4)).tolist() == [1, 1, 1, 1]
    assert parts_where(np.array([1.0, 2.0, 2.0, 3.0]) > 2.0, own_groups(4)) == 1


@pytest.mark.parametrize("groups", [[0, 2], [-1, 0]])
def test_labels_with_gaps_are_no_groups(groups: list[int]) -> None:
    with pytest.raises(ShapeError, match="numbered from 0"):
        group_sizes(np.array(groups))
