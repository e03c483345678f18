"""Which pairs can be near: a product of rounded vectors rules the others out, whatever it was rounded to.

The gain x . c - |c|^2 / 2 orders vectors c as their distances from x do: |x - c|^2 = |x|^2 - 2 gain. Of rounded vectors
x' and c' it comes from one product for all pairs. If |x - c| <= u, then |x' - c'| <= u + e, where e is how far rounding
moved the two; so whatever gains less than ``Rounding.least`` is farther than u. Index, device and coreset measure the
few other pairs directly. The type moves the time, never a result.
Letters: n points, w numbers of each, m vectors they are compared with.
"""

from __future__ import annotations

import functools
import math
import time
from typing import Any, NamedTuple

import torch
from jaxtyping import Float32, Float64, Shaped
from torch import Tensor

UNIT = 2.0**-24  # relative rounding of a float32
_SCALED = {torch.int8: (4, 127), torch.float16: (128, 128)}
"""Standard deviations that reach the largest value, and that value; for int8 measured on ResNet50 patches."""
_COARSE = 2.0**-8 + 2.0**-12  # relative error of gains for factors rounded to bfloat16
_LEAST_UNIT = 1e-30
_BEFORE = 2.0**-16  # of a unit: how exactly a number is known that is rounded to it
_MULTIPLE = 64  # of numbers, at which products of eight bits are at their best
_WIDEST = 16_384  # numbers of integers whose gains stay clear of ``_NEVER``
_NEVER = -(2.0**30)
_TURNS = 20  # of each type, some milliseconds in all where one of them is quick
_SECONDS = 0.3  # after which no turn is begun
_LEADS = {torch.bfloat16: 0.9, torch.int8: 0.5}  # taken only with less than this share of float32's time
_int_mm: Any = torch._int_mm


class Rounded(NamedTuple):
    """What is multiplied, squared lengths in units, and how far each may lie from its exact vector."""

    values: Shaped[Tensor, "n w"]
    squared: Float64[Tensor, " n"]
    moved: Float64[Tensor, " n"]


class Rounding:
    """A type to multiply in.

    int8 and float16 count in units, so that numbers of this spread (their root mean square) fill them. To hold numbers
    within their span only shortens distances, so what is lost there needs no bound. float32 and bfloat16 take
    vectors as they are. unit: what 1 stands for. never: a gain below those of all pairs.
    """

    def __init__(self, kind: torch.dtype, width: int, spread: float = 1.0) -> None:
        reach, self._top = _SCALED.get(kind, (1, 1))
        self.kind, self._width = kind, width
        unit = max(reach * spread / self._top, _LEAST_UNIT) if kind in _SCALED else 1.0
        self.unit = float(torch.tensor(unit))  # in float32, as it divides
        self.never = _NEVER if kind is torch.int8 else -math.inf

    def round(self, vectors: Float32[Tensor, "n w"], off: Float64[Tensor, " n"] | float = 0.0) -> Rounded:
        """Round vectors that themselves may lie ``off`` from exact ones."""
        n, w = vectors.shape
        if self.kind not in _SCALED:
            squared = torch.linalg.vector_norm(vectors, dim=1).double().square_()
            return Rounded(vectors.to(self.kind), squared, torch.zeros_like(squared) + off)
        exact = vectors.div(self.unit).clamp_(-self._top, self._top)
        rounded = exact.round() if self.kind is torch.int8 else exact.to(self.kind).float()
        values = exact.new_zeros(n, -(-w // _MULTIPLE) * _MULTIPLE, dtype=self.kind)
        values[:, :w] = rounded
        squared = rounded.square().sum(dim=1, dtype=torch.float64)
        moved = torch.linalg.vector_norm(exact.sub_(rounded), dim=1).double()
        return Rounded(values, squared, (1.001 * moved + _BEFORE * w**0.5) * self.unit + off)

    def halves(self, squared: Float64[Tensor, " m"]) -> Shaped[Tensor, " m"]:
        """Half of squared lengths, as they are taken from products; integers down, which leaves more gain."""
        return (squared / 2).floor_().int() if self.kind is torch.int8 else (squared / 2).float()

    def error(self, squared: Float64[Tensor, " n"]) -> Float64[Tensor, " n"]:
        """How far gains may be off for the sum of both squared lengths.

        Sums of w products in any order, with as much again for what measuring rounds; factors of bfloat16 where torch
        may round to it. Integers are exact.
        """
        if self.kind is torch.int8:
            return torch.zeros_like(squared)
        exact = self.kind is not torch.bfloat16 and torch.get_float32_matmul_precision() == "highest"
        relative = (self._width + 8) * 4 * UNIT + (0 if exact else _COARSE)
        return relative * squared + self._width * 2.0**-120

    def least(
        self, bound: Float64[Tensor, " n"], points: Rounded, largest: float, moved: float
    ) -> tuple[Float64[Tensor, " n"], Float64[Tensor, " n"]]:
        """The least gain of a vector within ``bound`` of each point, and how far gains of such may be off.

        largest: squared length of the longest vector. moved: how far rounding moved one at most.
        """
        reach = (bound + points.moved + moved) / self.unit
        longest = (points.squared.sqrt() + reach).square_().clamp_(max=largest)  # of those within reach
        off = self.error(points.squared + longest)
        return (points.squared - reach.square_()) / 2 - off, off

    def down(self, gains: Float64[Tensor, " n"]) -> Shaped[Tensor, " n"]:
        """In the type of gains, int32 or float32, rounded down, above ``never``."""
        if self.kind is torch.int8:
            return gains.floor().clamp_(min=_NEVER + 1).int()
        return (gains - gains.abs() * 2 * UNIT).clamp_(min=torch.finfo(torch.float32).min).float()


def product(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """left @ right.T in the type of gains: of int8 int32, else float32."""
    if left.dtype in (torch.float16, torch.bfloat16):
        if left.device.type == "cuda":
            return torch.mm(left, right.T, out_dtype=torch.float32)
        return left.float() @ right.float().T
    multiply: Any = torch._int_mm if left.dtype is torch.int8 else torch.mm
    result: Tensor = multiply(left, right.T) if out is None else multiply(left, right.T, out=out)
    return result


@functools.cache
def multiplies_exactly() -> bool:
    """Whether the largest integers are summed as they are: processors without dot products limit sums of two."""
    left = torch.tensor([127, -127], dtype=torch.int8).repeat(32)[:, None].repeat(1, 256)
    right = torch.full((1024, 256), 127, dtype=torch.int8)
    return bool((product(left, right).double() == left.double() @ right.double().T).all())


def quickest(turned: bool, width: int) -> torch.dtype:
    """int8 where this processor multiplies it exactly and faster, and numbers are spread evenly; else float32."""
    integers = turned and width <= _WIDEST and multiplies_faster(torch.int8) and multiplies_exactly()
    return torch.int8 if integers else torch.float32


@functools.cache
def multiplies_faster(kind: torch.dtype) -> bool:
    """Bfloat16 or int8; timed once for a process. False where torch has no such product here.

    By the best of many turns, taken by turns: what else runs here may slow most of either, not all of one.
    """
    kinds = torch.float32, kind
    try:
        for each in kinds:  # the first of each prepares what later ones find
            _seconds(each)
    except RuntimeError:
        return False
    best, ends = dict.fromkeys(kinds, float("inf")), time.perf_counter() + _SECONDS
    for turn in range(_TURNS):
        if turn and time.perf_counter() > ends:
            break
        for each in kinds:
            best[each] = min(best[each], _seconds(each))
    return best[kind] < _LEADS[kind] * best[torch.float32]


def _seconds(kind: torch.dtype) -> float:
    left, right = torch.ones(256, 256, dtype=kind), torch.ones(1024, 256, dtype=kind)
    started = time.perf_counter()
    (_int_mm if kind is torch.int8 else torch.mm)(left, right.T)
    return time.perf_counter() - started
