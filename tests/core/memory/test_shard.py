"""A greedy search over shards: the picks of one shard, whoever holds the points and whatever was lost on the way."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.memory import centres, shard
from core.memory.coreset import Picks, farthest_across, greedy_coreset
from core.memory.rows import Filed, Held
from core.memory.shard import Candidates, Shard


def parted(points: np.ndarray, cuts: list[int], count: int) -> list[Shard]:
    """Shards of consecutive points; some may hold none."""
    edges = [0, *sorted(cuts), len(points)]
    return [Shard(Held(points[a:b]), np.arange(a, b), count) for a, b in itertools.pairwise(edges)]


def searched(points: np.ndarray, cuts: list[int], count: int, start: int) -> tuple[Picks, float]:
    shards, picks = parted(points, cuts, count), Picks(count, points.shape[1])
    picks.add([start], [np.inf], points[start : start + 1])
    for each in shards:
        each.start(picks.points)
    return picks, farthest_across(lambda new: [each.step(new) for each in shards], picks, count)


def textbook(points: np.ndarray, count: int, start: int) -> list[int]:
    """Of equally far points the first, as argmax takes it."""
    picks, nearest = [start], np.full(len(points), np.inf, np.float32)
    while True:
        nearest = np.minimum(nearest, np.square(points - points[picks[-1]]).sum(axis=1))
        if nearest.max() <= 0 or len(picks) == count:
            return picks
        picks.append(int(nearest.argmax()))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 200),
    count=st.integers(1, 60),
    side=st.integers(1, 5),
    cuts=st.lists(st.integers(0, 200), max_size=5),
)
def test_any_number_of_shards_gives_the_textbooks_picks_ties_and_copies_included(
    seed: int, n: int, count: int, side: int, cuts: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    points = rng.integers(0, side, (n, 2)).astype(np.float32)  # distances are exact, many of them alike
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard, "ACTIVE", 16)
        patch.setattr(shard, "CANDIDATES", 4)
        patch.setattr(centres, "_ROWS", 4)
        found, farthest = searched(points, [min(cut, n) for cut in cuts], count, n // 2)
    assert found.ids == textbook(points, count, n // 2)
    assert (farthest == 0) == (len(found.ids) == len(np.unique(points, axis=0)))


def test_shards_give_the_bits_of_the_plain_coreset() -> None:
    points = torch.randn(6000, 24, generator=torch.Generator().manual_seed(1))
    plain = greedy_coreset(points, 300, torch.Generator().manual_seed(0))
    for cuts in ([], [6000], [1, 2, 5000], list(range(500, 6000, 500))):
        found, farthest = searched(points.numpy(), cuts, 300, int(plain.indices[0]))
        assert found.ids == plain.indices.tolist()
        assert np.sqrt(np.asarray(found.squared, np.float32)).tobytes() == plain.radii.tobytes()
        assert farthest**0.5 == plain.covering_radius


def test_a_shard_lost_at_any_round_is_restored_from_the_picks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "CANDIDATES", 32)
    points = np.random.default_rng(3).normal(size=(3000, 8)).astype(np.float32)
    whole, _ = searched(points, [900, 2100], 200, 5)
    rounds = 0
    shards, picks = parted(points, [900, 2100], 200), Picks(200, 8)
    picks.add([5], [np.inf], points[5:6])
    for each in shards:
        each.start(picks.points)

    def step(new: np.ndarray) -> list[Candidates]:
        nonlocal rounds
        rounds += 1
        lost = rounds % len(shards)
        shards[lost] = parted(points, [900, 2100], 200)[lost]
        shards[lost].start(picks.points)  # which hold the new ones
        return [each.step(new[:0] if i == lost else new) for i, each in enumerate(shards)]

    farthest_across(step, picks, 200)
    assert rounds > 8
    assert picks.ids == whole.ids
    assert picks.squared == whole.squared


def test_a_search_resumes_from_the_picks_it_had() -> None:
    points = np.random.default_rng(4).normal(size=(2000, 6)).astype(np.float32)
    whole, _ = searched(points, [], 150, 0)
    half, _ = searched(points, [700], 70, 0)
    shards, picks = parted(points, [300, 1500], 150), Picks(150, 6)
    picks.add(half.ids, half.squared, half.points)
    for each in shards:
        each.start(picks.points)
    farthest_across(lambda new: [each.step(new) for each in shards], picks, 150)
    assert (picks.ids, picks.squared) == (whole.ids, whole.squared)


@pytest.mark.parametrize("held", [0, 1, 300, 1000, 5000])
def test_points_in_a_file_are_those_in_memory(held: int, tmp_path: Path) -> None:
    points = np.random.default_rng(5).normal(size=(1000, 5)).astype(np.float32)
    filed = Filed(5, held, tmp_path)
    for part in np.split(points, [10, 299, 301, 800]):
        filed.append(part)
    ids = np.random.default_rng(6).integers(0, 1000, 400)
    assert len(filed) == 1000
    assert not [*tmp_path.iterdir()]
    np.testing.assert_array_equal(filed.take(ids), points[ids])
    np.testing.assert_array_equal(filed.take(ids[:0]), points[ids[:0]])
    for a, b in ((0, 1000), (299, 302), (301, 400), (0, 5), (990, 2000)):
        np.testing.assert_array_equal(filed.block(slice(a, b)), points[a:b])


def test_what_a_check_raises_ends_the_work() -> None:
    points = np.zeros((10, 2), np.float32)

    def check() -> None:
        raise KeyboardInterrupt

    stopped: Callable[[], None] = check
    with pytest.raises(KeyboardInterrupt):
        Shard(Held(points), np.arange(10), 3, stopped).start(points[:1])
