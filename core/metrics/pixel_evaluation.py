"""Pixel-level metrics of heatmaps against masks, exact at every pixel: AUROC, AUPRO (Bergmann et al. 2021).

AUPRO is the area under per-region overlap against false-positive rate, up to a limit, over the limit. The
curve is linear between distinct scores, so each defect pixel adds a closed-form area that needs only how many
nominal pixels lie above it: no threshold grid. A nominal pixel is any outside every mask, in defective images
too; a defective image whose mask is empty has no region and only adds such pixels.

Letters: H W pixels of an image; n defect pixels; height before width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int
from scipy import ndimage

from core.errors import EvaluationError
from core.judging.regions import EIGHT_CONNECTED

LIMIT = 0.3  # false-positive rate up to which AUPRO integrates, as in the MVTec AD papers
SPECK = 16  # a region of fewer pixels is a speck: AUPRO weighs it like any other
BATCH = 1 << 20  # defect pixels ranked at a time, which bounds the memory of their ranks


@dataclass(frozen=True)
class Overlap:
    """AUPRO over some regions, in [0, 1], and over those of at least SPECK pixels: None where all are specks."""

    aupro: float
    aupro_without_specks: float | None
    regions: int
    specks: int


@dataclass(frozen=True)
class PixelMetrics:
    """Pixel AUROC and AUPRO, both in [0, 1], what they were computed over, and AUPRO by kind of defect.

    A kind's false-positive rate is over the nominal pixels of all images, so that kinds compare.
    """

    auroc: float
    overlap: Overlap
    kinds: Mapping[str, Overlap]
    defect_pixels: int
    nominal_pixels: int

    @property
    def aupro(self) -> float:
        """Over all regions."""
        return self.overlap.aupro


class PixelEvaluation:
    """Takes maps and masks one image at a time, each of its own size.

    Keeps 4 bytes a nominal pixel and 8 a defect pixel. ``None`` stands for the mask of a nominal image.
    """

    def __init__(self) -> None:
        self._nominal = _Grown(np.float32)  # scores outside masks
        self._defect = _Grown(np.float32)  # scores inside masks
        self._region = _Grown(np.int32)  # region of each of them
        self._kinds: list[str] = []  # of each region

    def add(
        self,
        heat: Float32[np.ndarray, "_H _W"],
        mask: Bool[np.ndarray, "_H _W"] | None = None,
        kind: str = "defect",
        counted: Bool[np.ndarray, "_H _W"] | None = None,
    ) -> None:
        """One image: its map (H, W), its mask (H, W), True on defects, None for a nominal image, and their kind.

        counted (H, W): pixels that count, nominal and defective ones alike; None for all. Every 8-connected area of the
        rest of a mask is one region. Raises EvaluationError where the shapes differ or the map is not finite; the image
        is then not counted.
        """
        _check(heat, mask)
        if counted is not None:
            _check(heat, counted)
            mask = None if mask is None else mask & counted
        if mask is None or not mask.any():
            self._nominal.append(heat.ravel() if counted is None else heat[counted])
            return
        labels, count = ndimage.label(mask, structure=EIGHT_CONNECTED)
        self._nominal.append(heat[~mask] if counted is None else heat[counted & ~mask])
        self._defect.append(heat[mask])
        self._region.append(labels[mask] - 1 + len(self._kinds))
        self._kinds += [kind] * count

    def metrics(self, limit: float = LIMIT) -> PixelMetrics:
        """AUROC and AUPRO up to the false-positive rate ``limit`` in (0, 1] of every image added so far.

        Raises EvaluationError where no defect pixel or no nominal pixel was added.
        """
        defect, region, nominal = self._sorted(limit)
        regions = len(self._kinds)
        beaten, areas = 0.0, np.zeros(regions)
        for start in range(0, len(defect), BATCH):
            part = slice(start, start + BATCH)
            strictly, at_least = _rates_above(defect[part], nominal)
            beaten += float((1 - (strictly + at_least) / 2).sum())
            areas += np.bincount(region[part], _areas(strictly, at_least, limit), regions)
        sizes = np.bincount(region, minlength=regions)
        overlap = areas / sizes / limit  # each region's mean over its pixels
        kinds = np.asarray(self._kinds)
        return PixelMetrics(
            auroc=beaten / len(defect),
            overlap=_overlap(overlap, sizes),
            defect_pixels=len(defect),
            nominal_pixels=len(nominal),
            kinds={
                kind: _overlap(overlap[kinds == kind], sizes[kinds == kind])
                for kind in sorted({*kinds.tolist()})
            },
        )

    def _sorted(self, limit: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Defect scores ascending, their regions, nominal scores ascending."""
        nominal, defect = self._nominal.values, self._defect.values
        if not (0 < limit <= 1 and self._kinds and len(nominal)):
            raise EvaluationError(
                requirement="pixel metrics need defect pixels, nominal pixels and a limit in (0, 1]",
                received=f"{len(self._kinds)} regions, {len(nominal)} nominal pixels, limit {limit}",
                remedy="add images whose masks mark some pixels and leave some",
            )
        nominal.sort()  # in place: the largest array is held once
        order = np.argsort(defect)  # ascending queries search a sorted array several times faster
        return defect[order], self._region.values[order], nominal


class _Grown:
    """Values appended to one array that grows in place.

    A list of arrays would be held twice while it is joined; and an array kept of each image splits the memory that
    the next image's work would take again: a process was seen to grow by ten gigabytes.
    """

    def __init__(self, dtype: type[np.generic]) -> None:
        self._array, self._count = np.empty(1 << 20, dtype), 0

    @property
    def values(self) -> np.ndarray:
        return self._array[: self._count]

    def append(self, values: np.ndarray) -> None:
        end = self._count + len(values)
        if end > len(self._array):
            self._array.resize(max(end, len(self._array) * 5 // 4), refcheck=False)
        self._array[self._count : end] = values
        self._count = end


def _overlap(overlap: Float64[np.ndarray, " r"], sizes: Int[np.ndarray, " r"]) -> Overlap:
    large = sizes >= SPECK
    return Overlap(
        aupro=float(overlap.mean()),
        aupro_without_specks=float(overlap[large].mean()) if large.any() else None,
        regions=len(sizes),
        specks=int(np.count_nonzero(~large)),
    )


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
