"""Which photographs show one part: the labels that calibration counts by, and what each photograph weighs.

A part is one exchangeable draw however often it was photographed: a photograph of a part of n_g weighs 1 / n_g of
it (Lee, Barber and Willett 2023, section 3.1). Weights are integers over a common unit, so that ranks are exact.
Letters: n photographs, g parts, n_g photographs of one of them.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from jaxtyping import Int, Int64, Shaped

from core.errors import ShapeError

_LARGEST = 2**62  # of a sum of weights in int64; beyond it they are Python's integers


def as_groups(labels: Shaped[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """The same partition numbered from 0 in the order of appearance, whatever the labels were."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


def own_groups(n: int) -> Int64[np.ndarray, " n"]:
    """Each of ``n`` photographs is a part of its own."""
    return np.arange(n, dtype=np.int64)


def group_sizes(groups: Int[np.ndarray, " n"]) -> Int64[np.ndarray, " g"]:
    """Photographs of each part. Raises ShapeError unless labels are numbered from 0 without a gap."""
    if groups.ndim != 1 or (len(groups) and groups.min() < 0):
        raise _not_groups(f"shape {groups.shape}, smallest {groups.min() if groups.size else 'none'}")
    sizes = np.bincount(groups).astype(np.int64)
    if not sizes.all():
        raise _not_groups(f"{np.count_nonzero(sizes)} labels up to {len(sizes) - 1}")
    return sizes


def weights(groups: Int[np.ndarray, " n"]) -> tuple[Shaped[np.ndarray, " n"], int]:
    """(numerators, unit): a photograph weighs numerator / unit parts, those of one part 1 together, exactly."""
    sizes = group_sizes(groups)
    unit = math.lcm(*set(sizes.tolist()))
    kind = np.int64 if unit * max(1, len(sizes)) < _LARGEST else object
    each = np.array([unit // size for size in sizes.tolist()], kind)
    return each[groups], unit


def parts_where(hits: Shaped[np.ndarray, " n"], groups: Int[np.ndarray, " n"]) -> Fraction:
    """How many parts show something, each counted by the share of its photographs that do."""
    if hits.shape != groups.shape:
        raise ShapeError(
            requirement=f"photographs and their groups must have one shape, {groups.shape}",
            received=str(hits.shape),
            remedy="pass the group of each photograph",
        )
    each, unit = weights(groups)
    return Fraction(int(each[hits].sum()), unit)


def _not_groups(received: str) -> ShapeError:
    return ShapeError(
        requirement="groups must be one label a photograph, numbered from 0 without a gap",
        received=received,
        remedy="number them by core.judging.groups.as_groups",
    )
