"""By option, where a patch lies as two more dimensions of its vector, so that parts are compared place by place.

Row and column are measured so that four cells apart cost as much as ``config.position`` medians of the distances that
nominal patches have to the nearest patch of another photograph. The coreset sees them too. PatchCore (Roth et al. 2022)
ignores places, so that what belongs elsewhere on the part is not found.
Letters: p patches, n sampled patches, d dimensions without the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from core.errors import ShapeError
from core.features.patches import Patches
from core.search import Index

CELLS = 4  # apart, which cost as many medians as the setting says
ASKED = 512  # of the sampled patches, whose distances the median is of
SAMPLE = 4096  # patches, at most, among which the nearest is found: as many as a small bank holds
_LONGEST = 1e15  # of a step, so that no vector comes near the longest that a bank may hold


@dataclass(frozen=True)
class Position:
    """step: the distance between two equal patches one cell apart, Euclidean, from 0.

    Raises ShapeError for one that is negative or not finite.
    """

    step: float

    def __post_init__(self) -> None:
        if not 0 <= self.step < _LONGEST:
            raise ShapeError(
                requirement="the distance of two places must be finite and not negative",
                received=str(self.step),
                remedy="build the bank again",
            )

    def places(self, grid: tuple[int, int], device: torch.device | None = None) -> Float32[Tensor, "p 2"]:
        """The two dimensions of every patch of a grid of (rows, columns), row-major."""
        axes = (self.step * torch.arange(side, dtype=torch.float32, device=device) for side in grid)
        return torch.cartesian_prod(*axes)


def placed(patches: Patches, position: Position | None) -> Patches:
    """The patches as they are compared: with their places, where these count."""
    if position is None:
        return patches
    places = position.places(patches.grid, patches.vectors.device)
    every = places.expand(len(patches.vectors), -1, -1)
    return Patches(torch.cat([patches.vectors, every], dim=2), patches.grid)


def fit_position(
    vectors: Float32[np.ndarray, "n d"], photographs: Int64[np.ndarray, " n"], weight: float
) -> Position:
    """The step at which CELLS cells cost ``weight`` medians, of sampled nominal patches in random order.

    photographs: which one each is of; a patch is compared with those of others. Where all are of one, or as near as can
    be, places cost nothing.
    """
    index, found = Index.build(vectors), []
    for one in np.unique(photographs[:ASKED]).tolist():
        own = np.flatnonzero(photographs == one)
        if len(own) < len(vectors):
            found.append(index.nearest_excluding(vectors[own[own < ASKED]], own)[0])
    return Position(weight * float(np.median(np.concatenate(found))) / CELLS if found else 0.0)
