"""Which parts of many are scored. The scores themselves are held against naive ones in tests/core/test_detector.py."""

from __future__ import annotations

import numpy as np

from core.judging.held_out import sampled_groups

GROUPS = np.repeat(np.arange(50), 3)


def test_all_parts_of_a_small_set_are_scored() -> None:
    assert sampled_groups(GROUPS, 0, 9, 150).tolist() == list(range(50))


def test_of_a_large_set_a_seeded_sample_of_whole_parts_is() -> None:
    found = sampled_groups(GROUPS, 0, 9, 40)
    assert len(found) == 14  # 42 photographs
    assert found.tolist() == sorted(set(found.tolist()))
    assert found.tolist() == sampled_groups(GROUPS, 0, 9, 40).tolist()
    assert found.tolist() != sampled_groups(GROUPS, 1, 9, 40).tolist()


def test_a_sample_holds_the_parts_that_the_rate_needs() -> None:
    assert len(sampled_groups(GROUPS, 0, 30, 40)) == 30
    assert len(sampled_groups(GROUPS, 0, 1000, 40)) == 50
