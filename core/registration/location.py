"""One photograph against a reference: where the part lies, by figures that a person can judge, or that it is not found.

A part is refused that few points agree on, that is turned or sized as none may be, of which too little is in view, or
whose edges agree with the reference far less than those of every nominal photograph.
Letters: h w rows and columns of the reference's small picture, H W of the photograph as taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.config import RegistrationConfig
from core.input.photograph import Photograph
from core.registration.edges import agreement, edges_of
from core.registration.keypoints import Similarity, small
from core.registration.reference import ALIKE, ENOUGH, Method, Reference, region_of, side_of
from core.registration.warp import Matrix, resized

LEAST_IN_VIEW = 0.98  # of what a mask leaves in
LEAST_OF_FRAME = 0.5  # of the reference's whole picture, whose corners leave the view when a part is turned
POSE = ("inliers", "residual", "rotation", "x", "y", "scale")  # of a located part
STILL = 0.1  # pixels of the small picture: what moves no corner further is not resampled


@dataclass(frozen=True, eq=False)
class Location:
    """Where the part lies in a photograph, or why that is not known.

    refusal: None where it is located. method: what it was looked for by. size: (height, width) of the reference.
    inliers: distinct points that agree, None by edges. residual: how far these are apart, pixels of the photograph as
    taken, root mean square. rotation: degrees clockwise from the reference. shift: (x, y) from the photograph's middle
    to where the reference's is, pixels. scale: its size against the reference's, as shares of the pictures. fit:
    correlation of both pictures' edges, from -1 to 1. inspected_share: of what is to be inspected, how much is in view.
    transform (3, 3): from a pixel (x, y, 1) of the reference to one of the photograph as taken. None where nothing was
    found. still: it lies as in the reference, and is not moved.
    """

    refusal: str | None
    method: Method
    size: tuple[int, int]
    inliers: int | None = None
    residual: float | None = None
    rotation: float | None = None
    shift: tuple[float, float] | None = None
    scale: float | None = None
    fit: float | None = None
    inspected_share: float | None = None
    transform: Matrix | None = None
    still: bool = False

    @property
    def located(self) -> bool:
        return self.refusal is None

    @property
    def pose(self) -> tuple[float, ...]:
        """The figures of POSE, as a bank keeps them; NaN for what there is not."""
        x, y = self.shift or (None, None)
        found = (self.inliers, self.residual, self.rotation, x, y, self.scale)
        return tuple(math.nan if value is None else float(value) for value in found)

    def document(self) -> dict[str, Any]:
        """As plain JSON; outline: the corners of the reference's picture in the photograph, clockwise."""
        height, width = self.size
        corners = np.array([[0, 0, 1], [width - 1, 0, 1], [width - 1, height - 1, 1], [0, height - 1, 1]])
        seen = None if self.transform is None else (self.transform @ corners.T)[:2].T.round(1).tolist()
        return {
            "located": self.located,
            "reason": self.refusal,
            "method": self.method,
            "inliers": self.inliers,
            "residual": self.residual,
            "rotation": self.rotation,
            "shift": None if self.shift is None else list(self.shift),
            "scale": self.scale,
            "fit": self.fit,
            "inspected_share": self.inspected_share,
            "transform": None if self.transform is None else self.transform.tolist(),
            "outline": seen,
        }


def locate(
    photograph: Photograph, reference: Reference, config: RegistrationConfig, mask: str | None
) -> Location:
    """The part in a photograph. mask: what of the reference is inspected, as settings keep it.

    The same photograph and reference give the same bits.
    """
    method = reference.method
    picture = small(photograph, side_of(method, config))
    region = region_of(mask, reference.picture.shape)
    found = reference.found(picture, region, config)
    if found is None:
        return Location(_nothing(method, config), method, reference.size, 0 if method == "sift" else None)
    fit, share = agreement(edges_of(picture), reference.edges, region, found.matrix)
    refusal = _refusal(found, config) or _out_of_view(share, mask) or _unlike(fit, reference.level)
    of_photograph = resized(picture.shape, photograph.shape)
    transform = of_photograph @ found.matrix @ np.linalg.inv(resized(reference.picture.shape, reference.size))
    return Location(
        refusal,
        method,
        reference.size,
        found.inliers,
        None if found.residual is None else found.residual * float(of_photograph[0, 0]),
        found.rotation,
        _shift(transform, reference.size, photograph.shape),
        found.scale,
        fit,
        share,
        transform,
        photograph.shape == reference.size and _moved(found.matrix, reference.picture.shape) < STILL,
    )


def unsure(location: Location) -> str | None:
    """Why nothing is to be learned from a located nominal photograph, which must agree more than an inspected one."""
    if location.inliers is not None:
        few = location.inliers < ENOUGH
        return f"{location.inliers} points agree with the reference, and {ENOUGH} must" if few else None
    return None if location.fit is None else _unlike(location.fit, ALIKE)


def _nothing(method: Method, config: RegistrationConfig) -> str:
    return _few(0, config) if method == "sift" else "no edges are found where the reference has its own"


def _refusal(found: Similarity, config: RegistrationConfig) -> str | None:
    if found.inliers is not None and found.inliers < config.min_inliers:
        return _few(found.inliers, config)
    if abs(found.rotation) > config.rotation:
        return f"it is turned by {found.rotation:.0f} degrees, and parts turn by at most {config.rotation:g}"
    if not 1 / config.scale <= found.scale <= config.scale:
        return f"its size is {found.scale:.2f} times the reference's, from {1 / config.scale:.2f} to {config.scale:g}"
    return None


def _few(inliers: int, config: RegistrationConfig) -> str:
    return f"{inliers} points agree with the reference, and {config.min_inliers} must"


def _out_of_view(share: float, mask: str | None) -> str | None:
    least = LEAST_OF_FRAME if mask is None else LEAST_IN_VIEW
    return None if share >= least else f"{share:.0%} of it is in view, and {least:.0%} must be"


def _unlike(fit: float, level: float) -> str | None:
    if fit >= level:
        return None
    return f"its edges agree by {fit:.2f} with the reference's, and {level:.2f} is the least"


def _shift(matrix: Matrix, reference: tuple[int, int], size: tuple[int, int]) -> tuple[float, float]:
    """(x, y) from the middle of a photograph of (height, width) to where the reference's middle is."""
    (height, width), (rows, columns) = reference, size
    place = (matrix @ ((width - 1) / 2, (height - 1) / 2, 1.0))[:2]
    x, y = (place - ((columns - 1) / 2, (rows - 1) / 2)).tolist()
    return x, y


def _moved(matrix: Matrix, shape: tuple[int, ...]) -> float:
    """How far, in pixels, it brings the corner that it moves most."""
    h, w = shape
    corners = np.array([[0, 0, 1], [w - 1, 0, 1], [0, h - 1, 1], [w - 1, h - 1, 1]], np.float64)
    return float(np.linalg.norm(((matrix @ corners.T).T - corners)[:, :2], axis=1).max())
