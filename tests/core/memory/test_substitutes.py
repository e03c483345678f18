"""Substitutes against the textbook: greedy goes on, over the points of all other groups, from the picks that remain."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
import torch

from core.errors import Cancelled
from core.memory.coreset import greedy_coreset
from core.memory.rows import Held
from core.memory.substitutes import Substitutes


def made(rng: np.random.Generator, n: int, groups: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clustered points, owners that hold stretches of them, and a coreset."""
    points = (rng.normal(size=(n, 6)) + 3 * rng.integers(0, 4, (n, 1))).astype(np.float32)
    owner = np.sort(rng.integers(0, groups, n)).astype(np.int32)
    owner[:groups] = np.arange(groups)
    picks = greedy_coreset(torch.from_numpy(points), m, torch.Generator().manual_seed(1)).indices
    return points, owner, picks


@pytest.mark.parametrize(("n", "groups", "m"), [(300, 6, 40), (500, 2, 60), (200, 40, 30), (900, 5, 120)])
def test_substitutes_are_the_picks_of_the_textbook(
    n: int, groups: int, m: int, rng: np.random.Generator
) -> None:
    points, owner, picks = made(rng, n, groups, m)
    made_anew = Substitutes(Held(points), owner, picks)
    for group in range(groups):
        found = made_anew.of(group)
        assert found.tolist() == oracle.substitutes(points, owner, picks, group)
        assert not np.isin(found, picks).any()
        assert np.all(owner[found] != group)


def test_few_candidates_at_a_time_give_the_same_substitutes(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    points, owner, picks = made(rng, 2000, 4, 200)
    expected = [Substitutes(Held(points), owner, picks).of(group).tolist() for group in range(4)]
    monkeypatch.setattr("core.memory.substitutes._LEAST", 1)
    monkeypatch.setattr("core.memory.substitutes._SPARE", 1)
    monkeypatch.setattr("core.memory.substitutes._BLOCK", 37)
    again = Substitutes(Held(points), owner, picks)
    assert [again.of(group).tolist() for group in range(4)] == expected


def test_a_group_without_picks_needs_none(rng: np.random.Generator) -> None:
    points, owner, picks = made(rng, 100, 3, 10)
    kept = picks[owner[picks] != 1]
    assert len(Substitutes(Held(points), owner, kept).of(1)) == 0


def test_where_one_group_gave_all_picks_the_others_give_as_many(rng: np.random.Generator) -> None:
    points = rng.normal(size=(60, 4)).astype(np.float32)
    owner = np.repeat([0, 1, 2], 20).astype(np.int32)
    found = Substitutes(Held(points), owner, np.arange(5)).of(0)
    assert len(set(found.tolist())) == 5
    assert np.all(owner[found] > 0)


def test_copies_of_one_group_replace_each_other_once(rng: np.random.Generator) -> None:
    one = rng.normal(size=(20, 4)).astype(np.float32)
    points, owner = np.concatenate([one, one, one]), np.repeat([0, 1, 2], 20).astype(np.int32)
    found = Substitutes(Held(points), owner, np.arange(20)).of(0)
    assert len(found) == 20
    assert len(np.unique(points[found], axis=0)) == 20


def test_the_search_can_be_stopped(rng: np.random.Generator) -> None:
    def stop() -> None:
        raise Cancelled(requirement="work must go on", received="a stop", remedy="start again")

    points, owner, picks = made(rng, 300, 3, 20)
    with pytest.raises(Cancelled):
        Substitutes(Held(points), owner, picks, stop)


@pytest.mark.parametrize(("groups", "m"), [(2, 60), (7, 40)])
def test_distances_without_a_points_own_group_are_those_to_the_nearest_pick_of_any_other(
    groups: int, m: int, rng: np.random.Generator
) -> None:
    points, owner, picks = made(rng, 400, groups, m)
    found = Substitutes(Held(points), owner, picks).distances_without_own(slice(50, 350))
    for row in range(50, 350):
        others = points[picks[owner[picks] != owner[row]]]
        nearest = np.linalg.norm(others.astype(np.float64) - points[row], axis=1).min()
        assert found[row - 50] == pytest.approx(nearest, rel=1e-5)
