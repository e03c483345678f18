"""Each half of the parts is judged by a bank of the other half only."""

from __future__ import annotations

import numpy as np
import torch

from core.memory.merge_reduce import StreamedCoreset
from core.memory.patch_store import PatchStore
from core.screening.unseen import unseen_distances

GRID, WIDTH = (3, 4), 8


def judged(images: np.ndarray, groups: np.ndarray, vectors: int) -> np.ndarray:
    store = PatchStore(WIDTH, 1 << 30)
    points = StreamedCoreset(vectors, WIDTH, 1 << 30, torch.Generator().manual_seed(0))
    for i, image in enumerate(images):
        store.append(torch.from_numpy(image), i, GRID)
        points.add(torch.from_numpy(image))
    return np.stack(unseen_distances(store, points, groups, vectors, 0))


def drawn(n: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 1, (n, GRID[0] * GRID[1], WIDTH)).astype(np.float32)


def test_a_bank_of_all_patches_gives_the_distance_to_the_other_half():
    images, groups = drawn(10), np.arange(10) // 2
    found = judged(images, groups, 10_000)
    half = np.random.default_rng(0).permutation(5)[groups] % 2
    for i in range(10):
        others = images[half != half[i]].reshape(-1, WIDTH).astype(np.float64)
        far = np.linalg.norm(images[i][:, None] - others[None], axis=2).min(axis=1)
        np.testing.assert_allclose(found[i].ravel(), far, rtol=1e-4)


def test_no_part_finds_itself_and_halves_are_even():
    images = np.repeat(drawn(8), 3, axis=0)  # three copies of each part
    found = judged(images, np.repeat(np.arange(8), 3), 10_000)
    assert found.min() > 0.1
    assert np.array_equal(found[::3], found[1::3])


def test_fewer_vectors_lie_farther_away():
    images, groups = drawn(20), np.arange(20)
    assert (judged(images, groups, 10) >= judged(images, groups, 10_000) - 1e-4).all()
