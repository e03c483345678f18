"""Scores of parts against a bank that never saw them, cheap enough to look a set over: two halves of the parts.

Each half is judged by a coreset of the other. A build scores each part against the bank with just that part replaced
(``core.judging.held_out``), which a threshold needs; ranking does not, and this takes a fifth of the time.
Letters: n images, p patches of one, m bank vectors, d dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from core.memory.coreset import greedy_coreset
from core.memory.merge_reduce import StreamedCoreset
from core.memory.patch_store import PatchStore
from core.parallel import run_parts


def unseen_distances(
    store: PatchStore,
    points: StreamedCoreset,
    groups: Int64[np.ndarray, " n"],
    vectors: int,
    seed: int,
    check: Callable[[], None] = lambda: None,
) -> list[Float32[np.ndarray, "gh gw"]]:
    """For each image its patches' distances to the nearest of ``vectors`` of the other half's, Euclidean.

    points: what a coreset of the store's patches was picked from. groups: numbered from 0, two at least. The same
    arguments give the same bits on any threads. check: called many times a second; what it raises ends the work.
    """
    half = np.random.default_rng(seed).permutation(int(groups.max()) + 1)[groups] % 2  # of each image
    owner = half[store.image_of(points.ids)]
    found: dict[int, np.ndarray] = {}
    for side in (0, 1):
        bank = _bank(store, points, np.flatnonzero(owner != side), vectors, seed)
        images = np.flatnonzero(half == side).tolist()
        grids = run_parts(partial(_distances, store, bank), images, check)
        found |= dict(zip(images, grids, strict=True))
    return [found[image] for image in range(store.images)]


def _bank(
    store: PatchStore, points: StreamedCoreset, rows: Int64[np.ndarray, " k"], vectors: int, seed: int
) -> tuple[Float32[Tensor, "d m"], Float32[Tensor, " m"]]:
    """A coreset of some points as columns, with their squared lengths."""
    some = points.points[torch.from_numpy(rows).to(points.points.device)]
    picks = greedy_coreset(some, min(vectors, len(rows)), torch.Generator().manual_seed(seed)).indices
    bank = torch.from_numpy(store.rows(points.ids[rows[picks]]))
    return bank.T.contiguous(), (bank * bank).sum(dim=1)


def _distances(
    store: PatchStore, bank: tuple[Float32[Tensor, "d m"], Float32[Tensor, " m"]], image: int
) -> Float32[np.ndarray, "gh gw"]:
    patches = torch.from_numpy(store.image_vectors(image))  # (p, d)
    squared = torch.addmm(bank[1], patches, bank[0], alpha=-2).amin(dim=1) + (patches * patches).sum(dim=1)
    return np.ascontiguousarray(squared.clamp_min(0).sqrt().numpy()).reshape(store.grid(image))
