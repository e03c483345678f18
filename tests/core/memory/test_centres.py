"""Nearest centres against float64, whatever the precision of the products and the scale of the points."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.memory import centres
from core.memory.centres import Centres
from core.memory.rows import Held


def oracle(points: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """All squared distances (n, m) in float64."""
    difference = points[:, None].astype(np.float64) - centre[None].astype(np.float64)
    return np.asarray((difference**2).sum(axis=2))


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40)),
    coarse=st.booleans(),
    spread=st.sampled_from([1e-12, 1e-3, 1.0, 1e6]),
    offset=st.sampled_from([0.0, 1.0, 50.0]),
    outliers=st.sampled_from([0.0, 100.0]),
)
def test_every_point_learns_its_nearest_centre(
    seed: int, sizes: tuple[int, int, int], coarse: bool, spread: float, offset: float, outliers: float
) -> None:
    n, m, k = sizes
    rng = np.random.default_rng(seed)
    centre = rng.normal(offset, 1, (m, k)).astype(np.float32)
    points = rng.normal(offset, 1, (n, k)).astype(np.float32)
    centre[rng.integers(m)] += outliers
    points[rng.integers(n)] = centre[rng.integers(m)]
    centre, points = (centre * spread).astype(np.float32), (points * spread).astype(np.float32)
    every = oracle(points, centre)
    seen = np.sort(rng.integers(0, m + 1, n))
    past = np.where(np.arange(m) < seen[:, None], every, rng.uniform(0.1, 4, (n, 1)) * k * spread**2).min(
        axis=1
    )
    squared = past.astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(centres, "_quickest", lambda: torch.bfloat16 if coarse else torch.float32)
        patch.setattr(centres, "_ROWS", 7)
        patch.setattr(centres, "_COLUMNS", 11)
        patch.setattr(centres, "_MEASURED", 2)
        known = Centres(points.mean(axis=0), m)
        for block in np.array_split(centre, min(3, m)):
            known.append(block)
        found = known.approach(Held(points), np.arange(n), squared, seen)
    np.testing.assert_allclose(found, np.minimum(past, every.min(axis=1)), rtol=5e-6, atol=0)


def test_precision_is_raised_where_products_tell_too_little(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    monkeypatch.setattr(centres, "_quickest", lambda: torch.bfloat16)
    monkeypatch.setattr(centres, "_COLUMNS", 64)
    points = (rng.normal(size=(200, 16)) * 0.01 + 1).astype(np.float32)
    known = Centres(np.zeros(16, np.float32), 100)  # far from the points
    known.append(points[:100])
    far, unseen = np.full(200, 1e3, np.float32), np.zeros(200, np.int64)
    found = known.approach(Held(points), np.arange(200), far, unseen)
    assert known._rounding.kind is torch.float32
    np.testing.assert_allclose(found, oracle(points, points[:100]).min(axis=1), rtol=5e-6)
    np.testing.assert_array_equal(found[:100], 0)


def test_what_is_raised_between_products_ends_the_work(rng: np.random.Generator) -> None:
    points = rng.normal(size=(50, 4)).astype(np.float32)
    known = Centres(points[0], 50)
    known.append(points)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        known.approach(Held(points), np.arange(50), np.full(50, 9, np.float32), np.zeros(50, np.int64), stop)
