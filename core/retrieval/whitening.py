"""Whitening learnt from nominal patches: what varies among good parts counts less ("shift + fc", Gordo et al. 2017).

All directions are kept. Those in which good parts hardly vary would grow without bound: their variance is held to a
share of the largest. Letters: n vectors, d dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

FLOOR = 1e-4  # of the largest variance
SPREAD = 16_384  # vectors of a large set, evenly spread, that whitening is learnt from


@dataclass(frozen=True, eq=False)
class Whitening:
    """mean (d,): what is subtracted. axes (d, d): what follows, a column a direction over its deviation."""

    mean: Float32[np.ndarray, " d"]
    axes: Float32[np.ndarray, "d d"]

    def __call__(self, vectors: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
        """Whitened, unit length."""
        return unit((vectors - self.mean) @ self.axes)


def whitening_of(vectors: Float32[np.ndarray, "n d"], floor: float = FLOOR) -> Whitening:
    """The whitening under which these vectors, such as a memory bank's, have the identity as their covariance.

    floor: the least variance of a direction, as a share of the largest; 0 keeps each direction as it is.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors - mean
    variances, directions = np.linalg.eigh(centred.T @ centred / max(1, len(vectors) - 1))
    held = np.maximum(variances, max(floor * variances[-1], np.finfo(np.float32).tiny))
    return Whitening(mean.astype(np.float32), (directions / np.sqrt(held)).astype(np.float32))


def whitening_of_some(vectors: Float32[np.ndarray, "n d"]) -> Whitening:
    """``whitening_of`` at most ``SPREAD`` of them, evenly spread."""
    return whitening_of(vectors[:: max(1, -(-len(vectors) // SPREAD))])


def unit(vectors: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
    """Each vector over its length; 0 stays 0."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    over: Float32[np.ndarray, "n d"] = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return over.astype(np.float32, copy=False)
