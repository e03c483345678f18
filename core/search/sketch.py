"""Vectors made short without losing the order of distances: principal axes, and the length of what they leave.

With orthonormal axes V, f(x) = (V^T x, sqrt(|x|^2 - |V^T x|^2)) never lengthens a distance: the triangle
inequality bounds what lies outside V by the difference of its lengths. So no vector is nearer than its sketch.
At last f is turned at random, which moves no distance and spreads each vector evenly over the numbers of its sketch.
Letters: n vectors, d dimensions, a axes, w dimensions of a sketch.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

_LEAST_DIMENSION = 512  # shorter vectors are turned as they are: projecting them saves nothing (measured)
_FEWEST = 2  # vectors for each number of a sketch, from which on sketching was seen to save time
_SHARE = 5  # at least one number for so many dimensions; measured on ResNet50 patches
_MULTIPLE = 64  # numbers are a multiple of it: products of eight bits are at their best
_SAMPLE = 2048  # vectors that the axes are found from
_UNIT = 2.0**-24  # relative rounding of a float32
_SEED = 0


class Sketch:
    """The map f, centred on a bank's mean.

    width: its numbers w, d where nothing would be saved. turned: false for banks too small for it. spread: the root
    mean square of a number.
    """

    def __init__(self, vectors: Float32[np.ndarray, "m d"]) -> None:
        m, d = vectors.shape
        self._origin = vectors.mean(axis=0)
        width = d if d < _LEAST_DIMENSION else -(-d // (_SHARE * _MULTIPLE)) * _MULTIPLE
        self.turned = m >= _FEWEST * width
        self.width = width if self.turned else d
        self._axes: Tensor | None = None  # (d, w)
        self._rest: Float32[np.ndarray, " w"] | None = None  # where the length of the rest is turned to
        if self.turned and width == d:
            self._axes = _shrunk(_turn(d))
        elif self.turned:
            axes, turn = _principal_axes(_sample(vectors) - self._origin, width - 1), _turn(width)
            self._axes, self._rest = _shrunk(axes @ turn[:-1]), turn[-1]
        self.spread = float(np.sqrt(squares(self(_sample(vectors))[0]).mean(dtype=np.float64) / self.width))

    def __call__(
        self, vectors: Float32[np.ndarray, "n d"]
    ) -> tuple[Float32[np.ndarray, "n w"], Float64[np.ndarray, " n"]]:
        """Sketches, and how far each may lie from its exact one for rounding."""
        shift = torch.from_numpy(vectors - self._origin)
        norm = torch.linalg.vector_norm(shift, dim=1).double().square().numpy()  # (n,)
        if self._axes is None:
            return shift.numpy(), _UNIT * np.sqrt(norm)
        sketch = (shift @ self._axes).numpy()  # (n, w)
        rounding = _projection_rounding(*self._axes.shape)
        moved = (rounding + 4 * _UNIT) * np.sqrt(norm)
        if self._rest is None:
            return sketch, moved
        rest = np.maximum(norm - squares(sketch), 0)
        root = np.sqrt(rest).astype(np.float32)
        sketch += root[:, None] * self._rest
        off = 3 * rounding * norm  # of ``rest``: 2 |inside| times its error, and the sums of squares
        with np.errstate(divide="ignore", invalid="ignore"):
            return sketch, moved + np.fmin(np.sqrt(off), off / np.sqrt(rest))


def squares(vectors: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, " n"]:
    """Squared Euclidean lengths."""
    return np.asarray(np.einsum("nd,nd->n", vectors, vectors))


def _sample(vectors: Float32[np.ndarray, "m d"]) -> Float32[np.ndarray, "s d"]:
    return vectors[:: len(vectors) // min(len(vectors), _SAMPLE)]


def _principal_axes(sample: Float32[np.ndarray, "n d"], count: int) -> Float32[np.ndarray, "d a"]:
    """About the first principal axes: subspace iteration (Halko et al. 2011), begun with vectors.

    Any orthonormal axes are correct; these leave little outside.
    """
    x = torch.from_numpy(sample / np.abs(sample).max().clip(1e-30))
    axes = x[:count].T  # (d, a)
    for _ in range(2):
        # numpy's QR stays on this thread; torch's waits at each column for threads that others keep busy
        axes = torch.from_numpy(np.linalg.qr((x.T @ (x @ axes)).numpy()).Q)
    return np.asarray(axes.numpy())


def _turn(width: int) -> Float32[np.ndarray, "w w"]:
    """A rotation at random, the same for a width."""
    return np.asarray(np.linalg.qr(np.random.default_rng(_SEED).normal(size=(width, width))).Q, np.float32)


def _shrunk(axes: Float32[np.ndarray, "d w"]) -> Tensor:
    """No longer than orthonormal, after rounding."""
    return torch.from_numpy(axes * np.float32(1 - 2.0**-16)).contiguous()


def _projection_rounding(d: int, a: int) -> float:
    """Bound of a projection's rounding, relative to the vector: four times that of d * a independent ones."""
    exact = torch.get_float32_matmul_precision() == "highest"
    return 4 * (d * a) ** 0.5 * _UNIT if exact else 2.0**-6
