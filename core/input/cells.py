"""Which patches count: those whose cells a mask leaves in, and a moved photograph shows, by at least half.

Only such patches are learned, searched and scored. A map takes, in each cell that does not count, the distance of the
nearest one that does, so that smoothing dims no defect beside the mask's edge; then it is 0 where the mask leaves out.
Letters: h w input pixels, gh gw patch rows and columns, p = gh * gw patches, H W original pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float32, Int64, Shaped

from core.config import InputConfig
from core.errors import MaskError
from core.input.mask import mask_of, scaled
from core.input.preprocess import AxisMap, frame

LEAST = 0.5  # of a cell that a mask must leave in


@dataclass(frozen=True, eq=False)
class Cells:
    """Of one patch grid. counted (gh, gw): which cells count. rows (k,): their places among the p patches, ascending.

    nearest (p,): of each patch the nearest that counts, itself where it does.
    """

    counted: Bool[np.ndarray, "gh gw"]
    rows: Int64[np.ndarray, " k"]
    nearest: Int64[np.ndarray, " p"]

    def scattered(self, values: Shaped[np.ndarray, "... k"]) -> Shaped[np.ndarray, "... p"]:
        """Values of the cells that count among those of all, which are 0."""
        found = np.zeros((*values.shape[:-1], self.counted.size), values.dtype)
        found[..., self.rows] = values
        return found


def cells_of(
    config: InputConfig, grid: tuple[int, int], seen: Bool[np.ndarray, "gh gw"] | None = None
) -> Cells | None:
    """The cells that the mask of a config leaves in, of a grid of (rows, columns); None for all.

    seen: which of them the photograph shows; None: all. Raises MaskError where none is left in, or none of those seen.
    """
    if seen is None or seen.all():
        return _masked(config, grid) if config.mask else None
    counted = seen & _masked(config, grid).counted if config.mask else seen
    return _cells(counted, "one that leaves in only what the photograph does not show")


def shown(config: InputConfig, height: int, width: int) -> Bool[np.ndarray, "H W"] | None:
    """Which pixels of an original of (height, width) the mask leaves in; None without a mask."""
    return scaled(mask_of(config.mask), height, width) if config.mask else None


def drawn(cells: Cells | None, distances: Float32[np.ndarray, "... p"]) -> Float32[np.ndarray, "... p"]:
    """The distances that a map is drawn from: every cell as the nearest that counts."""
    return distances if cells is None else distances[..., cells.nearest]


@lru_cache(maxsize=16)
def _masked(config: InputConfig, grid: tuple[int, int]) -> Cells:
    mask = mask_of(config.mask)
    placed = frame(config, *mask.shape)
    rows, columns = _seen(placed.rows, grid[0]), _seen(placed.columns, grid[1])
    return _cells(rows @ mask @ columns.T >= LEAST, "one that leaves in less of each")


def _cells(counted: Bool[np.ndarray, "gh gw"], received: str) -> Cells:
    from scipy.ndimage import distance_transform_edt  # here: half a second that only masks should pay

    grid = counted.shape
    if not counted.any():
        raise MaskError(
            requirement=f"a mask must leave in at least half of one of {grid[0]} x {grid[1]} patches",
            received=received,
            remedy="leave in more, or choose a larger input size",
        )
    nearest = distance_transform_edt(~counted, return_distances=False, return_indices=True)
    return Cells(counted, np.flatnonzero(counted), np.ravel_multi_index(tuple(nearest), grid).ravel())


def _seen(axis: AxisMap, cells: int) -> Float32[np.ndarray, "cells source"]:
    """How much of each cell along an axis each row or column of the mask fills; nothing of it where it is padding."""
    share = np.zeros((cells, axis.source), np.float32)
    pixels = np.arange(axis.input)
    places = (pixels + 0.5 - axis.offset) / axis.scale
    inside = (places >= 0) & (places < axis.source)
    of_cell = pixels * cells // axis.input
    np.add.at(share, (of_cell[inside], places[inside].astype(np.int64)), 1)
    return share / np.bincount(of_cell, minlength=cells)[:, None].astype(np.float32)
