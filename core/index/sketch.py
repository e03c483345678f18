"""Vectors made short without losing the order of distances: principal axes, and the length of what they leave.

With orthonormal axes V, f(x) = (V^T x, sqrt(|x|^2 - |V^T x|^2)) never lengthens a distance: the triangle
inequality bounds what lies outside V by the difference of its lengths. So no vector is nearer than its sketch.
Letters: n vectors, d dimensions, a axes, w dimensions of a sketch.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

_LEAST_DIMENSION = 512  # shorter vectors are multiplied as they are: projecting them saves nothing (measured)
_FEWEST = 2  # vectors for each axis, from which on sketching was seen to save time
_SHARE = 6  # one axis for so many dimensions; measured on ResNet50 patches
_SAMPLE = 2048  # vectors that the axes are found from
_UNIT = 2.0**-24  # relative rounding of a float32


class Sketch:
    """The map f, centred on a bank's mean. width: its dimensions w; d itself where nothing would be saved."""

    def __init__(self, vectors: Float32[np.ndarray, "m d"]) -> None:
        m, d = vectors.shape
        self._origin = vectors.mean(axis=0)
        self._axes: Tensor | None = None
        if d >= _LEAST_DIMENSION and m >= _FEWEST * (d // _SHARE):
            self._axes = _principal_axes(vectors[:: m // min(m, _SAMPLE)] - self._origin, d // _SHARE)
        self.width = d if self._axes is None else self._axes.shape[1] + 1

    def __call__(
        self, vectors: Float32[np.ndarray, "n d"]
    ) -> tuple[Float32[np.ndarray, "n w"], Float64[np.ndarray, " n"]]:
        """Sketches, and how far each may lie from its exact one for rounding."""
        shift = torch.from_numpy(vectors - self._origin)
        norm = torch.linalg.vector_norm(shift, dim=1).double().square().numpy()  # (n,)
        if self._axes is None:
            return shift.numpy(), _UNIT * np.sqrt(norm)
        inside = (shift @ self._axes).numpy()  # (n, a)
        rest = np.maximum(norm - squares(inside), 0)
        sketch = np.column_stack([inside, np.sqrt(rest).astype(np.float32)])
        d, a = self._axes.shape
        rounding = _projection_rounding(d, a)
        off = 3 * rounding * norm  # of ``rest``: 2 |inside| times its error, and the sums of squares
        with np.errstate(divide="ignore", invalid="ignore"):
            root = np.fmin(np.sqrt(off), off / np.sqrt(rest))
        return sketch, (rounding + 2 * _UNIT) * np.sqrt(norm) + root


def squares(vectors: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, " n"]:
    """Squared Euclidean lengths."""
    return np.asarray(np.einsum("nd,nd->n", vectors, vectors))


def _principal_axes(sample: Float32[np.ndarray, "n d"], count: int) -> Tensor:
    """About the first principal axes (d, a): subspace iteration (Halko et al. 2011), begun with vectors.

    Any orthonormal axes are correct; these leave little outside.
    """
    x = torch.from_numpy(sample / np.abs(sample).max().clip(1e-30))
    axes = x[:count].T  # (d, a)
    for _ in range(2):
        # numpy's QR stays on this thread; torch's waits at each column for threads that others keep busy
        axes = torch.from_numpy(np.linalg.qr((x.T @ (x @ axes)).numpy()).Q)
    return (axes * (1 - 2.0**-16)).contiguous()  # no longer than orthonormal, after rounding


def _projection_rounding(d: int, a: int) -> float:
    """Bound of a projection's rounding, relative to the vector: four times that of d * a independent ones."""
    exact = torch.get_float32_matmul_precision() == "highest"
    return 4 * (d * a) ** 0.5 * _UNIT if exact else 2.0**-6
