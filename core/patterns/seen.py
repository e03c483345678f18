"""One image as patterns are mined on it: every patch vector, or what differs in the patches above the threshold.

PatternNet's input is the whole map. A bank says more: its residuals are 0 wherever an image is like a nominal one.
Letters: p patches, d dimensions, e excluded bank vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from core.bank import Bank
from core.detector import compared, judge, thresholds_of
from core.input.views import Placement, View

Of = Literal["residual", "whole"]
INPUTS: tuple[Of, ...] = get_args(Of)


@dataclass(frozen=True, eq=False)
class Seen:
    """patches (p, d) by input, row-major over grid. distances (p,): to the bank, without what was excluded from it.

    worst (d,): the mean of the patches farthest from the whole bank.
    """

    patches: dict[Of, Float32[np.ndarray, "p d"]]
    distances: Float32[np.ndarray, " p"]
    worst: Float32[np.ndarray, " d"]
    grid: tuple[int, int]
    placement: Placement

    def pooled(self) -> dict[Of, Float32[np.ndarray, " d"]]:
        """Global max pooling of each input."""
        return {of: patches.max(axis=0) for of, patches in self.patches.items()}


def seen(
    view: View,
    x: Float32[Tensor, "3 h w"],
    maps: Sequence[Float32[Tensor, "1 _ _ _"]],
    bank: Bank,
    excluded: Int64[np.ndarray, " e"] | None = None,
) -> Seen:
    """A located view whose input gave these maps. excluded: rows of the bank that this image itself gave it."""
    vectors, grid = compared(maps, bank)
    found = judge(vectors, grid, (x.shape[1], x.shape[2]), bank, [view.placement])
    patches, distances, ids = vectors[0].cpu().numpy(), found.distances[0], found.ids[0]
    if excluded is not None and 0 < len(excluded) < bank.index.size:
        cells = view.placement.cells(bank.config.input, grid)
        counted = np.arange(len(patches)) if cells is None else cells.rows
        nearest = bank.index.nearest_excluding(torch.from_numpy(patches[counted]), excluded)
        (distances, ids) = (np.zeros_like(distances), np.zeros_like(ids))
        distances[counted], ids[counted] = nearest
    above = (distances > thresholds_of(bank).review)[:, None]
    residual = np.abs(patches - bank.vectors[ids]) * above
    return Seen({"residual": residual, "whole": patches}, distances, found.worst[0], grid, view.placement)
