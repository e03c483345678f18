"""Connected areas of a heatmap above a threshold: where to look, how large, how far from nominal.

Letters: H W original pixels; height before width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from scipy import ndimage

from core.errors import ShapeError
from core.judging.heatmap import peak

EIGHT_CONNECTED = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class Region:
    """One 8-connected area of a map above a threshold, in original pixels.

    x, y: left and top of its box; width, height: the box; area: its pixels; share: area over the image's
    pixels, in (0, 1]; peak: its highest value in score units, at (peak_x, peak_y).
    """

    x: int
    y: int
    width: int
    height: int
    area: int
    share: float
    peak: float
    peak_x: int
    peak_y: int


def regions(heat: Float32[np.ndarray, "H W"], threshold: float, limit: int = 100) -> list[Region]:
    """The areas of ``heat`` strictly above ``threshold``, highest peak first, at most ``limit`` of them.

    Equal peaks keep reading order. Raises ShapeError for a map that is empty or holds NaN.
    """
    highest = heat.max() if heat.ndim == 2 and heat.size else np.float32(np.nan)
    if np.isnan(highest):
        raise ShapeError(
            requirement="a map must have shape (H, W), at least one pixel and no NaN",
            received=f"shape {heat.shape} with highest value {highest}",
            remedy="pass the result of heatmap()",
        )
    if not highest > threshold or limit < 1:
        return []
    top, left, window = _exceeding_window(heat, threshold)
    labels, _ = ndimage.label(window > threshold, structure=EIGHT_CONNECTED)
    boxes = ndimage.find_objects(labels)
    order = np.argsort(-_peaks(window, labels, len(boxes)), kind="stable")[:limit]
    return [_region(window, labels, int(i), boxes[i], (top, left), heat.size) for i in order]


def _exceeding_window(heat: np.ndarray, threshold: float) -> tuple[int, int, np.ndarray]:
    """Top, left and view of the smallest box around every exceeding pixel: labelling costs by the pixel."""
    rows = np.flatnonzero(heat.max(axis=1) > threshold)
    band = heat[rows[0] : rows[-1] + 1]
    columns = np.flatnonzero(band.max(axis=0) > threshold)
    return int(rows[0]), int(columns[0]), band[:, columns[0] : columns[-1] + 1]


def _peaks(window: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    inside = labels > 0
    peaks = np.full(count + 1, -np.inf, dtype=window.dtype)
    np.maximum.at(peaks, labels[inside], window[inside])
    return peaks[1:]


def _region(
    window: np.ndarray,
    labels: np.ndarray,
    index: int,
    box: tuple[slice, slice],
    corner: tuple[int, int],
    pixels: int,
) -> Region:
    mine = labels[box] == index + 1
    worst = peak(np.where(mine, window[box], np.float32(-np.inf)))
    y, x = corner[0] + box[0].start, corner[1] + box[1].start
    height, width = mine.shape
    area = int(np.count_nonzero(mine))
    return Region(x, y, width, height, area, area / pixels, worst.value, x + worst.x, y + worst.y)
