"""Principal components of nominal patches, by option: vectors in fewer dimensions (Pearson 1901), or whitened.

Whitened, a coordinate is divided by the spread of nominal patches along its component: distances are those of
Mahalanobis with a shrunk covariance (Mahalanobis PatchCore, arXiv 2605.27748). The components are those of a seeded
sample of all patches, so that every image has its share whatever the order.
Until they are known the whole vectors are stored in a file. Distances in the reduced space are Euclidean and never
longer than those between the whole vectors.
Letters: b images, p patches, n sampled patches, d dimensions of a backbone, k of them kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from core.config import DetectorConfig
from core.errors import ConfigError, ShapeError
from core.features.patches import Patches
from core.memory.layout import Vectors
from core.parallel import run_alone, run_parts

_PARTS = 4  # of an image, one thread each: the bits depend on neither the batch nor the threads there are
_SKEW = 1e-3  # by which products of components may differ from those of perpendicular unit vectors
_LONGEST = 1e18  # of a mean, as of a bank's vectors


@dataclass(frozen=True, eq=False)
class Pca:
    """The mean (d,) of nominal patches and k perpendicular components (k, d), widest spread first.

    Of length 1, or whitened: shorter, the wider nominal patches spread along them. On the CPU. Raises ShapeError
    where they are not.
    """

    mean: Float32[Tensor, " _"]
    components: Float32[Tensor, "_ _"]

    def __post_init__(self) -> None:
        k, d = self.components.shape
        _require(
            1 <= k <= d == len(self.mean),
            "a PCA must have from 1 to d components of d dimensions and a mean of d",
            f"components {(k, d)}, mean {tuple(self.mean.shape)}",
        )
        _require(
            bool(self.mean.double().norm() < _LONGEST),
            f"a PCA's mean must be finite and shorter than {_LONGEST:.0e}",
            "one that is not",
        )
        inside = bool((self.components.abs() <= 1 + _SKEW).all())  # not so where one is not a number
        _require(
            inside and self._perpendicular(),
            "a PCA's components must be perpendicular and no longer than 1",
            "others",
        )

    @property
    def whitened(self) -> bool:
        """Whether a component is shorter than 1."""
        return bool((self.components.square().sum(dim=1) < 1 - _SKEW).any())

    def _perpendicular(self) -> bool:
        products = self.components @ self.components.T
        squares = products.diagonal()
        aside = (products - squares.diag()).abs() <= _SKEW
        return bool(aside.all() and (squares > 0).all() and (squares <= 1 + _SKEW).all())

    def project(self, vectors: Float32[Tensor, "b p d"]) -> Float32[Tensor, "b p k"]:
        """Coordinates along the components, the mean subtracted, on the vectors' device."""
        mean, components = self.mean.to(vectors.device), self.components.to(vectors.device)
        if vectors.device.type != "cpu":
            return (vectors - mean) @ components.T
        b, p, _ = vectors.shape
        found = torch.empty(b, p, len(components))

        def write(part: tuple[int, slice]) -> None:
            found[part] = (vectors[part] - mean) @ components.T

        step = -(-p // _PARTS)
        rows = [slice(a, a + step) for a in range(0, p, step)]
        run_parts(write, itertools.product(range(b), rows))
        return found


def reduced(patches: Patches, pca: Pca | None) -> Patches:
    """The patches in the dimensions that a build, its calibration and inspections search in."""
    return patches if pca is None else Patches(pca.project(patches.vectors), patches.grid)


def check_kept(k: int, dimension: int, patches: int) -> None:
    """Raise ConfigError unless ``patches`` nominal vectors of ``dimension`` have k principal components."""
    if not 1 <= k <= dimension:
        raise ConfigError(
            requirement=f"pca must be from 1 to the backbone's {dimension} dimensions",
            received=str(k),
            remedy="choose fewer dimensions, or none for no PCA",
        )
    if k >= patches:
        raise ConfigError(
            requirement="pca must be less than the number of nominal patches",
            received=f"{k} for {patches} patches",
            remedy="add nominal images or choose fewer dimensions",
        )


def _require(holds: bool, requirement: str, received: str) -> None:
    if not holds:
        raise ShapeError(requirement=requirement, received=received, remedy="build the bank again")


SHRINKAGE = 1.0  # in mean variances; added to each variance, so that narrow axes do not blow up noise
SAMPLE = 16_384  # patches, at most, that components are fitted on: ten a dimension of the widest backbone
_BLOCK = 2048  # of them in memory at a time


def fit_pca(
    store: Vectors,
    config: DetectorConfig,
    check: Callable[[], None],
    counted: Int64[np.ndarray, " n"] | None = None,
) -> Pca:
    """Mean and the config's components of up to SAMPLE of the stored vectors, in float64, drawn by its seed.

    counted: ids of those that count; None for all. Each component's largest coordinate is positive. The same vectors
    and seed give the same bits.
    """
    k = config.components(store.dimension)
    if config.pca is not None:
        check_kept(k, store.dimension, store.count)
    rng, count = np.random.default_rng(config.seed), store.count if counted is None else len(counted)
    ids = np.sort(rng.choice(count, min(SAMPLE, count), replace=False))
    ids = ids if counted is None else counted[ids]
    moments = _Moments(torch.from_numpy(store.rows(ids[:1])[0]).double())
    for a in range(0, len(ids), _BLOCK):
        check()
        x = torch.from_numpy(store.rows(ids[a : a + _BLOCK]))
        run_alone(partial(moments.add, x.double()))
    check()
    return run_alone(partial(_principal, moments, k, config.metric == "whitened"))


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


def _principal(moments: _Moments, k: int, whitened: bool) -> Pca:
    covariance = moments.covariance()
    if not bool(covariance.isfinite().all()):
        raise ShapeError(
            requirement="patch vectors must be finite",
            received="some that are not",
            remedy="look for NaN or huge values in the weights and images",
        )
    spread = torch.linalg.eigh(covariance)
    components = spread.eigenvectors[:, -k:].flip(1).T  # (k, d), widest spread first
    largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))  # (k, 1)
    components = components * largest.sign()
    if whitened:
        least = SHRINKAGE * covariance.trace() / len(covariance)
        variances = spread.eigenvalues[-k:].flip(0).clamp(min=0)  # (k,)
        components = components * (least / (variances + least)).sqrt()[:, None] if least > 0 else components
    return Pca(moments.mean().float(), components.float().contiguous())
