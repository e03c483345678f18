"""Each half of the parts is judged by a bank of the other half only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from core.memory.merge_reduce import StreamedCoreset
from core.memory.patch_store import PatchStore
from core.screening.unseen import unseen_distances

GRID, WIDTH = (3, 4), 8


def judged(images: np.ndarray, groups: np.ndarray, vectors: int) -> np.ndarray:
    width = images.shape[2]
    store = PatchStore(width, 1 << 30)
    points = StreamedCoreset(vectors, width, 1 << 30, torch.Generator().manual_seed(0))
    for i, image in enumerate(images):
        store.append(torch.from_numpy(image), i, GRID)
        points.add(torch.from_numpy(image))
    return np.stack(unseen_distances(store, points, groups, vectors, 0))


def drawn(n: int, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, (n, GRID[0] * GRID[1], width)).astype(np.float32)


def test_a_bank_of_all_patches_gives_the_distance_to_the_other_half():
    images, groups = drawn(10), np.arange(10) // 2
    found = judged(images, groups, 10_000)
    for i, far in enumerate(to_other_half(images, groups)):
        np.testing.assert_allclose(found[i].ravel(), far, rtol=1e-4)


def test_distances_of_many_dimensions_are_estimated_in_fewer():
    images, groups = drawn(10, 1501), np.arange(10) // 2
    images[1:] = 0.3 * images[1:] + images[:1]
    found = judged(images, groups, 10_000)
    far = np.stack([*to_other_half(images, groups)])
    assert not np.array_equal(found.reshape(far.shape), far)
    assert np.abs(found.reshape(far.shape) / far - 1).mean() < 0.05
    assert np.abs(found.reshape(far.shape) / far - 1).max() < 0.2


def to_other_half(images: np.ndarray, groups: np.ndarray) -> Iterator[np.ndarray]:
    """Of each image its patches' distances to the nearest of the other half, one by one in float64."""
    half = np.random.default_rng(0).permutation(int(groups.max()) + 1)[groups] % 2
    for i, image in enumerate(images):
        others = images[half != half[i]].reshape(-1, images.shape[2]).astype(np.float64)
        yield np.linalg.norm(image[:, None] - others[None], axis=2).min(axis=1)


def test_no_part_finds_itself_and_halves_are_even():
    images = np.repeat(drawn(8), 3, axis=0)  # three copies of each part
    found = judged(images, np.repeat(np.arange(8), 3), 10_000)
    assert found.min() > 0.1
    assert np.array_equal(found[::3], found[1::3])


def test_fewer_vectors_lie_farther_away():
    images, groups = drawn(20), np.arange(20)
    assert (judged(images, groups, 10) >= judged(images, groups, 10_000) - 1e-4).all()
