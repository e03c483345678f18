"""Regions against a flood fill written out pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.errors import ShapeError
from core.judging.regions import Region, regions


def flood_regions(heat: np.ndarray, threshold: float) -> list[Region]:
    """Grow each region from its first pixel through its eight neighbours; peaks first, then reading order."""
    left = {(int(y), int(x)) for y, x in np.argwhere(heat > threshold)}
    found = []
    for start in sorted(left):
        if start not in left:
            continue
        members, front = set(), [start]
        left.discard(start)
        while front:
            y, x = front.pop()
            members.add((y, x))
            around = {(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= around
            front.extend(around)
        found.append(region_of(members, heat))
    return sorted(found, key=lambda region: -region.peak)


def region_of(members: set[tuple[int, int]], heat: np.ndarray) -> Region:
    ys, xs = [y for y, _ in members], [x for _, x in members]
    worst = min(members, key=lambda place: (-heat[place], place))
    return Region(
        x=min(xs),
        y=min(ys),
        width=max(xs) - min(xs) + 1,
        height=max(ys) - min(ys) + 1,
        area=len(members),
        share=len(members) / heat.size,
        peak=float(heat[worst]),
        peak_x=worst[1],
        peak_y=worst[0],
    )


@settings(max_examples=200, deadline=None)
@given(
    heat=arrays(
        np.float32,
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        elements=st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0]),
    ),
    threshold=st.sampled_from([-1.0, 0.0, 0.7, 1.0, 2.5]),
)
def test_regions_equal_a_flood_fill(heat: np.ndarray, threshold: float) -> None:
    assert regions(heat, threshold) == flood_regions(heat, threshold)


def test_corner_neighbours_belong_together() -> None:
    heat = np.eye(4, dtype=np.float32)
    assert regions(heat, 0.5) == [Region(0, 0, 4, 4, 4, 0.25, 1.0, 0, 0)]


def test_a_value_equal_to_the_threshold_is_not_above_it() -> None:
    heat = np.full((5, 5), 2, np.float32)
    assert regions(heat, 2.0) == []
    assert len(regions(heat, 1.99)) == 1


def test_the_limit_keeps_the_highest_peaks() -> None:
    heat = np.zeros((1, 9), np.float32)
    heat[0, ::2] = [3, 5, 1, 4, 2]
    assert [region.peak for region in regions(heat, 0.5, limit=2)] == [5, 4]
    assert regions(heat, 0.5, limit=0) == []


def test_neighbouring_boxes_do_not_share_pixels() -> None:
    """An L around a dot: their boxes overlap, their areas must not."""
    heat = np.zeros((5, 5), np.float32)
    heat[:, 0] = heat[4, :] = 2
    heat[1, 3] = 7
    dot, ell = regions(heat, 1.0)
    assert (dot.area, dot.peak, dot.peak_x, dot.peak_y) == (1, 7, 3, 1)
    assert (ell.area, ell.peak, ell.width, ell.height) == (9, 2, 5, 5)


@pytest.mark.parametrize("heat", [np.empty((0, 3), np.float32), np.full((2, 2), np.nan, np.float32)])
def test_an_empty_map_or_nan_is_refused(heat: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="no NaN"):
        regions(heat, 1.0)


def test_one_nan_does_not_pass_as_nominal() -> None:
    heat = np.zeros((4, 4), np.float32)
    heat[2, 1] = np.nan
    with pytest.raises(ShapeError, match="no NaN"):
        regions(heat, 1.0)
