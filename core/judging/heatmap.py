"""Patch distances -> anomaly map at the original image size, in score units (Roth et al. 2022, section 3.3).

The grid is upsampled bilinearly to the input, smoothed by a Gaussian and resampled bilinearly onto the
original pixels. Every step is linear and works on each axis separately, so the chain is ``R @ grid @ C.T``.
Strided convolutions that pad unevenly make a cell look past its own middle: ``offset`` puts it where it looks.

Letters: gh gw patch rows and columns, h w input pixels, H W original pixels; height before width.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64

from core.errors import ShapeError
from core.input.preprocess import AxisMap, Frame


class Peak(NamedTuple):
    """The highest place of a map: its value in score units and the original pixel it lies on."""

    value: float
    x: int
    y: int


def heatmap(
    distances: Float32[np.ndarray, "gh gw"], frame: Frame, sigma: float = 4.0, offset: float = 0.0
) -> Float32[np.ndarray, "H W"]:
    """Map of the image that ``frame`` describes, of its original (height, width), in units of ``distances``.

    ``sigma`` is in input pixels; 0 smooths nothing. ``offset``: how many input pixels below and right of its
    own middle a cell looks (BackboneSpec.offset). The Gaussian is renormalised at the input's edges, so
    equal distances give an equal map. Original pixels outside a centre crop were not inspected and are 0;
    letterbox padding is left out. Smoothing lowers isolated peaks: no pixel passes the image's Eq. 6 score.
    """
    if distances.ndim != 2 or 0 in distances.shape:
        raise ShapeError(
            requirement="patch distances of a heatmap must have shape (gh, gw), neither 0",
            received=f"shape {distances.shape}",
            remedy="reshape one image's distances (p,) to its patch grid",
        )
    rows = _resampling(frame.rows, distances.shape[0], sigma, offset)  # R (H, gh)
    columns = _resampling(frame.columns, distances.shape[1], sigma, offset)  # C (W, gw)
    heat: np.ndarray = (rows @ distances) @ columns.T
    return heat


def peak(heat: Float32[np.ndarray, "H W"]) -> Peak:
    """The highest pixel of a map; the first in reading order among equals."""
    y, x = divmod(int(heat.argmax()), heat.shape[1])
    return Peak(float(heat[y, x]), x, y)


def as_input(inputs: tuple[int, int]) -> Frame:
    """The frame of an image of the input's own size: its map's peak is that of any larger one, at less work."""
    rows, columns = (AxisMap(source=side, input=side, scale=1.0, offset=0.0) for side in inputs)
    return Frame(rows, columns)


def map_scores(
    distances: Float32[np.ndarray, "b p"], grid: tuple[int, int], inputs: tuple[int, int], sigma: float
) -> Float32[np.ndarray, " b"]:
    """Score of each image by option: the highest value of its smoothed map, in the input's own (height, width).

    In units of ``distances``; larger is more anomalous, and never above the score of Eq. 6. Where cells look
    (``offset``) moves a map and hardly its peak, so it does not count here.
    """
    frame = as_input(inputs)
    return np.array([heatmap(each.reshape(grid), frame, sigma).max() for each in distances], np.float32)


@lru_cache(maxsize=16)
def _resampling(
    axis: AxisMap, cells: int, sigma: float, offset: float
) -> Float32[np.ndarray, "source cells"]:
    """One axis of the whole chain: weights of every grid cell in every original pixel."""
    smooth = _smoothed_upsampling(axis.input, cells, sigma, offset)  # (input, cells)
    places = (np.arange(axis.source) + 0.5) * axis.scale + axis.offset - 0.5  # in input pixels
    inspected = (places >= -0.5) & (places < axis.input - 0.5)
    low, high, share = _between(places, axis.input)
    weights = (1 - share) * smooth[low] + share * smooth[high]
    matrix = np.where(inspected[:, None], weights, 0.0).astype(np.float32)
    matrix.setflags(write=False)  # shared by every caller through the cache
    return matrix


@lru_cache(maxsize=16)
def _smoothed_upsampling(
    pixels: int, cells: int, sigma: float, offset: float
) -> Float64[np.ndarray, "pixels cells"]:
    low, high, share = _between((np.arange(pixels) + 0.5 - offset) * cells / pixels - 0.5, cells)
    identity = np.eye(cells)
    upsampled: np.ndarray = (1 - share) * identity[low] + share * identity[high]
    if sigma <= 0:
        return upsampled
    offsets = np.subtract.outer(np.arange(pixels), np.arange(pixels)) / sigma
    kernel = np.exp(-0.5 * offsets**2)
    smooth: np.ndarray = (kernel / kernel.sum(axis=1, keepdims=True)) @ upsampled
    return smooth


def _between(
    places: Float64[np.ndarray, " n"], size: int
) -> tuple[np.ndarray, np.ndarray, Float64[np.ndarray, "n 1"]]:
    """Bilinear neighbours of each place and the share of the upper one; ends held (align_corners=False)."""
    held = np.clip(places, 0, size - 1)
    low = np.floor(held).astype(np.int64)
    return low, np.minimum(low + 1, size - 1), (held - low)[:, None]
