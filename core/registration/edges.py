"""Where a part without texture lies: its edges at many angles, correlated with those of a photograph, then refined.

All shifts of an angle are correlated at once by Fourier transforms of coarse pictures. The angles that correlate best
are refined to the largest enhanced correlation coefficient (Evangelidis and Psarakis 2008) of an affine
map, of which the nearest similarity (Umeyama 1991) is kept; the one by which edges agree best is taken.
Letters: h w rows and columns of a small picture, a angles, n sides of a transform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Complex64, Float32, Float64, UInt8

from core.registration.keypoints import Similarity, opencv
from core.registration.warp import Matrix, resized

SHRINK = 4  # times that a small picture's sides are a coarse one's
STEP = 5.0  # degrees between two angles; refinement reaches further
FINALISTS = 3  # angles that are refined
APART = 3  # steps between two of them
ROOM = 1.6  # sides of a transform, against those of a picture, so that what wraps around meets little
ROUNDS, CHANGE = 30, 1e-3  # of a refinement at most; the change of its coefficient at which it ends
BLUR = 2.0  # pixels by which edges are smoothed before they are compared
BORDER = 4  # pixels beside the end of the photograph whose edges are not compared
LEAST_SIDE = 16  # pixels of a small picture with edges to speak of


@dataclass(frozen=True, eq=False)
class Outline:
    """The edges of a reference's small picture; region: where of it they count."""

    picture: UInt8[np.ndarray, "h w"]
    region: Bool[np.ndarray, "h w"]

    @cached_property
    def edges(self) -> Float32[np.ndarray, "h w"]:
        """As they are compared."""
        return edges_of(self.picture)

    @cached_property
    def coarse(self) -> Float32[np.ndarray, "_ _"]:
        """Those of the coarse picture, 0 where they do not count."""
        edges = _coarse(self.picture)
        kept = opencv().resize(self.region.astype(np.uint8), edges.shape[::-1], interpolation=0) > 0
        return np.asarray(np.where(kept, edges - np.median(edges[kept]) if kept.any() else 0, 0), np.float32)

    @property
    def angles(self) -> Float64[np.ndarray, " a"]:
        """Degrees clockwise."""
        return np.arange(-180.0, 180.0, STEP)

    @cached_property
    def spectra(self) -> Complex64[np.ndarray, "a n _"]:
        """Conjugate transforms of the coarse picture at every angle, of length 1, its middle at the first pixel."""
        cv2, n = opencv(), _side(self.coarse.shape)
        turned = np.stack(
            [cv2.warpAffine(self.coarse, self._onto(angle, n)[:2], (n, n)) for angle in self.angles]
        )
        turned = np.roll(turned, (-(n // 2), -(n // 2)), axis=(1, 2))
        lengths = np.linalg.norm(turned, axis=(1, 2), keepdims=True)
        return np.asarray(np.conj(np.fft.rfft2(turned / np.maximum(lengths, 1e-9))), np.complex64)

    def candidates(self, picture: UInt8[np.ndarray, "_ _"], rotation: float) -> list[Matrix]:
        """Similarities from the reference's small picture to another, the likeliest first; rotation: at most."""
        coarse, n = _coarse(picture), _side(self.coarse.shape)
        seen = np.zeros((n, n), np.float32)
        rows, columns = (min(side, n) for side in coarse.shape)
        seen[:rows, :columns] = (coarse - np.median(coarse))[:rows, :columns]
        near = np.flatnonzero(np.abs(self.angles) <= rotation + STEP)
        found = np.fft.irfft2(np.fft.rfft2(seen) * self.spectra[near], s=(n, n))
        found = found[:, :rows, :columns].reshape(len(near), -1)  # the reference's middle is in the picture
        best = found.max(axis=1)
        kept: list[int] = []
        for i in np.argsort(-best, kind="stable").tolist():
            away = [abs(near[i] - near[j]) for j in kept]
            if all(min(steps, len(self.angles) - steps) >= APART for steps in away):
                kept.append(i)
        places = [(near[i], *divmod(int(found[i].argmax()), columns)) for i in kept[:FINALISTS]]
        return [
            self._from_coarse(self.angles[angle], y, x, picture.shape, coarse.shape) for angle, y, x in places
        ]

    def _onto(self, angle: float, n: int) -> Matrix:
        """The coarse picture turned about its middle, which comes to the middle of n x n."""
        turn = math.radians(angle)
        linear = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        middle = (np.array(self.coarse.shape[::-1]) - 1) / 2
        return np.vstack([np.column_stack([linear, n // 2 - linear @ middle]), [0.0, 0.0, 1.0]])

    def _from_coarse(
        self, angle: float, y: int, x: int, size: tuple[int, ...], coarse: tuple[int, ...]
    ) -> Matrix:
        """Of the small pictures, where the middle of the coarse reference comes to pixel (x, y) of the other."""
        onto = self._onto(angle, 0)
        onto[:2, 2] += (x, y)
        found: Matrix = resized(coarse, size) @ onto @ resized(self.picture.shape, self.coarse.shape)
        return found

    def refined(self, picture: UInt8[np.ndarray, "_ _"], candidates: list[Matrix]) -> Similarity | None:
        """The candidate by which edges agree best, once refined; None where none could be."""
        cv2, edges, best = opencv(), edges_of(picture), None
        ends = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, ROUNDS, CHANGE)
        masks = self.region.astype(np.uint8), np.ones(edges.shape, np.uint8)
        for start in candidates:
            try:
                _, affine = cv2.findTransformECCWithMask(
                    self.edges,
                    edges,
                    *masks,
                    start[:2].astype(np.float32),
                    cv2.MOTION_AFFINE,
                    ends,
                    1,
                )
            except cv2.error:  # it does not converge from here
                continue
            matrix = _similar(affine.astype(np.float64), self.picture.shape)
            fit = agreement(edges, self.edges, self.region, matrix)[0]
            if best is None or fit > best[0]:
                best = fit, matrix
        return None if best is None else Similarity(best[1])


def by_edges(outline: Outline, picture: UInt8[np.ndarray, "h w"], rotation: float) -> Similarity | None:
    """The similarity from a reference's small picture to another by their edges; None where either has none.

    rotation: degrees that it is looked for at, either way. The same pictures give the same bits.
    """
    sides = (*outline.picture.shape, *picture.shape)
    if min(sides) < LEAST_SIDE or not outline.coarse.any() or picture.min() == picture.max():
        return None
    return outline.refined(picture, outline.candidates(picture, rotation))


def edges_of(picture: UInt8[np.ndarray, "h w"], blur: float = BLUR) -> Float32[np.ndarray, "h w"]:
    """Lengths of the gradient, smoothed."""
    cv2 = opencv()
    x, y = (cv2.Sobel(picture, cv2.CV_32F, *way) for way in ((1, 0), (0, 1)))
    return np.asarray(cv2.GaussianBlur(cv2.magnitude(x, y), (0, 0), blur))


def agreement(
    edges: Float32[np.ndarray, "_ _"],
    reference: Float32[np.ndarray, "h w"],
    region: Bool[np.ndarray, "h w"],
    matrix: Matrix,
) -> tuple[float, float]:
    """Correlation of the edges where both are in view and inspected, and the share of the region in view."""
    cv2, (h, w) = opencv(), reference.shape
    backward = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(edges, matrix[:2], (w, h), flags=backward, borderMode=cv2.BORDER_REPLICATE)
    y, x = np.mgrid[:h, :w].reshape(2, -1)
    ends = np.array([[edges.shape[1] - 1], [edges.shape[0] - 1]])
    place = matrix[:2] @ np.stack([x, y, np.ones_like(x)])
    view = ((place >= 0) & (place <= ends)).all(axis=0).reshape(h, w)
    share = float((view & region).sum() / region.sum())
    inside = cv2.erode((view & region).astype(np.uint8), None, iterations=BORDER, borderValue=1).astype(bool)
    if inside.sum() < 2:
        return 0.0, share
    mine, theirs = (each[inside].astype(np.float64) for each in (seen, reference))
    spread = mine.std() * theirs.std()
    return (
        float(((mine - mine.mean()) * (theirs - theirs.mean())).mean() / spread) if spread else 0.0
    ), share


def _coarse(picture: UInt8[np.ndarray, "h w"]) -> Float32[np.ndarray, "_ _"]:
    """Edges of the coarse picture."""
    h, w = (max(1, round(side / SHRINK)) for side in picture.shape)
    return edges_of(opencv().resize(picture, (w, h), interpolation=opencv().INTER_AREA), BLUR / 2)


def _side(coarse: tuple[int, ...]) -> int:
    return 8 * math.ceil(ROOM / 8 * max(coarse))


def _similar(affine: Float64[np.ndarray, "2 3"], shape: tuple[int, ...]) -> Matrix:
    """The similarity that brings a picture's corners nearest to where an affine map does."""
    h, w = shape
    corners = np.array([[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]], np.float64)
    moved = corners @ affine[:, :2].T
    source, target = (each - each.mean(axis=0) for each in (corners, moved))
    a = (source * target).sum() / (source**2).sum()
    b = (source[:, 0] * target[:, 1] - source[:, 1] * target[:, 0]).sum() / (source**2).sum()
    linear = np.array([[a, -b], [b, a]])
    shift = moved.mean(axis=0) + affine[:, 2] - linear @ corners.mean(axis=0)
    return np.vstack([np.column_stack([linear, shift]), [0.0, 0.0, 1.0]])
