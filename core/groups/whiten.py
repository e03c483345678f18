"""Descriptors -> vectors in which every direction of the set counts alike (PCA whitening, Jegou and Chum 2012).

In whitened directions two photographs are near by what is rare in the set, not by what all parts share.
Letters: n images, m numbers of a descriptor, k components.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from jaxtyping import Float32, Float64
from scipy.special import betaincinv
from torch import Tensor

from core.errors import ShapeError
from core.parallel import run_alone

COMPONENTS = 128  # at most; with more, the average precision of pairs that show one tile of mtd falls again
IMAGES_EACH = 8  # images per component at least: with as many components as images, all are equally far apart
RIDGE = 0.1  # of the mean variance, added to each: directions of sensor noise are not blown up to full size
BLOCK = 4096  # images in float64 at a time
FEWEST = 4  # components, below which chance brings any two together


def components(images: int, numbers: int) -> int:
    """How many components so many images support."""
    return max(1, min(COMPONENTS, numbers, images // IMAGES_EACH))


def whiten(
    sketches: Float32[np.ndarray, "n m"], check: Callable[[], None] = lambda: None
) -> Float32[np.ndarray, "n k"]:
    """The components of the descriptors at one scale, each vector of length 1, or 0 where all descriptors agree.

    Computed in float64 on one thread. check: called between blocks; what it raises ends the work. Raises ShapeError
    for descriptors that are not finite.
    """
    rows = torch.from_numpy(sketches)
    mean, covariance = torch.zeros(rows.shape[1]).double(), torch.zeros(*2 * rows.shape[1:]).double()
    for block in _blocks(rows):
        mean += run_alone(partial(torch.sum, block, 0)) / len(rows)
    for block in _blocks(rows):
        check()
        centred = block - mean
        run_alone(partial(covariance.addmm_, centred.T, centred))
    if not bool(covariance.isfinite().all()):
        raise ShapeError(
            requirement="descriptors must be finite",
            received="some that are not",
            remedy="look for NaN or huge values in the weights and images",
        )
    basis = run_alone(lambda: _basis(covariance / len(rows), components(*sketches.shape)))
    found = [run_alone(partial(_directions, block - mean, basis)) for block in _blocks(rows)]
    return torch.cat(found).numpy()


def chance(k: int, images: int) -> float:
    """The cosine that one pair of so many images is expected to pass by chance, if directions are uniform.

    Of two such directions in k dimensions, P(cosine > t) is half the regularised incomplete beta function
    I(1 - t^2; (k - 1) / 2, 1 / 2). With few images, and so few components, it is high. 1 below FEWEST components.
    """
    if k < FEWEST:
        return 1.0
    pairs = max(1, images * (images - 1) // 2)
    return float(np.sqrt(1 - betaincinv((k - 1) / 2, 0.5, min(1.0, 2 / pairs))))


def _blocks(rows: Float32[Tensor, "n m"]) -> Iterator[Float64[Tensor, "_ m"]]:
    return (rows[a : a + BLOCK].double() for a in range(0, len(rows), BLOCK))


def _basis(covariance: Float64[Tensor, "m m"], k: int) -> Float64[Tensor, "m k"]:
    """The first k eigenvectors, each divided by the spread along it; the sign of none matters to a cosine."""
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values[-k:].clamp_min(0), vectors[:, -k:]
    basis: Tensor = vectors / (values + RIDGE * values.mean()).clamp_min(1e-30).sqrt()
    return basis


def _directions(centred: Float64[Tensor, "n m"], basis: Float64[Tensor, "m k"]) -> Float32[Tensor, "n k"]:
    vectors = centred @ basis
    lengths: Tensor = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return (vectors / lengths.clamp_min(1e-12)).float()
