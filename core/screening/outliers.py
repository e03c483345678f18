"""How unlike its place a patch is: the local outlier factor (Breunig et al. 2000) at each place (SoftPatch, 2022).

SoftPatch (Jiang et al. 2022, section 3.2) compares a patch with those at the same place of other images: 1 is as dense
as its neighbours are, larger is lonelier. Here photographs of one part are not neighbours of each other, or a defect
that was photographed twice would have company. Patches are projected at random to DIMENSIONS; of more than CELLS per
side every second is taken, and so on. Beyond REFERENCE images, neighbours are looked for in a seeded sample of parts.
Letters: n images, r of them in the sample, q = y x places, d dimensions, k neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from scipy.ndimage import uniform_filter
from torch import Tensor

from core.judging.groups import as_groups
from core.judging.held_out import sampled_groups
from core.memory.coreset import random_projection
from core.memory.patch_store import PatchStore
from core.parallel import run_alone, run_parts

NEIGHBOURS = 6  # as SoftPatch
DIMENSIONS = 64  # of the projection
CELLS = 16  # places per side, about: more take longer and find no more
REFERENCE = 1000  # images that neighbours are looked for in
TOGETHER = 64  # images judged at a time
LEAST = 1e-6  # of a distance, so that copies have a finite density


def outlier_factors(
    store: PatchStore,
    groups: Int64[np.ndarray, " n"],
    seed: int,
    check: Callable[[], None] = lambda: None,
) -> Float32[np.ndarray, " n"]:
    """The largest factor of each image, averaged over places that touch.

    NaN for an image without others of its shape to compare with. The same store, groups and seed give the same bits on
    any threads. check: called many times a second; what it raises ends the work.
    """
    found = np.full(store.images, np.nan, np.float32)
    projection = random_projection(store.dimension, DIMENSIONS, torch.Generator().manual_seed(seed))
    for images in _of_one_shape(store):
        labels = as_groups(groups[images])
        sample = np.flatnonzero(np.isin(labels, sampled_groups(labels, seed, 2, REFERENCE)))
        k = min(NEIGHBOURS, len(sample) - int(np.bincount(labels[sample]).max()))
        if k >= 1:
            places = _Places(store, images[sample], labels[sample], k, projection, check)
            found[images[sample]] = _largest(places.of_sample())
            others = np.setdiff1d(np.arange(len(images)), sample)
            for a in range(0, len(others), TOGETHER):
                some = others[a : a + TOGETHER]
                found[images[some]] = _largest(places.of(images[some], labels[some], check))
    return found


def _largest(factors: Float32[np.ndarray, "n y x"]) -> Float32[np.ndarray, " n"]:
    """Of each image, averaged over 3 x 3 places: a defect is lonely in several, a single place is by chance."""
    smooth: np.ndarray = uniform_filter(factors, size=(1, 3, 3), mode="nearest")
    return np.asarray(smooth.max(axis=(1, 2)))


class _Near(NamedTuple):
    """Of images at places: distances (q, n, k) to their neighbours, ascending, and which those are."""

    distances: Float32[Tensor, "q n k"]
    ids: Int64[Tensor, "q n k"]


class _Places:
    """A sample of images at every place, with the density at each of its patches."""

    def __init__(
        self,
        store: PatchStore,
        images: Int64[np.ndarray, " r"],
        labels: Int64[np.ndarray, " r"],
        k: int,
        projection: Float32[Tensor, "d e"] | None,
        check: Callable[[], None],
    ) -> None:
        self._store, self._labels, self._k, self._projection = store, labels, k, projection
        rows, columns = store.grid(int(images[0]))
        self._shape = len(_spread(rows)), len(_spread(columns))
        self._points = _taken(store, images, projection, check)
        self._centre = run_alone(lambda: self._points.mean(dim=1, keepdim=True))
        self._points -= self._centre  # near 0, products lose fewer digits
        self._sample = self._near(self._points, labels, check)
        self._reach = self._sample.distances[:, :, -1]  # (q, r), the k-distance of Breunig et al.
        self._density = run_alone(lambda: self._densities(self._sample))

    def of_sample(self) -> Float32[np.ndarray, "r y x"]:
        """The local outlier factor of the sample's images at each place."""
        return run_alone(lambda: self._factors(self._sample, self._density))

    def of(
        self, images: Int64[np.ndarray, " n"], labels: Int64[np.ndarray, " n"], check: Callable[[], None]
    ) -> Float32[np.ndarray, "n y x"]:
        """The same of other images of their shape."""
        points = _taken(self._store, images, self._projection, check) - self._centre
        near = self._near(points, labels, check)
        return run_alone(lambda: self._factors(near, self._densities(near)))

    def _factors(self, near: _Near, densities: Float32[Tensor, "q n"]) -> Float32[np.ndarray, "n y x"]:
        """How much denser the neighbours are than the patch itself, on average."""
        around = _gathered(self._density, near.ids).mean(dim=2)
        return np.ascontiguousarray((around / densities).T.numpy()).reshape(-1, *self._shape)

    def _densities(self, near: _Near) -> Float32[Tensor, "q n"]:
        """1 / mean reachability distance, which is never below the neighbour's own reach."""
        reachable = torch.maximum(near.distances, _gathered(self._reach, near.ids))
        return 1 / reachable.mean(dim=2).clamp_min(LEAST)

    def _near(
        self, points: Float32[Tensor, "q n d"], labels: Int64[np.ndarray, " n"], check: Callable[[], None]
    ) -> _Near:
        """The k nearest of the sample at each place, among other parts."""
        own = torch.from_numpy(labels[:, None] == self._labels[None])
        found = run_parts(lambda q: self._nearest(q, points[q], own), range(len(points)), check)
        return _Near(torch.stack([near for near, _ in found]), torch.stack([ids for _, ids in found]))

    def _nearest(
        self, place: int, points: Float32[Tensor, "n d"], own: Bool[Tensor, "n r"]
    ) -> tuple[Float32[Tensor, "n k"], Int64[Tensor, "n k"]]:
        sample = self._points[place]
        squared = torch.addmm((sample * sample).sum(dim=1), points, sample.T, alpha=-2)
        squared.masked_fill_(own, torch.inf)
        least, ids = squared.topk(self._k, dim=1, largest=False)
        lengths = (points * points).sum(dim=1, keepdim=True)
        return (least + lengths).clamp_min(0).sqrt(), ids


def _taken(
    store: PatchStore,
    images: Int64[np.ndarray, " n"],
    projection: Float32[Tensor, "d e"] | None,
    check: Callable[[], None],
) -> Float32[Tensor, "q n e"]:
    """Every image's patches at the places looked at, projected."""
    rows, columns = store.grid(int(images[0]))
    places = [row * columns + column for row in _spread(rows) for column in _spread(columns)]

    def points(image: int) -> Float32[Tensor, "q e"]:
        vectors = torch.from_numpy(store.image_vectors(image)[places])
        return vectors if projection is None else vectors @ projection

    return torch.stack(run_parts(points, images.tolist(), check), dim=1)


def _spread(cells: int) -> range:
    """Every cell, or of more than CELLS every second, third and so on."""
    step = -(-cells // CELLS)
    return range((step - 1) // 2, cells, step)


def _of_one_shape(store: PatchStore) -> Iterator[Int64[np.ndarray, " n"]]:
    """Images whose patches lie in the same grid, in the order of each grid's first image."""
    grids: dict[tuple[int, int], list[int]] = {}
    for image in range(store.images):
        grids.setdefault(store.grid(image), []).append(image)
    return (np.array(images, np.int64) for images in grids.values())


def _gathered(values: Float32[Tensor, "q r"], ids: Int64[Tensor, "q n k"]) -> Float32[Tensor, "q n k"]:
    """Of each neighbour its value."""
    q, n, k = ids.shape
    return values.gather(1, ids.reshape(q, n * k)).reshape(q, n, k)
