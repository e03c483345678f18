"""The coreset of a stream: exact within its budget, within its bound past it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Cancelled, MemoryBudgetError, ShapeError, TooFewImages
from core.memory import merge_reduce
from core.memory.coreset import Coreset, greedy_coreset, picked_from
from core.memory.merge_reduce import StreamedCoreset, bytes_for, fewest_points, points_in
from core.memory.rows import Rows


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cloud(n: int, k: int, seed: int = 0) -> torch.Tensor:
    """Points that drift, so that no block is like another."""
    return torch.randn(n, k, generator=generator(seed)) + torch.linspace(0, 5, n)[:, None]


def stream(points: torch.Tensor, count: int, held: int, block: int = 100, seed: int = 0) -> Coreset:
    """Feed points block by block to a coreset whose budget holds ``held`` of them."""
    k = points.shape[1]
    streamed = StreamedCoreset(count, k, bytes_for(held, count, k), generator(seed))
    for part in points.split(block):
        streamed.add(part)
    return streamed.finish()


def true_radius(points: torch.Tensor, found: Coreset) -> float:
    return float(torch.cdist(points.double(), points[torch.from_numpy(found.indices)].double()).amin(1).max())


def test_within_the_budget_it_is_the_greedy_coreset_of_all_points() -> None:
    points = cloud(1000, 6)
    found, whole = stream(points, 50, held=1000), greedy_coreset(points, 50, generator())
    assert found.indices.tolist() == whole.indices.tolist()
    assert found.radii.tolist() == whole.radii.tolist()
    assert found.covering_radius == found.radius_bound == whole.covering_radius
    assert (found.exact, found.points) == (True, 1000)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 900),
    k=st.integers(1, 8),
    count=st.integers(1, 25),
    spare=st.integers(0, 200),
    block=st.integers(1, 250),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_point_lies_farther_away_than_the_bound(
    n: int, k: int, count: int, spare: int, block: int, seed: int
) -> None:
    points = cloud(n, k, seed)
    held = fewest_points(count) + spare
    found = stream(points, count, held, block, seed)
    assert true_radius(points, found) <= found.radius_bound * (1 + 1e-5)
    assert len(set(found.indices.tolist())) == len(found.indices) == min(n, count)
    assert found.points == n
    assert found.exact == (n <= held)


@pytest.mark.parametrize("held", [200, 201, 400, 999])
def test_past_the_budget_points_are_read_from_a_file_and_the_picks_are_the_same(
    held: int, tmp_path: Path
) -> None:
    points, count, k = cloud(1000, 64), 50, 64
    streamed = StreamedCoreset(
        count, k, bytes_for(held, count, k), generator(), expected=1000, directory=tmp_path
    )
    for part in points.split(130):
        streamed.add(part)
    found, whole = streamed.finish(), greedy_coreset(points, count, generator())
    assert found.indices.tolist() == whole.indices.tolist()
    assert found.radii.tobytes() == whole.radii.tobytes()
    assert (found.exact, found.points) == (True, 1000)


def test_more_than_expected_is_merged_and_reduced_over_the_file(tmp_path: Path) -> None:
    points, count, k = cloud(2000, 4), 20, 4
    streamed = StreamedCoreset(
        count, k, bytes_for(100, count, k), generator(), expected=110, directory=tmp_path
    )
    streamed.add(points)
    found = streamed.finish()
    assert not found.exact
    assert true_radius(points, found) <= found.radius_bound * (1 + 1e-5)


def test_past_the_budget_it_covers_nearly_as_well_as_greedy_on_all_points() -> None:
    points = cloud(4000, 4)
    found, whole = stream(points, 60, held=600), greedy_coreset(points, 60, generator())
    assert not found.exact
    assert whole.covering_radius <= found.radius_bound
    assert true_radius(points, found) <= 2 * whole.covering_radius


def test_many_blocks_are_reduced_in_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def counted(points: Rows, *rest: object) -> Coreset:
        sizes.append(len(points))
        return picked_from(points, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(merge_reduce, "picked_from", counted)
    points = cloud(3000, 3)
    found = stream(points, 20, held=100)
    assert max(sizes) <= 100
    assert len(sizes) > 30
    assert true_radius(points, found) <= found.radius_bound * (1 + 1e-5)


def test_a_seed_gives_one_coreset_however_the_stream_is_cut() -> None:
    points = cloud(1500, 5)
    one, other = stream(points, 30, held=400, block=1), stream(points, 30, held=400, block=1500)
    assert one.indices.tolist() == other.indices.tolist()
    assert one.radius_bound == other.radius_bound


def test_fewer_picks_than_announced_are_a_prefix() -> None:
    streams = [StreamedCoreset(40, 5, bytes_for(200, 40, 5), generator()) for _ in range(2)]
    for streamed in streams:
        streamed.add(cloud(700, 5))
    assert streams[0].finish(11).indices.tolist() == streams[1].finish().indices[:11].tolist()


def test_progress_reports_the_last_stage() -> None:
    streamed = StreamedCoreset(30, 4, bytes_for(1000, 30, 4), generator())
    streamed.add(cloud(500, 4))
    seen: list[tuple[int, int]] = []
    streamed.finish(progress=lambda *step: seen.append(step))
    assert seen[-1] == (30, 30)


def test_cancelling_is_asked_for_while_blocks_are_reduced() -> None:
    streamed = StreamedCoreset(10, 4, bytes_for(100, 10, 4), generator(), cancelled=lambda: True)
    streamed.add(cloud(100, 4))
    with pytest.raises(Cancelled):
        streamed.add(cloud(1, 4))


def test_a_budget_too_small_for_the_picks_is_refused_with_the_numbers() -> None:
    least = bytes_for(fewest_points(1000), 1000, 128)
    StreamedCoreset(1000, 128, least, generator())
    with pytest.raises(MemoryBudgetError, match=rf"take {least / 1e6:,.0f} MB; received a budget of"):
        StreamedCoreset(1000, 128, least - 600, generator())


def test_other_dimensions_are_refused() -> None:
    streamed = StreamedCoreset(3, 4, bytes_for(100, 3, 4), generator())
    with pytest.raises(ShapeError, match=r"\(p, 4\)"):
        streamed.add(torch.zeros(5, 3))


def test_an_empty_stream_is_refused() -> None:
    with pytest.raises(TooFewImages):
        StreamedCoreset(3, 4, bytes_for(100, 3, 4), generator()).finish()


@given(points=st.integers(0, 10**8), count=st.integers(1, 10**6), k=st.integers(1, 2048))
def test_bytes_and_points_are_inverse(points: int, count: int, k: int) -> None:
    budget = bytes_for(points, count, k)
    assert points_in(budget, count, k) == points
    assert points_in(budget - 1, count, k) == max(0, points - 1)


def test_indices_name_the_added_points() -> None:
    points = cloud(1000, 7)
    found = stream(points, 12, held=64, block=37)
    picks = points[torch.from_numpy(found.indices)].double()
    for j in range(1, 12):
        nearest = torch.cdist(picks[j : j + 1], picks[:j]).min()
        np.testing.assert_allclose(found.radii[j], float(nearest), rtol=1e-5)
