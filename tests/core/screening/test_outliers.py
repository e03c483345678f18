"""The local outlier factor at a place, against a naive one; siblings are not neighbours; the same on any threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from core.errors import Cancelled
from core.memory.patch_store import PatchStore
from core.screening import outliers
from core.screening.outliers import outlier_factors

GRID, WIDTH = (4, 5), 8


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def stored(images: np.ndarray, grid: tuple[int, int] = GRID) -> PatchStore:
    """A store of (n, p, d) images."""
    store = PatchStore(images.shape[2], 1 << 30)
    for i, image in enumerate(images):
        store.append(torch.from_numpy(image), i, grid)
    return store


def usual(n: int, seed: int = 0) -> np.ndarray:
    """n images that differ by noise, each place with a mean of its own."""
    rng = np.random.default_rng(seed)
    means = rng.normal(0, 5, (1, GRID[0] * GRID[1], WIDTH))
    return (means + rng.normal(0, 1, (n, GRID[0] * GRID[1], WIDTH))).astype(np.float32)


def alone(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.int64)


def naive(images: np.ndarray, groups: np.ndarray, k: int) -> np.ndarray:
    """(n, p) factors by the definition of Breunig et al., in float64 and loops."""
    n, p, _ = images.shape
    found = np.empty((n, p))
    for q in range(p):
        points = images[:, q].astype(np.float64)
        far = np.linalg.norm(points[:, None] - points[None], axis=2)
        near = [
            sorted((j for j in range(n) if groups[j] != groups[i]), key=lambda j, i=i: far[i, j])[:k]
            for i in range(n)
        ]
        reach = [far[i, near[i][-1]] for i in range(n)]
        density = [1 / np.mean([max(reach[j], far[i, j]) for j in near[i]]) for i in range(n)]
        found[:, q] = [np.mean([density[j] for j in near[i]]) / density[i] for i in range(n)]
    return found


def smoothed(factors: np.ndarray) -> np.ndarray:
    """The largest mean over 3 x 3 places, the edge repeated."""
    rows, columns = GRID
    padded = np.pad(factors.reshape(-1, rows, columns), ((0, 0), (1, 1), (1, 1)), mode="edge")
    windows = [padded[:, y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    return np.mean(windows, axis=0).max(axis=(1, 2))


@pytest.mark.parametrize("each", [1, 3])
def test_the_factor_is_that_of_the_definition(each):
    images, groups = usual(24), alone(24) // each
    expected = smoothed(naive(images, groups, 6))
    np.testing.assert_allclose(outlier_factors(stored(images), groups, 0), expected, rtol=1e-4)


def test_with_few_other_parts_there_are_fewer_neighbours():
    images, groups = usual(6), np.array([0, 0, 0, 1, 1, 1])
    expected = smoothed(naive(images, groups, 3))
    np.testing.assert_allclose(outlier_factors(stored(images), groups, 0), expected, rtol=1e-4)


def test_photographs_of_one_part_do_not_vouch_for_each_other():
    images = np.concatenate([usual(30), usual(8, seed=1) * 0.1 + 40])
    groups = np.concatenate([alone(30), np.full(8, 30)])
    siblings = outlier_factors(stored(images), groups, 0)
    strangers = outlier_factors(stored(images), alone(38), 0)
    assert siblings[30:].min() > 5 * siblings[:30].max()
    assert strangers[30:].max() < 2, "eight parts alike are a kind of their own"


def test_a_place_is_compared_with_the_same_place_only():
    images = usual(30)
    images[7] = np.roll(images[7], 1, axis=0)  # each patch is usual, one place further
    factors = outlier_factors(stored(images), alone(30), 0)
    assert factors.argmax() == 7
    assert factors[7] > 2 * np.delete(factors, 7).max()


def test_an_image_of_another_shape_is_not_compared():
    store = stored(usual(12))
    store.append(torch.zeros(6, WIDTH), 12, (2, 3))
    factors = outlier_factors(store, alone(13), 0)
    assert np.isnan(factors[12])
    assert np.isfinite(factors[:12]).all()


def test_copies_in_different_parts_stay_finite():
    images = np.repeat(usual(1), 20, axis=0)
    assert np.isfinite(outlier_factors(stored(images), alone(20), 0)).all()


def test_beyond_the_reference_a_sample_of_parts_serves(monkeypatch):
    images = usual(90)
    images[80] += 30
    whole = outlier_factors(stored(images), alone(90), 0)
    monkeypatch.setattr(outliers, "REFERENCE", 40)
    monkeypatch.setattr(outliers, "TOGETHER", 7)
    sampled = outlier_factors(stored(images), alone(90), 0)
    assert sampled.argmax() == whole.argmax() == 80
    assert np.array_equal(sampled, outlier_factors(stored(images), alone(90), 0))
    assert not np.array_equal(sampled, outlier_factors(stored(images), alone(90), 1))


@pytest.mark.usefixtures("threads")
def test_the_bits_do_not_depend_on_the_threads():
    rng = np.random.default_rng(3)
    images = rng.normal(0, 1, (40, 20, 100)).astype(np.float32)  # wide enough to be projected
    found = []
    for count in (1, 2):
        torch.set_num_threads(count)
        found.append(outlier_factors(stored(images), alone(40) // 2, 0))
    assert np.array_equal(*found)


def test_it_stops_when_asked():
    def stop() -> None:
        raise Cancelled(requirement="a", received="b", remedy="c")

    with pytest.raises(Cancelled):
        outlier_factors(stored(usual(12)), alone(12), 0, stop)
