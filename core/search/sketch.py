"""Vectors made short without losing the order of distances: principal axes, and the length of what they leave.

With orthonormal axes V, f(x) = (V^T x, sqrt(|x|^2 - |V^T x|^2)) never lengthens a distance: the triangle
inequality bounds what lies outside V by the difference of its lengths. So no vector is nearer than its sketch.
Finally f is turned at random, which moves no distance and spreads each vector evenly over the numbers of its sketch.
Sketches are multiplied in the fastest type. The gain f'(x) . f'(c) - |f'(c)|^2 / 2 of rounded sketches f' orders bank
vectors as their distances do: |f'(x) - f'(c)|^2 = |f'(x)|^2 - 2 gain.
Letters: n vectors, d dimensions, a axes, w dimensions of a sketch.
"""

from __future__ import annotations

import functools
import math
import time
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Float64, Shaped
from torch import Tensor

_LEAST_DIMENSION = 512  # shorter vectors are turned as they are: projecting them saves nothing (measured)
_FEWEST = 2  # vectors for each number of a sketch, from which on sketching was seen to save time
_SHARE = 5  # at least one number for so many dimensions; measured on ResNet50 patches
_MULTIPLE = 64  # numbers are a multiple of it: products of eight bits are at their best
_SAMPLE = 2048  # vectors that the axes are found from
_UNIT = 2.0**-24  # relative rounding of a float32
_SEED = 0
_TURNS = 20  # of each type, some milliseconds in all where one of them is quick
_SECONDS = 0.3  # after which no turn is begun
_LEADS = {torch.bfloat16: 0.9, torch.int8: 0.5}  # taken only with less than this share of float32's time
_int_mm: Any = torch._int_mm


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


def product(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """left @ right.T; of int8 in int32."""
    multiply: Any = torch._int_mm if left.dtype is torch.int8 else torch.mm
    result: Tensor = multiply(left, right.T) if out is None else multiply(left, right.T, out=out)
    return result


@functools.cache
def multiplies_faster(type_: torch.dtype) -> bool:
    """Bfloat16 or int8; timed once for a process. False where torch has no such product here.

    By the best of many turns, taken by turns: what else runs here may slow most of either, not all of one.
    """
    types = torch.float32, type_
    try:
        for each in types:  # the first of each prepares what later ones find
            _seconds(each)
    except RuntimeError:
        return False
    best, ends = dict.fromkeys(types, float("inf")), time.perf_counter() + _SECONDS
    for turn in range(_TURNS):
        if turn and time.perf_counter() > ends:
            break
        for each in types:
            best[each] = min(best[each], _seconds(each))
    return best[type_] < _LEADS[type_] * best[torch.float32]


def _seconds(type_: torch.dtype) -> float:
    left, right = torch.ones(256, 256, dtype=type_), torch.ones(1024, 256, dtype=type_)
    started = time.perf_counter()
    (_int_mm if type_ is torch.int8 else torch.mm)(left, right.T)
    return time.perf_counter() - started
