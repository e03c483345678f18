"""Keypoints of a photograph and the similarity between two sets of them.

SIFT (Lowe 2004) as RootSIFT (Arandjelovic and Zisserman 2012) of a picture with a long side of some hundred pixels;
exact matches that pass Lowe's ratio test; RANSAC (Fischler and Bolles 1981) for rotation, scale and shift.
Letters: h w rows and columns of a small picture, k keypoints, n matches. Points are (x, y), pixel centres at whole
numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from core.errors import ShapeError
from core.input.photograph import Photograph

MOST = 1000  # keypoints of a picture, the strongest; a picture of 320 pixels has some hundreds
DOUBLED = np.float32(
    0.25
)  # pixels by which SIFT's first octave, a picture of twice the size, moves its points
RATIO = 0.8  # of the distance to the second nearest descriptor, which a match stays below
REACH = 3.0  # pixels that an inlier may be off
ROUNDS = 5000  # of RANSAC at most


@cache
def opencv() -> Any:
    """OpenCV, imported when the first part is located; on one thread, as every part of a computation here."""
    import cv2

    cv2.setNumThreads(1)
    return cv2


@dataclass(frozen=True, eq=False)
class Keypoints:
    """points (k, 2): in pixels of a small picture. descriptors (k, 128): as SIFT gives them, whole numbers.

    Raises ShapeError where they do not fit each other.
    """

    points: Float32[np.ndarray, "_ _"]
    descriptors: UInt8[np.ndarray, "_ _"]

    def __post_init__(self) -> None:
        k = len(self.points)
        fit = self.points.shape == (k, 2) and self.descriptors.shape == (k, 128)
        if not fit or not np.isfinite(self.points).all():
            raise ShapeError(
                requirement="keypoints must be k finite points (k, 2) with descriptors (k, 128)",
                received=f"points {self.points.shape}, descriptors {self.descriptors.shape}",
                remedy="build the bank again",
            )

    @classmethod
    def none(cls) -> Keypoints:
        return cls(np.empty((0, 2), np.float32), np.empty((0, 128), np.uint8))

    @cached_property
    def rooted(self) -> Float32[np.ndarray, "k 128"]:
        """Of length 1: distances between them are those of Hellinger between the histograms."""
        histograms = self.descriptors.astype(np.float32)
        return np.asarray(np.sqrt(histograms / np.maximum(histograms.sum(axis=1, keepdims=True), 1)))

    def where(self, kept: Bool[np.ndarray, "h w"]) -> Keypoints:
        """Those that lie where a picture of the same size is True."""
        x, y = np.rint(self.points).astype(np.int64).T
        inside = kept[np.clip(y, 0, kept.shape[0] - 1), np.clip(x, 0, kept.shape[1] - 1)]
        return Keypoints(self.points[inside], self.descriptors[inside])


def small(photograph: Photograph, side: int) -> UInt8[np.ndarray, "h w"]:
    """The photograph in shades of grey with its long side at most ``side`` pixels, never enlarged."""
    cv2, pixels = opencv(), np.ascontiguousarray(photograph.pixels)
    ratio = side / max(pixels.shape[:2])
    if ratio < 1:
        h, w = (max(1, round(length * ratio)) for length in pixels.shape[:2])
        pixels = cv2.resize(pixels, (w, h), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))


def keypoints_of(picture: UInt8[np.ndarray, "h w"]) -> Keypoints:
    """Of a small grey picture; none of a blank one. The same picture gives the same bits."""
    found, descriptors = opencv().SIFT_create(nfeatures=MOST).detectAndCompute(picture, None)
    if not found:
        return Keypoints.none()
    points = np.array([point.pt for point in found], np.float32) - DOUBLED
    return Keypoints(points, descriptors.astype(np.uint8))


@dataclass(frozen=True, eq=False)
class Similarity:
    """matrix (3, 3): [[a, -b, x], [b, a, y], [0, 0, 1]], from a point of one picture to one of the other.

    inliers: distinct points of both that it brings within REACH of each other; residual: how far it leaves them apart,
    pixels, root mean square. None where it was not found by points.
    """

    matrix: Float64[np.ndarray, "3 3"]
    inliers: int | None = None
    residual: float | None = None

    @property
    def scale(self) -> float:
        return float(np.hypot(self.matrix[0, 0], self.matrix[1, 0]))

    @property
    def rotation(self) -> float:
        """Degrees from -180 to 180, clockwise as a picture is seen, because y counts downwards."""
        return float(np.degrees(np.arctan2(self.matrix[1, 0], self.matrix[0, 0])))


def similarity(first: Keypoints, second: Keypoints) -> Similarity | None:
    """The similarity from ``first`` to ``second`` that most matches agree on; None where no two do."""
    a, b = _matches(first, second)
    if len(a) < 2:
        return None
    cv2, source, target = opencv(), first.points[a], second.points[b]
    matrix, inside = cv2.estimateAffinePartial2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=REACH, maxIters=ROUNDS
    )  # seeded alike at every call
    if matrix is None or not np.isfinite(matrix).all():
        return None
    inside = inside.ravel().astype(bool)
    # a point may have several orientations, each a keypoint; it counts once
    distinct = min(len(np.unique(np.rint(points[inside]), axis=0)) for points in (source, target))
    left = source[inside] @ matrix[:, :2].T + matrix[:, 2] - target[inside]
    residual = float(np.sqrt((left**2).sum(axis=1).mean())) if len(left) else 0.0
    return Similarity(np.vstack([matrix, [0.0, 0.0, 1.0]]), distinct, residual)


def _matches(first: Keypoints, second: Keypoints) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """Places of the pairs whose descriptors are nearest by the ratio test."""
    if len(first.points) == 0 or len(second.points) < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    squared = np.maximum(2 - 2 * (first.rooted @ second.rooted.T), 0)  # of vectors of length 1
    two = np.partition(squared, 1, axis=1)[:, :2]
    passed = np.flatnonzero(two[:, 0] < RATIO**2 * two[:, 1])
    return passed, squared[passed].argmin(axis=1)
