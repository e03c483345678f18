"""The lazy greedy coreset against the definition of greedy in float64, and its theorems."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Cancelled, ConfigError, ShapeError
from core.memory import centres, shard
from core.memory.coreset import Coreset, greedy_coreset, random_projection

PRECISIONS = pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32])


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every part of the search small, so that a small set goes through all of it many times."""
    monkeypatch.setattr(shard, "ACTIVE", 64)
    monkeypatch.setattr(shard, "CANDIDATES", 16)
    monkeypatch.setattr(shard, "BLOCK", 100)
    monkeypatch.setattr(centres, "_ROWS", 8)
    monkeypatch.setattr(centres, "_COLUMNS", 24)
    monkeypatch.setattr(centres, "_BATCH", 5)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clustered(n: int, k: int, seed: int = 0) -> torch.Tensor:
    draw = generator(seed)
    means = 3 * torch.randn(12, k, generator=draw)
    return means[torch.randint(12, (n,), generator=draw)] + torch.randn(n, k, generator=draw)


def check_greedy(points: torch.Tensor, found: Coreset, rtol: float = 1e-5) -> None:
    """Each pick is, in float64, as far from those before it as any point is: the definition, ties included."""
    exact = points.double().numpy()
    nearest = np.full(len(exact), np.inf)
    for pick, radius in zip(found.indices, found.radii, strict=True):
        assert nearest[pick] >= nearest.max() * (1 - rtol)
        np.testing.assert_allclose(radius, nearest[pick], rtol=rtol)
        nearest = np.minimum(nearest, np.sqrt(((exact - exact[pick]) ** 2).sum(axis=1)))
    np.testing.assert_allclose(found.covering_radius, nearest.max(), rtol=rtol)
    assert len(set(found.indices.tolist())) == len(found.indices)


def textbook(points: torch.Tensor, count: int, start: int) -> list[int]:
    exact = points.double().numpy()
    nearest = np.full(len(exact), np.inf)
    picks = [start]
    while len(picks) < count:
        nearest = np.minimum(nearest, ((exact - exact[picks[-1]]) ** 2).sum(axis=1))
        picks.append(int(nearest.argmax()))
    return picks


@PRECISIONS
@pytest.mark.parametrize(("n", "k", "count"), [(3000, 16, 300), (2000, 1, 40), (500, 128, 500), (65, 3, 20)])
@pytest.mark.usefixtures("small_parts")
def test_picks_are_those_of_the_textbook_loop(
    monkeypatch: pytest.MonkeyPatch, precision: torch.dtype, n: int, k: int, count: int
) -> None:
    monkeypatch.setattr(centres, "_quickest", lambda: precision)
    points = clustered(n, k)
    found = greedy_coreset(points, count, generator())
    assert found.indices.tolist() == textbook(points, count, int(found.indices[0]))
    check_greedy(points, found)


def test_picks_are_those_of_the_textbook_loop_at_working_sizes() -> None:
    points = clustered(24_000, 8)
    found = greedy_coreset(points, 150, generator())
    assert found.indices.tolist() == textbook(points, 150, int(found.indices[0]))
    check_greedy(points, found)


@PRECISIONS
@pytest.mark.usefixtures("small_parts")
def test_distances_keep_their_accuracy_where_products_cancel(
    monkeypatch: pytest.MonkeyPatch, precision: torch.dtype
) -> None:
    monkeypatch.setattr(centres, "_quickest", lambda: precision)
    points = clustered(800, 8) * 1e-3 + 100
    points[17] += 1e4  # one outlier sets the scale of the products
    check_greedy(points, greedy_coreset(points, 80, generator()), rtol=1e-4)


def test_sloppy_float32_products_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(centres, "_quickest", lambda: torch.float32)
    points = clustered(2000, 16)
    strict = greedy_coreset(points, 100, generator())
    torch.set_float32_matmul_precision("medium")
    try:
        sloppy = greedy_coreset(points, 100, generator())
    finally:
        torch.set_float32_matmul_precision("highest")
    assert sloppy.indices.tolist() == strict.indices.tolist()


@pytest.mark.usefixtures("small_parts")
def test_covering_radius_is_at_most_the_smallest_distance_between_picks() -> None:
    points = clustered(1500, 6)
    found = greedy_coreset(points, 120, generator())
    between = torch.pdist(points[torch.from_numpy(found.indices)].double())
    assert found.covering_radius <= float(between.min()) * (1 + 1e-6)
    assert found.exact
    assert found.radius_bound == found.covering_radius


@pytest.mark.usefixtures("small_parts")
def test_a_smaller_coreset_is_a_prefix_of_a_larger() -> None:
    points = clustered(1000, 10)
    larger = greedy_coreset(points, 90, generator(3))
    for count in (1, 2, 17, 89):
        smaller = greedy_coreset(points, count, generator(3))
        assert smaller.indices.tolist() == larger.indices[:count].tolist()
        assert smaller.radii.tolist() == larger.radii[:count].tolist()
        np.testing.assert_allclose(smaller.covering_radius, larger.radii[count], rtol=1e-6)


def test_a_seed_gives_one_coreset_and_another_seed_another_start() -> None:
    points = clustered(400, 5)
    first, again, other = (greedy_coreset(points, 30, generator(seed)) for seed in (1, 1, 2))
    assert first.indices.tolist() == again.indices.tolist()
    assert first.indices[0] != other.indices[0]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(1, 3), st.integers(1, 60), st.integers(1, 4)
)
def test_grids_full_of_ties_and_duplicates_are_covered_greedily(
    seed: int, n: int, k: int, count: int, side: int
) -> None:
    points = torch.randint(side, (n, k), generator=generator(seed)).float()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard, "ACTIVE", 16)
        patch.setattr(shard, "CANDIDATES", 4)
        patch.setattr(centres, "_ROWS", 4)
        found = greedy_coreset(points, count, generator(seed))
    check_greedy(points, found)
    distinct = len(np.unique(points.numpy(), axis=0))
    assert len(found.indices) == min(count, distinct)
    assert (found.covering_radius == 0) == (count >= distinct)


@pytest.mark.usefixtures("small_parts")
def test_fewer_distinct_points_than_asked_for_end_the_search_early() -> None:
    points = clustered(7, 20)[torch.arange(700) % 7]
    seen: list[tuple[int, int]] = []
    found = greedy_coreset(points, 300, generator(), progress=lambda *step: seen.append(step))
    assert sorted(found.indices % 7) == list(range(7))
    assert found.covering_radius == 0
    assert seen[-1] == (300, 300)


@pytest.mark.parametrize("count", [1, 5, 9])
def test_a_count_up_to_and_beyond_all_points_is_served(count: int) -> None:
    points = clustered(5, 4)
    found = greedy_coreset(points, count, generator())
    assert len(found.indices) == min(count, 5)
    assert found.radii[0] == np.inf
    assert found.points == 5


@pytest.mark.usefixtures("small_parts")
def test_progress_rises_to_the_end() -> None:
    seen: list[tuple[int, int]] = []
    greedy_coreset(clustered(900, 6), 200, generator(), progress=lambda *step: seen.append(step))
    done = [step[0] for step in seen]
    assert done == sorted(done)
    assert len(set(done)) > 5
    assert seen[-1] == (200, 200)


def test_cancelling_is_asked_for_within_the_first_pass_and_between_products(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shard, "BLOCK", 100)
    monkeypatch.setattr(centres, "_COLUMNS", 64)
    for limit in (3, 40):  # the first pass of 1,000 points asks ten times
        asked = 0

        def cancelled(limit: int = limit) -> bool:
            nonlocal asked
            asked += 1
            return asked == limit

        with pytest.raises(Cancelled, match="of 50 picks"):
            greedy_coreset(clustered(1000, 6), 50, generator(), cancelled=cancelled)
        assert asked == limit


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_values_that_have_no_distance_are_refused(value: float) -> None:
    points = clustered(50, 4)
    points[33, 2] = value
    with pytest.raises(ShapeError, match="finite"):
        greedy_coreset(points, 5, generator())


@pytest.mark.parametrize("shape", [(0, 4), (4, 0)])
def test_no_points_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ShapeError, match="at least 1"):
        greedy_coreset(torch.empty(shape), 5, generator())


def test_a_count_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1 point"):
        greedy_coreset(clustered(5, 4), 0, generator())


def test_projection_keeps_squared_distances_on_average() -> None:
    matrix = random_projection(600, 128, generator())
    assert matrix is not None
    points = clustered(200, 600)
    ratio = torch.pdist(points @ matrix).square() / torch.pdist(points).square()
    assert abs(float(ratio.mean()) - 1) < 0.05
    assert float(ratio.std()) < 2 * (2 / 128) ** 0.5  # its theoretical value is sqrt(2 / k)


def test_projection_to_as_many_dimensions_is_left_out() -> None:
    assert random_projection(168, 168, generator()) is None
    assert random_projection(168, 128, generator()) is not None
