"""Feature maps -> locally aware patch vectors (Roth et al. 2022, Eq. 1-3).

Letters: b images, p patches, d dimensions, c channels of a layer, h w rows and columns of a map.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float32
from torch import Tensor

from core.config import PatchConfig
from core.errors import ShapeError
from core.parallel import run_parts


class Patches(NamedTuple):
    """Patch vectors of a batch, row-major over ``grid`` = (rows, columns), p = rows * columns."""

    vectors: Float32[Tensor, "b p d"]
    grid: tuple[int, int]


def patch_features(maps: Sequence[Tensor], config: PatchConfig) -> Patches:
    """Average each layer's neighbourhoods, bring all to the first layer's grid, concatenate the channels.

    maps: one (b, c, h, w) float32 tensor a layer, finest first. Returns vectors (b, p, d), d = sum of c.
    A window counts the cells beyond the border as zeros (the paper leaves the border open): averaging only what
    lies inside lowered AUROC on every set tried, see docs/decisions.md. Raises ShapeError for no maps or
    maps of unequal b.
    """
    if not maps or any(m.ndim != 4 or m.shape[0] != maps[0].shape[0] for m in maps):
        raise ShapeError(
            requirement="feature maps must be (b, c, h, w) with the same b for every layer",
            received=str([tuple(m.shape) for m in maps]),
            remedy="pass one batch's maps, finest layer first",
        )
    fine, first = tuple(maps[0].shape[2:]), (config.stride - 1) // 2
    rows, columns = (len(range(first, side, config.stride)) for side in fine)
    edges = [0, *itertools.accumulate(m.shape[1] for m in maps)]
    vectors = torch.empty(len(maps[0]), rows, columns, edges[-1], device=maps[0].device)

    def write(part: tuple[slice, int]) -> None:
        images, layer = part
        cells = layer_patches(maps[layer][images], fine, config)
        vectors[images, :, :, edges[layer] : edges[layer + 1]] = cells.permute(0, 2, 3, 1)

    run_parts(write, itertools.product(_shares(maps[0]), range(len(maps))))
    return Patches(vectors.reshape(len(vectors), rows * columns, -1), (rows, columns))


def layer_patches(
    maps: Float32[Tensor, "b c h w"], fine: tuple[int, ...], config: PatchConfig
) -> Float32[Tensor, "b c gh gw"]:
    """One layer's part of every patch vector, where ``fine`` is the first layer's (h, w): linear in its maps."""
    return _align(_neighbourhood_mean(maps, config.size), fine, config.stride)  # Eq. 2, Eq. 3


def _shares(maps: Float32[Tensor, "b c h w"]) -> list[slice]:
    """Each image for itself on a CPU, whose threads share them out; a device takes all at once."""
    if maps.device.type != "cpu":
        return [slice(None)]
    return [slice(i, i + 1) for i in range(len(maps))]


def _neighbourhood_mean(maps: Float32[Tensor, "b c h w"], size: int) -> Float32[Tensor, "b c h w"]:
    """In the order of memory that the vectors will have: a quarter of the time, and the same bits."""
    maps = maps.contiguous(memory_format=torch.channels_last)
    if size == 1:
        return maps
    return F.avg_pool2d(maps, size, stride=1, padding=size // 2)


def _align(maps: Float32[Tensor, "b c h w"], fine: tuple[int, ...], stride: int) -> Tensor:
    """Bilinear upsampling to the finest layer's grid; of its cells, the middle one of every stride (Eq. 3)."""
    if tuple(maps.shape[2:]) != fine:
        maps = F.interpolate(maps, size=fine, mode="bilinear", align_corners=False)
    first = (stride - 1) // 2
    return maps[:, :, first::stride, first::stride]
