"""Scores of parts against a bank that never saw them, cheap enough to look a set over: two halves of the parts.

Each half is judged by a coreset of the other. Vectors of more than DIMENSIONS are folded: each number is added, with a
random sign, to one of fewer, which keeps distances on average (count sketch; Charikar et al. 2002). A build scores each
part against the bank with just that part replaced (``core.judging.held_out``), in all dimensions, which a threshold
needs; ranking does not, and this takes a tenth of the time.
Letters: n images, p patches of one, m bank vectors, d dimensions, e of them once folded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from core.memory.merge_reduce import StreamedCoreset
from core.memory.patch_store import PatchStore
from core.parallel import run_alone, run_parts

DIMENSIONS = 512  # that resnet50's 1,536 are folded to; 128 found fewer of the defects mixed in
Bank = tuple[Float32[Tensor, "e m"], Float32[Tensor, " m"]]
"""Vectors as columns, with their squared lengths."""


def unseen_distances(
    store: PatchStore,
    points: StreamedCoreset,
    groups: Int64[np.ndarray, " n"],
    vectors: int,
    seed: int,
    check: Callable[[], None] = lambda: None,
) -> list[Float32[np.ndarray, "gh gw"]]:
    """For each image its patches' distances to the nearest of ``vectors`` of the other half's: Euclidean, estimated.

    points: what a coreset of the store's patches was picked from. groups: numbered from 0, two at least. The same
    arguments give the same bits on any threads. check: called many times a second; what it raises ends the work.
    """
    half = np.random.default_rng(seed).permutation(int(groups.max()) + 1)[groups] % 2  # of each image
    owner = half[store.image_of(points.ids)]
    signs = _signs(store.dimension, seed)
    found: dict[int, np.ndarray] = {}
    for side in (0, 1):
        picked = _picked(points, np.flatnonzero(owner != side), vectors, seed)
        bank = run_alone(partial(_bank, store.rows(picked), signs))
        images = np.flatnonzero(half == side).tolist()
        grids = run_parts(partial(_distances, store, bank, signs), images, check)
        found |= dict(zip(images, grids, strict=True))
    return [found[image] for image in range(store.images)]


def _picked(
    points: StreamedCoreset, rows: Int64[np.ndarray, " k"], vectors: int, seed: int
) -> Int64[np.ndarray, " m"]:
    """Ids of a coreset of some points."""
    picks = points.among(rows, min(vectors, len(rows)), torch.Generator().manual_seed(seed)).indices
    ids: Int64[np.ndarray, " m"] = points.ids[rows[picks]]
    return ids


def _bank(vectors: Float32[np.ndarray, "m d"], signs: Float32[Tensor, "folds e"]) -> Bank:
    bank = _folded(vectors, signs)
    return bank.T.contiguous(), (bank * bank).sum(dim=1)


def _distances(
    store: PatchStore, bank: Bank, signs: Float32[Tensor, "folds e"], image: int
) -> Float32[np.ndarray, "gh gw"]:
    patches = _folded(store.image_vectors(image), signs)
    squared = torch.addmm(bank[1], patches, bank[0], alpha=-2).amin(dim=1) + (patches * patches).sum(dim=1)
    return np.ascontiguousarray(squared.clamp_min(0).sqrt().numpy()).reshape(store.grid(image))


def _signs(dimension: int, seed: int) -> Float32[Tensor, "folds e"]:
    """Of each number that is added, row by row of the folds."""
    folds = -(-dimension // DIMENSIONS)
    drawn = torch.randint(
        0, 2, (folds, -(-dimension // folds)), generator=torch.Generator().manual_seed(seed)
    )
    return 2.0 * drawn - 1


def _folded(vectors: Float32[np.ndarray, "p d"], signs: Float32[Tensor, "folds e"]) -> Float32[Tensor, "p e"]:
    """The vectors as they are where they fit."""
    given, width = torch.from_numpy(vectors), signs.shape[1]
    if len(signs) == 1:
        return given
    folded: Tensor = given[:, :width] * signs[0]
    for i, sign in enumerate(signs[1:], 1):
        fold = given[:, i * width : (i + 1) * width]
        folded[:, : fold.shape[1]].addcmul_(fold, sign[: fold.shape[1]])
    return folded
