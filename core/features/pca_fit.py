"""A stream of nominal patches -> its principal components, and the stream once more in their dimensions.

The components are those of a seeded sample of all patches, so that every image has its share whatever the order.
Until they are known the whole vectors lie in a file.
Letters: n sampled patches, d dimensions, k of them kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from core.errors import ShapeError
from core.features.patches import Patches
from core.features.pca import Pca, check_kept, reduced
from core.memory.patch_store import PatchStore
from core.parallel.parts import run_alone

SAMPLE = 16_384  # patches, at most, that components are fitted on: ten a dimension of the widest backbone
_BLOCK = 2048  # of them in memory at a time


@contextmanager
def reducing(
    batches: Iterable[Patches],
    k: int,
    dimension: int,
    seed: int,
    directory: Path | None,
    check: Callable[[], None],
) -> Iterator[tuple[Pca, Iterator[Patches]]]:
    """Read all batches, fit k components, and give the images again, one a batch, reduced.

    directory: where the whole vectors lie for as long as the context is open. check: called between steps;
    what it raises ends the work. Raises ConfigError as ``check_kept``, ShapeError for values that are not
    finite, MemoryBudgetError where the disk has no room.
    """
    with PatchStore(dimension, 0, directory) as store:
        device = torch.device("cpu")
        for batch in batches:
            store.extend(batch)
            device = batch.vectors.device
        pca = fit_pca(store, k, seed, check)
        yield pca, _again(store, pca, device, check)


def fit_pca(store: PatchStore, k: int, seed: int, check: Callable[[], None]) -> Pca:
    """Mean and first k components of up to SAMPLE of the stored vectors, in float64, drawn by the seed.

    Each component's largest coordinate is positive. The same vectors and seed give the same bits.
    """
    check_kept(k, store.dimension, store.count)
    rng = np.random.default_rng(seed)
    ids = np.sort(rng.choice(store.count, min(SAMPLE, store.count), replace=False))
    moments = _Moments(torch.from_numpy(store.rows(ids[:1])[0]).double())
    for a in range(0, len(ids), _BLOCK):
        check()
        x = torch.from_numpy(store.rows(ids[a : a + _BLOCK]))
        run_alone(partial(moments.add, x.double()))
    check()
    return run_alone(partial(_principal, moments, k))


class _Moments:
    """Sum and products of vectors, seen from one of them: far from 0, products would lose their digits."""

    def __init__(self, origin: Float64[Tensor, " d"]) -> None:
        self._origin = origin
        self._count = 0
        self._sum = torch.zeros_like(origin)
        self._products = origin.new_zeros(len(origin), len(origin))

    def add(self, vectors: Float64[Tensor, "n d"]) -> None:
        x = vectors - self._origin
        self._count += len(x)
        self._sum += x.sum(dim=0)
        self._products.addmm_(x.T, x)

    def mean(self) -> Float64[Tensor, " d"]:
        return self._origin + self._sum / self._count

    def covariance(self) -> Float64[Tensor, "d d"]:
        shift = self._sum / self._count
        return self._products / self._count - torch.outer(shift, shift)


def _principal(moments: _Moments, k: int) -> Pca:
    covariance = moments.covariance()
    if not bool(covariance.isfinite().all()):
        raise ShapeError(
            requirement="patch vectors must be finite",
            received="some that are not",
            remedy="look for NaN or huge values in the weights and images",
        )
    components = torch.linalg.eigh(covariance).eigenvectors[:, -k:].flip(1).T  # (k, d), widest spread first
    largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))  # (k, 1)
    return Pca(moments.mean().float(), (components * largest.sign()).float().contiguous())


def _again(store: PatchStore, pca: Pca, device: torch.device, check: Callable[[], None]) -> Iterator[Patches]:
    for image in range(store.images):
        check()
        vectors = torch.from_numpy(store.image_vectors(image)).to(device)
        yield reduced(Patches(vectors[None], store.grid(image)), pca)
