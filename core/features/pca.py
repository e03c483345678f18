"""Principal components of nominal patches: the same vectors in fewer dimensions, by option (Pearson 1901).

Distances in the reduced space are Euclidean and never longer than those between the whole vectors.
Letters: b images, p patches, d dimensions of a backbone, k of them kept.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from jaxtyping import Float32
from torch import Tensor

from core.errors import ConfigError, ShapeError
from core.features.patches import Patches
from core.parallel.parts import run_parts

_PARTS = 4  # of an image, one thread each: the bits depend on neither the batch nor the threads there are
_SKEW = 1e-3  # by which products of components may differ from those of perpendicular unit vectors
_LONGEST = 1e18  # of a mean, as of a bank's vectors


@dataclass(frozen=True, eq=False)
class Pca:
    """The mean (d,) of nominal patches and k perpendicular unit components (k, d), widest spread first.

    On the CPU. Raises ShapeError where they are no such thing.
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
        _require(
            bool((self.components.abs() <= 1 + _SKEW).all())
            and bool(((self.components @ self.components.T - torch.eye(k)).abs() <= _SKEW).all()),
            "a PCA's components must be perpendicular and of length 1",
            "others",
        )

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
