"""One vector of an image's patches: of its worst patches, of regions (R-MAC), of powers (GeM) or of all (mean).

R-MAC: Tolias et al. 2016, section 3; GeM: Radenović et al. 2018, Eq. 3. The mean of the worst patches needs no regions
proposed: the distances to the bank are the proposal that Deep Image Retrieval learns a network for.

Letters: p patches in a grid of rows and columns, d dimensions, r regions.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float32

from core.retrieval.whitening import Whitening, unit

Kind = Literal["worst", "rmac", "gem", "mean"]
KINDS: tuple[Kind, ...] = get_args(Kind)
WORST = 16  # patches; 4 to 32 find alike, more are worse
POWER = 3.0  # of GeM
LEVELS = 3  # of R-MAC
OVERLAP = 0.4  # of neighbouring regions of a level, as near as whole cells allow


def describe(
    kind: Kind,
    vectors: Float32[np.ndarray, "p d"],
    distances: Float32[np.ndarray, " p"],
    grid: tuple[int, int],
    whitening: Whitening | None = None,
) -> Float32[np.ndarray, " d"]:
    """The descriptor of an image: unit length, whitened where a whitening is given (regions before they are summed).

    distances: of each patch to its nearest nominal one; only ``worst`` reads them. grid: (rows, columns), row-major.
    """
    if kind == "rmac":
        maxima = np.stack([region.max(axis=0) for region in _cut(vectors, grid)])  # (r, d)
        regional = unit(maxima) if whitening is None else whitening(maxima)
        return unit(regional.sum(axis=0)[None]).reshape(-1)
    if kind == "worst":
        pooled = worst_mean(vectors, distances)
    elif kind == "gem":
        pooled = np.cbrt((np.maximum(vectors, 0).astype(np.float64) ** POWER).mean(axis=0)).astype(np.float32)
    else:
        pooled = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    return (unit if whitening is None else whitening)(pooled[None]).reshape(-1)


def worst_mean(
    vectors: Float32[np.ndarray, "p d"], distances: Float32[np.ndarray, " p"], most: int = WORST
) -> Float32[np.ndarray, " d"]:
    """The mean of the patches that are farthest from the bank, as many as there are up to ``most``."""
    most = min(most, len(distances))
    farthest = np.argpartition(-distances, most - 1)[:most]
    mean: Float32[np.ndarray, " d"] = vectors[farthest].mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def regions_of(rows: int, columns: int) -> list[tuple[int, int, int]]:
    """(top, left, side) of R-MAC's square regions: level l has squares of side 2 min(rows, columns) / (l + 1).

    A map of 16 x 16 has 14 of them, of sides 16, 10 and 8.
    """
    short, long = sorted((rows, columns))
    extra = _extra(short, long)
    found = []
    for level in range(1, LEVELS + 1):
        side = max(1, 2 * short // (level + 1))
        across = level + extra
        tops, lefts = _starts(short, side, level), _starts(long, side, across)
        corners = [(top, left) for top in tops for left in lefts]
        found += [(top, left, side) if rows <= columns else (left, top, side) for top, left in corners]
    return found


def _extra(short: int, long: int) -> int:
    """How many more squares of the first level lie along the longer side than along the shorter."""
    if short == long:
        return 0
    shares = [(short**2 - short * (long - short) / more) / short**2 for more in range(1, 7)]
    return int(np.argmin([abs(share - OVERLAP) for share in shares])) + 1


def _starts(length: int, side: int, count: int) -> list[int]:
    return [0] if count == 1 else [int(each) for each in np.linspace(0, length - side, count)]


def _cut(vectors: Float32[np.ndarray, "p d"], grid: tuple[int, int]) -> list[Float32[np.ndarray, "cells d"]]:
    plane, d = vectors.reshape(*grid, -1), vectors.shape[1]
    return [
        plane[top : top + side, left : left + side].reshape(-1, d) for top, left, side in regions_of(*grid)
    ]
