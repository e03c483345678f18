"""Vectors made short without losing the order of distances: principal axes, and the length of what they leave.

With orthonormal axes V, f(x) = (V^T x, sqrt(|x|^2 - |V^T x|^2)) never lengthens a distance: the triangle
inequality bounds what lies outside V by the difference of its lengths. So no vector is nearer than its sketch.
Finally f is turned at random, which moves no distance and spreads each vector evenly over the numbers of its sketch.
Letters: n vectors, d dimensions, a axes, w dimensions of a sketch.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from core.search.bounds import UNIT

_LEAST_DIMENSION = 512  # shorter vectors are turned as they are: projecting them saves nothing (measured)
_FEWEST = 2  # vectors for each number of a sketch, from which on sketching was seen to save time
_SHARE = 5  # at least one number for so many dimensions; measured on ResNet50 patches
_MULTIPLE = 64  # numbers are a multiple of it: products of eight bits are at their best
_SAMPLE = 2048  # vectors that the axes are found from
_SEED = 0


class Sketch:
    """The map f, centred on a bank's mean.

    width: its numbers w, d where nothing would be saved. turned: false for banks too small for it, or if it is not
    wanted: then vectors are only centred. spread: the root mean square of a number.
    """

    def __init__(self, vectors: Float32[Tensor, "m d"], turned: bool = True) -> None:
        m, d = vectors.shape
        self._origin = vectors.mean(dim=0)
        width = d if d < _LEAST_DIMENSION else -(-d // (_SHARE * _MULTIPLE)) * _MULTIPLE
        self.turned = turned and m >= _FEWEST * width
        self.width = width if self.turned else d
        self._axes: Tensor | None = None  # (d, w)
        self._rest: Float32[Tensor, " w"] | None = None  # where the length of the rest is turned to
        sample = vectors[:: m // min(m, _SAMPLE)]
        if self.turned and width == d:
            self._axes = _shrunk(_turn(d))
        elif self.turned:
            axes, turn = _principal_axes(sample - self._origin, width - 1), _turn(width)
            self._axes, self._rest = _shrunk(axes @ turn[:-1]), turn[-1]
        self.spread = float(self(sample)[0].square().mean(dtype=torch.float64).sqrt())

    def __call__(
        self, vectors: Float32[Tensor, "n d"]
    ) -> tuple[Float32[Tensor, "n w"], Float64[Tensor, " n"]]:
        """Sketches, and how far each may lie from its exact one for rounding."""
        shift = vectors - self._origin
        norm = torch.linalg.vector_norm(shift, dim=1).double().square()  # (n,)
        if self._axes is None:
            return shift, UNIT * norm.sqrt()
        sketch = shift @ self._axes  # (n, w)
        rounding = _projection_rounding(*self._axes.shape)
        moved = (rounding + 4 * UNIT) * norm.sqrt()
        if self._rest is None:
            return sketch, moved
        rest = (norm - torch.linalg.vector_norm(sketch, dim=1).double().square()).clamp_(min=0)
        sketch.addr_(rest.sqrt().float(), self._rest)
        off = 3 * rounding * norm  # of ``rest``: 2 |inside| times its error, and the sums of squares
        return sketch, moved + torch.fmin(off.sqrt(), off / rest.sqrt())


def _principal_axes(sample: Float32[Tensor, "n d"], count: int) -> Float32[Tensor, "d a"]:
    """About the first principal axes: subspace iteration (Halko et al. 2011), begun with vectors.

    Any orthonormal axes are correct; these leave little outside.
    """
    x = sample / sample.abs().max().clamp(min=1e-30)
    axes = x[:count].T  # (d, a)
    for _ in range(2):
        # numpy's QR stays on this thread; torch's waits at each column for threads that others keep busy
        axes = torch.from_numpy(np.linalg.qr((x.T @ (x @ axes)).numpy()).Q)
    return axes


def _turn(width: int) -> Float32[Tensor, "w w"]:
    """A rotation at random, the same for a width."""
    turn = np.linalg.qr(np.random.default_rng(_SEED).normal(size=(width, width))).Q
    return torch.from_numpy(turn.astype(np.float32))


def _shrunk(axes: Float32[Tensor, "d w"]) -> Float32[Tensor, "d w"]:
    """No longer than orthonormal, after rounding."""
    return (axes * (1 - 2.0**-16)).contiguous()


def _projection_rounding(d: int, a: int) -> float:
    """Bound of a projection's rounding, relative to the vector: four times that of d * a independent ones."""
    exact = torch.get_float32_matmul_precision() == "highest"
    return 4 * (d * a) ** 0.5 * UNIT if exact else 2.0**-6
