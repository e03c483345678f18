"""Sketches in the type that multiplies fastest, and the gains f'(x) . f'(c) - |f'(c)|^2 / 2 of their product.

A gain orders bank vectors as the distances of their rounded sketches f' do: |f'(x) - f'(c)|^2 = |f'(x)|^2 - 2 gain.
Letters: n vectors, w numbers of a sketch.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Float64, Shaped
from torch import Tensor

from core.search.products import multiplies_faster, product
from core.search.sketch import Sketch, squares

_SPAN = 127  # the largest integer
_SPREAD = 4  # standard deviations of a sketch's numbers that reach it; measured on ResNet50 patches
_LEAST_UNIT = 1e-30
_BEFORE = 2.0**-16  # of a unit: how exactly a number is known that becomes an integer
_MULTIPLE = 64  # of numbers, at which products of integers are at their best
_WIDEST = 16_384  # numbers of integers whose gains stay clear of ``_NEVER``
_NEVER = -(2.0**30)


class Factors(NamedTuple):
    """Rounded sketches: what is multiplied, how far rounding moved each, and their squared lengths in units."""

    values: Shaped[Tensor, "n w"]
    moved: Float64[np.ndarray, " n"]
    squared: Float64[np.ndarray, " n"]

    def block(self, start: int, stop: int) -> Factors:
        """Those of some of the vectors."""
        return Factors(self.values[start:stop], self.moved[start:stop], self.squared[start:stop])


class Integers:
    """Eight bits. To hold numbers within their span only shortens distances, so what is lost there needs no bound.

    unit: what 1 stands for. never: a gain below those of all pairs.
    """

    def __init__(self, sketch: Sketch) -> None:
        self.unit = float(np.float32(max(_SPREAD * sketch.spread / _SPAN, _LEAST_UNIT)))
        self.never = _NEVER

    def factors(self, sketch: Float32[np.ndarray, "n w"]) -> Factors:
        """Round sketches; products of them are exact."""
        n, w = sketch.shape
        exact = torch.from_numpy(sketch).div(self.unit).clamp_(-_SPAN, _SPAN)
        values = torch.zeros(n, -(-w // _MULTIPLE) * _MULTIPLE, dtype=torch.int8)
        rounded = exact.round()
        values[:, :w] = rounded
        squared = rounded.square().sum(dim=1, dtype=torch.float64).numpy()
        moved = torch.linalg.vector_norm(exact.sub_(rounded), dim=1).double().numpy()
        return Factors(values, (1.001 * moved + _BEFORE * w**0.5) * self.unit, squared)

    def halves(self, squared: Float64[np.ndarray, " n"]) -> Shaped[Tensor, " n"]:
        """Half of squared lengths, as they are taken from products; rounded down, which leaves more gain."""
        return torch.from_numpy((squared // 2).astype(np.int32))

    def error(self, squared: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        """How far gains may be off for the sum of both squared lengths: not at all."""
        return np.zeros_like(squared)

    def down(self, gains: Float64[np.ndarray, " n"]) -> Shaped[np.ndarray, " n"]:
        """Bounds in the type of gains, rounded down, above ``never``."""
        return np.asarray(np.maximum(np.floor(gains), _NEVER + 1).astype(np.int32))


class Floats:
    """float32, where integers are no faster, and for banks too small to be turned. Methods as those of Integers."""

    def __init__(self, sketch: Sketch) -> None:
        self.unit, self.never = 1.0, -math.inf
        self._width = sketch.width

    def factors(self, sketch: Float32[np.ndarray, "n w"]) -> Factors:
        """Sketches as they are."""
        return Factors(torch.from_numpy(sketch), np.zeros(len(sketch)), squares(sketch).astype(np.float64))

    def halves(self, squared: Float64[np.ndarray, " n"]) -> Shaped[Tensor, " n"]:
        """As float32."""
        return torch.from_numpy((squared / 2).astype(np.float32))

    def error(self, squared: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        """Sums of w products in any order, more where torch may round their factors to bfloat16."""
        exact = torch.get_float32_matmul_precision() == "highest"
        relative = (self._width + 8) * 2.0**-23 + (0 if exact else 2.0**-7)
        return np.asarray(relative * squared + self._width * 2.0**-120)

    def down(self, gains: Float64[np.ndarray, " n"]) -> Shaped[np.ndarray, " n"]:
        """As float32."""
        below = np.nextafter(gains.astype(np.float32), np.float32(-np.inf))
        return np.asarray(np.maximum(below, np.finfo(np.float32).min))


Gains = Integers | Floats


def quickest(sketch: Sketch) -> Gains:
    """Integers where this processor multiplies them exactly and faster, and the sketch is spread evenly."""
    if sketch.turned and sketch.width <= _WIDEST and multiplies_faster(torch.int8) and _exact():
        return Integers(sketch)
    return Floats(sketch)


@functools.cache
def _exact() -> bool:
    """Whether the largest integers are summed as they are: processors without dot products limit sums of two."""
    left = torch.tensor([_SPAN, -_SPAN], dtype=torch.int8).repeat(32)[:, None].repeat(1, 256)
    right = torch.full((1024, 256), _SPAN, dtype=torch.int8)
    return bool((product(left, right).double() == left.double() @ right.double().T).all())
