"""Connected components, and their cut where they are too large."""

from __future__ import annotations

import numpy as np
import pytest

from core.groups.groups import numbered
from core.groups.linking import link
from core.groups.pairs import Pairs


def linked(n, edges, largest=12, weights=None):
    """(labels, cut) of (first, second, strength) edges."""
    first, second, strength = (np.array(column) for column in zip(*edges, strict=True))
    weights = np.ones(n, np.int32) if weights is None else np.array(weights, np.int32)
    found = link(
        n,
        Pairs(first.astype(np.int64), second.astype(np.int64)),
        strength.astype(np.float64),
        largest,
        weights,
    )
    return numbered(found.labels.tolist()).tolist(), found.cut


def test_a_chain_is_one_component():
    assert linked(4, [(0, 1, 0.7), (1, 2, 0.7)]) == ([0, 0, 0, 1], 0)


def test_no_pairs_leave_each_alone():
    nothing = np.empty(0, np.int64)
    found = link(3, Pairs(nothing, nothing), np.empty(0), 12, np.ones(3, np.int32))
    assert numbered(found.labels.tolist()).tolist() == [0, 1, 2]


@pytest.mark.parametrize("largest", [1, 2, 5, 12])
def test_no_group_is_larger_than_the_bound_whatever_the_pairs(rng, largest):
    n, m = 200, 900
    keys = np.unique(rng.integers(0, n, (m, 2)), axis=0)
    keys = keys[keys[:, 0] < keys[:, 1]]
    labels, cut = linked(
        n, [(a, b, s) for (a, b), s in zip(keys.tolist(), rng.random(len(keys)), strict=True)], largest
    )
    assert max(np.bincount(labels)) <= largest
    assert cut >= 1


def test_a_component_within_the_bound_is_left_whole():
    assert linked(12, [(i, i + 1, 0.1) for i in range(11)]) == ([0] * 12, 0)


def test_bursts_chained_by_weaker_pairs_come_apart_at_those():
    bursts = [(10 * part + i, 10 * part + i + 1, 0.9 + 0.001 * i) for part in range(4) for i in range(9)]
    chains = [(10 * part + 9, 10 * part + 10, 0.8) for part in range(3)]
    labels, cut = linked(40, bursts + chains)
    assert labels == [part for part in range(4) for _ in range(10)]
    assert cut == 1


def test_a_larger_bound_never_parts_what_a_cut_left_together_by_its_strongest_pair(rng):
    edges = [(i, i + 1, s) for i, s in enumerate(rng.random(59))]
    strongest = max(edges, key=lambda edge: edge[2])
    for largest in (2, 6, 12, 60):
        labels, _ = linked(60, edges, largest)
        assert labels[strongest[0]] == labels[strongest[1]]


def test_the_partition_does_not_depend_on_the_order_of_photographs(rng):
    n = 80
    edges = [
        (int(a), int(b), s)
        for a, b, s in zip(*np.triu_indices(n, 1), rng.random(n * (n - 1) // 2), strict=True)
    ]
    edges = [edge for edge in edges if edge[2] > 0.96]
    moved = rng.permutation(n)
    turned = [(min(moved[a], moved[b]), max(moved[a], moved[b]), s) for a, b, s in edges]
    labels, _ = linked(n, edges)
    again, _ = linked(n, turned)
    assert numbered([again[moved[i]] for i in range(n)]).tolist() == labels


def test_copies_count_as_the_photographs_they_stand_for():
    labels, cut = linked(3, [(0, 1, 0.9), (1, 2, 0.8)], largest=4, weights=[2, 2, 1])
    assert labels == [0, 0, 1]
    assert cut == 1
