"""What a build leaves behind: vectors in their index, where each came from, and what calibrates the scores.

Letters: m bank vectors, d dimensions, n nominal images, c conformance images, s scored images, h w height and width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Int32, UInt8

from core.bank.names import check_image_name, check_label
from core.config import DetectorConfig
from core.errors import ShapeError
from core.features.pca import Pca
from core.features.position import Position
from core.groups.groups import SOURCES, Source
from core.judging.groups import as_groups
from core.registration import POSE, Reference
from core.search import Index

MOST_CONFORMANCE_IMAGES = 16
_LEAST_STD = 1e-6  # of a channel; in float32, an intensity divided by it keeps its digits


@dataclass(frozen=True)
class BackboneRef:
    """Which backbone made the vectors. digest: of its weights; mean, std: a channel's, of [0, 1] intensities.

    layers and channels run side by side; the channels of all layers together are the d of a vector.
    runtime and precision are those of the build: scores under others may differ slightly.
    """

    name: str
    layers: tuple[str, ...]
    channels: tuple[int, ...]
    digest: str
    runtime: str
    precision: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        for of in ("name", "digest", "runtime", "precision"):
            check_label(getattr(self, of), f"a backbone's {of}")
        for layer in self.layers:
            check_label(layer, "a backbone's layer")
        _require(
            len(self.layers) == len(self.channels) > 0 and all(count > 0 for count in self.channels),
            "a backbone must have one channel count above 0 a layer",
            f"layers {self.layers}, channels {self.channels}",
        )
        _require(
            all(map(math.isfinite, (*self.mean, *self.std))) and min(self.std) >= _LEAST_STD,
            f"a backbone's mean and std must be finite, std at least {_LEAST_STD}",
            f"mean {self.mean}, std {self.std}",
        )


@dataclass(frozen=True, eq=False)
class Provenance:
    """Where bank vectors come from. images: the n nominal images' names, in the order they were read.

    image, row, column: for each of m vectors a position in ``images`` and its cell of that image's grid.
    """

    images: tuple[str, ...]
    image: Int32[np.ndarray, " _"]  # (m,)
    row: Int32[np.ndarray, " _"]  # (m,)
    column: Int32[np.ndarray, " _"]  # (m,)

    def __post_init__(self) -> None:
        for name in self.images:
            check_image_name(name)
        m = len(self.image)
        _require(
            m > 0 and len(self.row) == len(self.column) == m,
            "image, row and column must have one entry a bank vector",
            f"{m}, {len(self.row)} and {len(self.column)}",
        )
        _require(
            self.image.min() >= 0 and self.image.max() < len(self.images),
            f"a vector's image must be from 0 to {len(self.images) - 1}",
            f"{self.image.min()} to {self.image.max()}",
        )
        _require(
            min(self.row.min(), self.column.min()) >= 0,
            "a vector's row and column must not be negative",
            f"{min(self.row.min(), self.column.min())}",
        )


@dataclass(frozen=True)
class CoresetRecord:
    """What the coreset kept of ``source_patches`` nominal patches.

    covering_radius: largest distance of any of them to the kept, in the space greedy searched, Euclidean.
    radius_bound: what that radius is proven not to exceed. exact: picked from all patches at once, not by
    merge-reduce.
    """

    covering_radius: float
    radius_bound: float
    exact: bool
    source_patches: int

    def __post_init__(self) -> None:
        _require(
            0 <= self.covering_radius < math.inf and 0 <= self.radius_bound < math.inf,
            "covering radius and its bound must be finite and not negative",
            f"{self.covering_radius} and {self.radius_bound}",
        )
        _require(self.source_patches > 0, "a coreset must come from patches", f"{self.source_patches}")


@dataclass(frozen=True, eq=False)
class Conformance:
    """A few images with the scores they had at the build: by them another machine proves it scores alike.

    tolerance: largest relative difference of a score, in (0, 1].
    """

    images: tuple[UInt8[np.ndarray, "_ _ 3"], ...] = ()  # c of (h, w, 3), RGB
    scores: Float32[np.ndarray, " _"] = field(default_factory=lambda: np.empty(0, np.float32))  # (c,)
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        _require(
            len(self.images) == len(self.scores) <= MOST_CONFORMANCE_IMAGES,
            f"conformance images must have one score each and be at most {MOST_CONFORMANCE_IMAGES}",
            f"{len(self.images)} images, {len(self.scores)} scores",
        )
        _require(all(image.size for image in self.images), "a conformance image must have pixels", "none")
        _check_scores(self.scores, "conformance scores")
        _require(0 < self.tolerance <= 1, "the conformance tolerance must be in (0, 1]", f"{self.tolerance}")


@dataclass(frozen=True, eq=False)
class Bank:
    """One immutable build. Scores and peaks are Euclidean distances, larger is more anomalous.

    calibration_scores (s,): nominal images' scores against the bank as it would be without their part;
    calibration_peaks (s,): the highest values of their heatmaps, likewise. calibrated (s,): which of
    ``provenance.images`` they are of, ascending; None: all. groups (n,): the part each image shows, numbered from
    0 in the order of appearance; None: each its own. grouped_by: who said so, if known. pca:
    what patch vectors are reduced by before they are searched; position: how much their places count. reference:
    what each photograph's part is brought onto; poses (n, 6): how each of ``provenance.images`` lies against it
    (``core.registration.POSE``), for people to look at. Raises ShapeError where the parts do not fit each other.
    """

    config: DetectorConfig
    backbone: BackboneRef
    index: Index
    provenance: Provenance
    coreset: CoresetRecord
    calibration_scores: Float32[np.ndarray, " _"]
    calibration_peaks: Float32[np.ndarray, " _"]
    conformance: Conformance = field(default_factory=Conformance)
    pca: Pca | None = None
    position: Position | None = None
    reference: Reference | None = None
    poses: Float32[np.ndarray, "_ _"] | None = None
    groups: Int32[np.ndarray, " _"] | None = None
    calibrated: Int32[np.ndarray, " _"] | None = None
    grouped_by: Source | None = None

    def __post_init__(self) -> None:
        m = len(self.vectors)
        n = len(self.provenance.images)
        self._check_dimensions()
        _require(
            len(self.provenance.image) == m,
            f"provenance must name the place of each of {m} vectors",
            f"{len(self.provenance.image)} places",
        )
        _require(
            self.index.config == self.config.index,
            "the index must be built as the config says",
            f"{self.index.config}",
        )
        _require(
            self.coreset.source_patches >= m,
            f"a coreset must come from at least the {m} patches it kept",
            f"{self.coreset.source_patches}",
        )
        self._check_groups(n)
        if self.poses is not None:
            fit = self.reference is not None and self.poses.shape == (n, len(POSE))
            fit = fit and not bool(np.isinf(self.poses).any())
            _require(
                fit, f"a bank with a reference may hold a pose for each of {n} images", f"{self.poses.shape}"
            )
        n = n if self.calibrated is None else len(self.calibrated)
        for name in ("calibration_scores", "calibration_peaks"):
            values = getattr(self, name)
            _require(len(values) == n, f"{name} must have one entry for each of {n} images", f"{len(values)}")
            _check_scores(values, name)

    def _check_groups(self, n: int) -> None:
        if self.groups is not None:
            fit = self.groups.shape == (n,) and np.array_equal(self.groups, as_groups(self.groups))
            _require(fit, f"groups must number the parts of {n} images as they appear", f"{self.groups[:9]}")
        if self.grouped_by is not None:
            known = self.groups is not None and self.grouped_by in SOURCES
            _require(known, f"groups must come from one of {', '.join(SOURCES)}", f"{self.grouped_by!a}")
        if self.calibrated is not None:
            some = self.calibrated
            fit = 0 < len(some) < n and some[0] >= 0 and some[-1] < n and bool(np.all(np.diff(some) > 0))
            _require(fit, f"calibrated images must be some of {n}, ascending", f"{some[:9]}")

    @property
    def calibration_groups(self) -> Int32[np.ndarray, " _"]:
        """(s,): the part of each calibration score, numbered from 0."""
        return scored_groups(len(self.provenance.images), self.groups, self.calibrated)

    def _check_dimensions(self) -> None:
        held = (self.position, self.config.position > 0), (self.reference, self.config.registration.on)
        fit = all((each is not None) == asked for each, asked in held)
        _require(fit, "a bank must hold places and a reference only where its config asks for them", "others")
        d, channels = self.vectors.shape[1], sum(self.backbone.channels)
        kept, d = self.config.components(channels), d - (0 if self.position is None else 2)
        if self.pca is None:
            _require(not self.config.reduces, f"a bank of {kept} principal components must hold them", "none")
            _require(
                d == channels, f"vectors must have the backbone's {channels} channels", f"{d} dimensions"
            )
            return
        _require(self.config.reduces, "a bank must hold a PCA only where its config asks for one", "one")
        _require(
            tuple(self.pca.components.shape) == (kept, channels),
            f"a PCA must have the config's {kept} components of the backbone's {channels} channels",
            f"components {tuple(self.pca.components.shape)}",
        )
        _require(d == kept, f"vectors must have the PCA's {kept} dimensions", f"{d} dimensions")
        _require(
            self.config.metric == "whitened" or not self.pca.whitened,
            "a PCA's components must be of length 1 unless the metric is whitened",
            "shorter ones",
        )

    @property
    def vectors(self) -> Float32[np.ndarray, "m d"]:
        """The bank vectors, those of the index."""
        return self.index.vectors


def scored_groups(
    images: int, groups: Int32[np.ndarray, " _"] | None, calibrated: Int32[np.ndarray, " _"] | None
) -> Int32[np.ndarray, " _"]:
    """The part of each scored image, numbered from 0: of a bank's own two fields."""
    of_all = np.arange(images) if groups is None else groups
    return as_groups(of_all if calibrated is None else of_all[calibrated]).astype(np.int32)


def _check_scores(scores: Float32[np.ndarray, " _"], name: str) -> None:
    fit = np.isfinite(scores) & (scores >= 0)
    _require(bool(fit.all()), f"{name} must be finite and not negative", f"{scores[~fit][:3].tolist()}")


def _require(holds: bool | np.bool_, requirement: str, received: str) -> None:
    if not holds:
        raise ShapeError(requirement=requirement, received=received[:200], remedy="build the bank again")
