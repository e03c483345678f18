"""How faithful a map is to s* on one image: deletion and insertion (Petsiuk et al. 2018, section 4.1) in feature space.

A cell is deleted when its patch vector is replaced by its nearest nominal one, which puts its distance to 0: what the
score becomes is then exactly the largest distance that is left, with no image of a part that never was. Blurred pixels
would be an anomaly themselves. Areas are of the score's share of s*, over the share of cells from 0 to 1.
Letters: n cells that count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64

from core.errors import ShapeError


@dataclass(frozen=True, eq=False)
class Curve:
    """shares (n + 1,): the score as a share of s* after 0 to n cells, in [0, 1]."""

    shares: Float64[np.ndarray, " _"]

    @property
    def area(self) -> float:
        """Under the curve, by trapezoids; in [0, 1]."""
        return float(np.trapezoid(self.shares, dx=1 / (len(self.shares) - 1)))

    def at(self, points: int) -> list[float]:
        """The curve at so many evenly spaced shares of the cells."""
        places = np.linspace(0, len(self.shares) - 1, points).round().astype(int)
        return [float(value) for value in self.shares[places]]


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """Cells go or come by a map, its highest first; of equal ones the first in reading order.

    deletion: cells replaced one after the other; a smaller area is more faithful. insertion: cells put back into an
    image all of whose cells were replaced; a larger area is more faithful. best: both areas of the patch map, which no
    map can better. random: the area, expected exactly, of either by a map of noise.
    """

    deletion: Curve
    insertion: Curve
    best: tuple[float, float]
    random: float


def faithfulness(distances: Float32[np.ndarray, " _"], values: Float[np.ndarray, " _"]) -> Faithfulness:
    """Of a map's values at the cells that count, whose distances these are. Raises ShapeError where they differ."""
    if distances.ndim != 1 or distances.shape != values.shape or not len(distances):
        raise ShapeError(
            requirement="a map must have one value for each of at least one cell",
            received=f"values {values.shape}, distances {distances.shape}",
            remedy="read the map at the cells that count",
        )
    shares = distances.astype(np.float64) / max(float(distances.max()), np.finfo(np.float64).tiny)
    deletion, insertion = _curves(shares, values)
    best = _curves(shares, shares)
    return Faithfulness(deletion, insertion, (best[0].area, best[1].area), _random(shares))


def _curves(shares: Float64[np.ndarray, " n"], values: Float[np.ndarray, " n"]) -> tuple[Curve, Curve]:
    ordered = shares[np.argsort(-values, kind="stable")]
    inserted = np.concatenate([[0.0], np.maximum.accumulate(ordered)])
    left = np.concatenate([np.maximum.accumulate(ordered[::-1])[::-1], [0.0]])
    return Curve(left), Curve(inserted)


def _random(shares: Float64[np.ndarray, " n"]) -> float:
    """Over all orders, the mean area of the largest share among the first j cells.

    The i-th largest is the largest of a random subset of random size with probability 1 / (i (i + 1)): sizes 0 to n
    equally likely; the trapezoid takes the ends, 0 and the largest, at half their weight.
    """
    n, ranks = len(shares), np.arange(1, len(shares) + 1)
    mean = float((np.sort(shares)[::-1] / (ranks * (ranks + 1))).sum())
    return ((n + 1) * mean - float(shares.max()) / 2) / n
