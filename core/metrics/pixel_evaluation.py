"""Pixel-level metrics of heatmaps against masks, exact at every pixel: AUROC, AUPRO (Bergmann et al. 2021).

AUPRO is the area under per-region overlap against false-positive rate, up to a limit, over the limit. The
curve is linear between distinct scores, so each defect pixel adds a closed-form area that needs only how many
nominal pixels lie above it: no threshold grid. A nominal pixel is any outside every mask, in defective images
too; a defective image whose mask is empty has no region and only adds such pixels.

Letters: H W pixels of an image; n defect pixels; height before width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64
from scipy import ndimage

from core.errors import EvaluationError
from core.judging.regions import EIGHT_CONNECTED

LIMIT = 0.3  # false-positive rate up to which AUPRO integrates, as in the MVTec AD papers
BATCH = 1 << 20  # defect pixels ranked at a time, which bounds the memory of their ranks


@dataclass(frozen=True)
class PixelMetrics:
    """Pixel AUROC and AUPRO, both in [0, 1], and what they were computed over."""

    auroc: float
    aupro: float
    regions: int
    defect_pixels: int
    nominal_pixels: int


class PixelEvaluation:
    """Takes maps and masks one image at a time, each of its own size.

    Keeps 4 bytes a nominal pixel and 8 a defect pixel. ``None`` stands for the mask of a nominal image.
    """

    def __init__(self) -> None:
        self._nominal = np.empty(0, np.float32)  # scores outside masks, the first _nominals of them
        self._nominals = 0
        self._defect: list[np.ndarray] = []  # float32 scores inside masks
        self._region: list[np.ndarray] = []  # int32 region of each of them
        self._regions = 0

    def add(self, heat: Float32[np.ndarray, "_H _W"], mask: Bool[np.ndarray, "_H _W"] | None = None) -> None:
        """One image: its map (H, W) and its mask (H, W), True on defects; None for a nominal image.

        Every 8-connected area of a mask is one region. Raises EvaluationError where the shapes differ or the
        map is not finite; the image is then not counted.
        """
        _check(heat, mask)
        if mask is None or not mask.any():
            self._keep_nominal(heat.ravel())
            return
        labels, count = ndimage.label(mask, structure=EIGHT_CONNECTED)
        self._keep_nominal(heat[~mask])
        self._defect.append(heat[mask])
        self._region.append((labels[mask] - 1 + self._regions).astype(np.int32))
        self._regions += count

    def metrics(self, limit: float = LIMIT) -> PixelMetrics:
        """AUROC and AUPRO up to the false-positive rate ``limit`` in (0, 1] of every image added so far.

        Raises EvaluationError where no defect pixel or no nominal pixel was added.
        """
        defect, region, nominal = self._sorted(limit)
        beaten, areas = 0.0, np.zeros(self._regions)
        for start in range(0, len(defect), BATCH):
            part = slice(start, start + BATCH)
            strictly, at_least = _rates_above(defect[part], nominal)
            beaten += float((1 - (strictly + at_least) / 2).sum())
            areas += np.bincount(region[part], _areas(strictly, at_least, limit), self._regions)
        overlap = areas / np.bincount(region, minlength=self._regions)  # each region's mean over its pixels
        return PixelMetrics(
            auroc=beaten / len(defect),
            aupro=float(overlap.mean() / limit),
            regions=self._regions,
            defect_pixels=len(defect),
            nominal_pixels=len(nominal),
        )

    def _keep_nominal(self, scores: np.ndarray) -> None:
        end = self._nominals + len(scores)
        if end > len(self._nominal):  # grows where it lies: joining a list of chunks would hold them twice
            self._nominal.resize(max(end, len(self._nominal) * 5 // 4), refcheck=False)
        self._nominal[self._nominals : end] = scores
        self._nominals = end

    def _sorted(self, limit: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Defect scores ascending, their regions, nominal scores ascending."""
        if not (0 < limit <= 1 and self._regions and self._nominals):
            raise EvaluationError(
                requirement="pixel metrics need defect pixels, nominal pixels and a limit in (0, 1]",
                received=f"{self._regions} regions, {self._nominals} nominal pixels, limit {limit}",
                remedy="add images whose masks mark some pixels and leave some",
            )
        nominal = self._nominal[: self._nominals]
        nominal.sort()  # in place: the largest array is held once
        defect = np.concatenate(self._defect)
        order = np.argsort(defect)  # ascending queries search a sorted array several times faster
        return defect[order], np.concatenate(self._region)[order], nominal


def _rates_above(
    scores: Float32[np.ndarray, " n"], nominal: Float32[np.ndarray, " m"]
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Share of the ascending ``nominal`` scores strictly above, and at or above, each score."""
    strictly = len(nominal) - np.searchsorted(nominal, scores, "right")
    at_least = len(nominal) - np.searchsorted(nominal, scores, "left")
    return strictly / len(nominal), at_least / len(nominal)


def _areas(
    strictly: Float64[np.ndarray, " n"], at_least: Float64[np.ndarray, " n"], limit: float
) -> Float64[np.ndarray, " n"]:
    """What each defect pixel adds to the area under its region's overlap curve, times the region's pixels.

    At its score a pixel lifts the overlap linearly while the false-positive rate goes from ``strictly`` to
    ``at_least`` (they differ where nominal pixels tie with it); from there it holds up to ``limit``.
    """
    rise = at_least - strictly
    climbed = np.clip(limit - strictly, 0, rise)  # how much of the ramp lies before the limit
    ramp = climbed**2 / (2 * np.where(rise > 0, rise, 1))
    area: np.ndarray = ramp + np.maximum(limit - at_least, 0)
    return area


def _check(heat: np.ndarray, mask: np.ndarray | None) -> None:
    if heat.ndim != 2 or (mask is not None and mask.shape != heat.shape):
        raise EvaluationError(
            requirement="a map and its mask must share the shape (H, W)",
            received=f"map {heat.shape} and mask {None if mask is None else mask.shape}",
            remedy="compute the map at the original image size",
        )
    if not np.isfinite(heat).all():
        raise EvaluationError(
            requirement="maps must be finite",
            received=f"{np.count_nonzero(~np.isfinite(heat))} of {heat.size} pixels that are not",
            remedy="check the backbone's weights and the image for non-finite values",
        )
