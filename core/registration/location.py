"""One photograph against a reference: where the part lies, by figures that a person can judge, or that it is not found.

A part is refused that few points agree on, that is turned or sized as none may be, of which too little is in view, or
whose edges agree with the reference far less than those of every nominal photograph.
Letters: h w rows and columns of the reference's small picture, H W of the photograph as taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from core.config import RegistrationConfig
from core.input.mask import mask_of, scaled
from core.input.photograph import Photograph
from core.registration.keypoints import Similarity, keypoints_of, opencv, similarity, small
from core.registration.reference import Reference
from core.registration.warp import Matrix, resized

LEAST_IN_VIEW = 0.98  # of what a mask leaves in
LEAST_OF_FRAME = 0.5  # of the reference's whole picture, whose corners leave the view when a part is turned
BLUR = 2.0  # pixels by which edges are smoothed before they are compared
BORDER = 4  # pixels beside the end of the photograph whose edges are not compared
STILL = 0.1  # pixels of the small picture: what moves no corner further is not resampled


@dataclass(frozen=True, eq=False)
class Location:
    """Where the part lies in a photograph, or why that is not known.

    refusal: None where it is located. inliers: distinct points that agree. rotation: degrees clockwise from the
    reference. scale: its size against the reference's, as shares of the pictures. fit: correlation of both pictures'
    edges, from -1 to 1. inspected_share: of what is to be inspected, how much is in view. transform (3, 3): from a
    pixel (x, y, 1) of the reference to one of the photograph as taken. size: (height, width) of the reference. None
    where nothing was found. still: it lies as in the reference, and is not moved.
    """

    refusal: str | None
    inliers: int
    size: tuple[int, int]
    rotation: float | None = None
    scale: float | None = None
    fit: float | None = None
    inspected_share: float | None = None
    transform: Matrix | None = None
    still: bool = False

    @property
    def located(self) -> bool:
        return self.refusal is None

    def document(self) -> dict[str, Any]:
        """As plain JSON; outline: the corners of the reference's picture in the photograph, clockwise."""
        height, width = self.size
        corners = np.array([[0, 0, 1], [width - 1, 0, 1], [width - 1, height - 1, 1], [0, height - 1, 1]])
        seen = None if self.transform is None else (self.transform @ corners.T)[:2].T.round(1).tolist()
        return {
            "located": self.located,
            "reason": self.refusal,
            "inliers": self.inliers,
            "rotation": self.rotation,
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
    picture = small(photograph, config.side)
    found = similarity(reference.keypoints, keypoints_of(picture))
    if found is None:
        return Location(_few(0, config), 0, reference.size)
    h, w = reference.picture.shape
    region = np.ones((h, w), bool) if mask is None else scaled(mask_of(mask), h, w)
    fit, share = _agreement(picture, reference.picture, region, found.matrix)
    refusal = _refusal(found, config) or _out_of_view(share, mask) or _unlike(fit, reference.level)
    of_photograph = resized(picture.shape, photograph.shape)
    transform = of_photograph @ found.matrix @ np.linalg.inv(resized(reference.picture.shape, reference.size))
    return Location(
        refusal,
        found.inliers,
        reference.size,
        found.rotation,
        found.scale,
        fit,
        share,
        transform,
        photograph.shape == reference.size and _moved(found.matrix, reference.picture.shape) < STILL,
    )


def _refusal(found: Similarity, config: RegistrationConfig) -> str | None:
    if found.inliers < config.min_inliers:
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


def _agreement(
    picture: UInt8[np.ndarray, "_ _"],
    reference: UInt8[np.ndarray, "h w"],
    region: Bool[np.ndarray, "h w"],
    matrix: Matrix,
) -> tuple[float, float]:
    """Correlation of the edges where both are in view and inspected, and the share of the region in view."""
    cv2, (h, w) = opencv(), reference.shape
    backward = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(picture, matrix[:2], (w, h), flags=backward, borderMode=cv2.BORDER_REPLICATE)
    y, x = np.mgrid[:h, :w].reshape(2, -1)
    place = (
        matrix[:2]
        @ np.stack([x, y, np.ones_like(x)])
        / np.array([[picture.shape[1] - 1], [picture.shape[0] - 1]])
    )
    view = ((place >= 0) & (place <= 1)).all(axis=0).reshape(h, w)
    share = float((view & region).sum() / region.sum())
    compared = cv2.erode((view & region).astype(np.uint8), None, iterations=BORDER, borderValue=1).astype(
        bool
    )
    if compared.sum() < 2:
        return 0.0, share
    mine, theirs = (_edges(each)[compared].astype(np.float64) for each in (seen, reference))
    spread = mine.std() * theirs.std()
    return (
        float(((mine - mine.mean()) * (theirs - theirs.mean())).mean() / spread) if spread else 0.0
    ), share


def _edges(picture: UInt8[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """Lengths of the gradient, smoothed."""
    cv2 = opencv()
    x, y = (cv2.Sobel(picture, cv2.CV_32F, *way) for way in ((1, 0), (0, 1)))
    return np.asarray(cv2.GaussianBlur(cv2.magnitude(x, y), (0, 0), BLUR))


def _moved(matrix: Matrix, shape: tuple[int, ...]) -> float:
    """How far, in pixels, it brings the corner that it moves most."""
    h, w = shape
    corners = np.array([[0, 0, 1], [w - 1, 0, 1], [0, h - 1, 1], [w - 1, h - 1, 1]], np.float64)
    return float(np.linalg.norm(((matrix @ corners.T).T - corners)[:, :2], axis=1).max())
