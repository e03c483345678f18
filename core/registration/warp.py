"""A located part brought to where the reference has it, and maps brought back; both bilinear.

The picture has the reference's aspect and is no larger than an input needs, so that a photograph is resampled once and
the resize of every photograph (``core.input.preprocess``) does the rest. What the photograph does not show is filled.
Letters: h w rows and columns of the picture, H W of the photograph as taken. A matrix takes pixels (x, y, 1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64, UInt8

from core.config import InputConfig
from core.input.photograph import Photograph
from core.registration.keypoints import opencv

SHARP = 2  # pixels of the picture for each of the input, among which the antialiased resize chooses

Matrix = Float64[np.ndarray, "3 3"]


def picture_shape(config: InputConfig, height: int, width: int) -> tuple[int, int]:
    """(rows, columns) of the picture that is made for an input, of a reference of (height, width)."""
    ratio = SHARP * config.size / max(height, width)
    if ratio >= 1 or config.fit == "short_side":  # of an oblong input the length depends on the very sides
        return height, width
    return math.ceil(height * ratio), math.ceil(width * ratio)


def resized(one: tuple[int, ...], other: tuple[int, ...]) -> Matrix:
    """From pixels of a picture of (rows, columns) to those of the same at another size."""
    y, x = (after / before for before, after in zip(one, other, strict=True))
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def warped(
    photograph: Photograph, matrix: Matrix, shape: tuple[int, int], mean: Sequence[float]
) -> UInt8[np.ndarray, "h w 3"]:
    """The picture. matrix: from its pixels to those of the photograph as taken. mean: of [0, 1], where that ends."""
    cv2, pixels = opencv(), np.ascontiguousarray(photograph.pixels)
    matrix = resized(photograph.shape, pixels.shape[:2]) @ matrix
    shrink = int(math.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    if shrink > 1:  # pixels that no pixel of the picture would see are averaged, not left out
        rows, columns = (max(1, round(side / shrink)) for side in pixels.shape[:2])
        small = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA)
        matrix, pixels = resized(pixels.shape[:2], (rows, columns)) @ matrix, small
    return np.asarray(
        cv2.warpAffine(
            pixels,
            matrix[:2],
            shape[::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=np.rint(255 * np.asarray(mean)).tolist(),
        )
    )


def unwarped(
    heat: Float32[np.ndarray, "h w"], matrix: Matrix, size: tuple[int, int]
) -> Float32[np.ndarray, "H W"]:
    """A picture's map over the photograph, 0 where the reference shows nothing of it; never above the map's peak."""
    cv2 = opencv()
    back = np.linalg.inv(matrix)[:2]
    found = cv2.warpAffine(heat, back, size[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(np.minimum(found, heat.max()))
