"""Which bank vectors can be nearest: one matrix product of low precision, made a proof by its error bound.

For sketches f (see ``sketch``), |x - c| <= u implies |f(x) - f(c)| <= u, and for what is left of them after
rounding to the product's type |f'(x) - f'(c)| <= u + e, where e is how far rounding moved the two. The product
gives gain = (g - |f'(x) - f'(c)|^2) / 2 for all pairs, with g a bound that the k nearest meet: their gains are
positive, so their order is that of their bits. The k best are measured directly, which gives u; what does not
reach it is out. Precision and sketch move the time, never a result.
Letters: n queries, m bank vectors, d dimensions, w dimensions of a sketch, k neighbours, c contenders.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import faiss as untyped_faiss
import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from core.index.sketch import Sketch, squares
from core.index.threads import take_threads
from core.trial import bfloat16_is_faster

faiss: Any = untyped_faiss  # its stubs lack the distances of pairs

_PRODUCT = 2**23  # pairs of one product at most: 16 MiB in bfloat16
_ROWS = 1024  # vectors of one product at most
_CROWD = 16  # a query with more than one of so many vectors as contenders is left to a float32 product
_GROUPS = 16  # groups of columns for each neighbour asked for
_SHARED = 2**22  # floats measured directly (about 1 ms) that are worth waking other threads for
_DIRECT = 2.0**-24  # relative rounding of a directly measured distance, for each dimension
_COLUMNS = 4  # of a factor besides the sketch: halves of |f'(c)|^2 / 2 and of the query's share of the gain


class Precision(NamedTuple):
    """A type to multiply in. bits: integers of its size. unit: its relative rounding. split: that of two."""

    type: torch.dtype
    bits: torch.dtype
    unit: float
    split: float


FINE = Precision(torch.float32, torch.int32, 2.0**-24, 2.0**-40)
COARSE = Precision(torch.bfloat16, torch.int16, 2.0**-8, 2.0**-16)


class Contenders(NamedTuple):
    """Pairs (row of a query, id), sorted, that hold the k nearest of each query that is not crowded."""

    rows: Int64[np.ndarray, " c"]
    ids: Int64[np.ndarray, " c"]
    crowded: Bool[np.ndarray, " n"]


class Coarse:
    """The product's side of one bank: its sketches in low precision."""

    def __init__(self, vectors: Float32[np.ndarray, "m d"], precision: Precision | None = None) -> None:
        m = len(vectors)
        self._vectors = vectors
        self._precision = precision or quickest()
        self._sketch = Sketch(vectors)
        self._factors = torch.empty(m, self._sketch.width + _COLUMNS, dtype=self._precision.type)
        norms, moved = np.empty(m), 0.0  # norms (m,): of rounded sketches, squared
        for a in range(0, m, _ROWS):
            rows = slice(a, a + _ROWS)
            off, norms[rows] = self._write(vectors[rows], self._factors[rows])
            moved = max(moved, float(off.max()))
        self._factors[:, -2:] = 1
        self._put_halves(self._factors[:, -4:-2], -norms / 2)
        self._moved, self._largest = moved, float(norms.max())
        self._central = np.argsort(norms, kind="stable")  # ids, nearest to the mean first
        self.block = max(1, min(_ROWS, _PRODUCT // m))  # queries to be passed at a time

    def contenders(
        self, queries: Float32[np.ndarray, "n d"], k: int, excluded: Bool[np.ndarray, " m"]
    ) -> Contenders:
        """Everything that can be among the k nearest of a block of queries, leaving out what is excluded."""
        n, m = len(queries), len(self._vectors)
        factors = torch.empty(n, self._factors.shape[1], dtype=self._precision.type)
        off, norms = self._write(queries, factors)
        off += self._moved
        central = self._central[~excluded[self._central]][:k]
        bound = self._kth_squared(queries, np.broadcast_to(central, (n, k)))
        error = self._error(norms, bound)
        ceiling = self._reach(bound, off) + 4 * error  # g
        factors[:, -4:-2] = 1
        self._put_halves(factors[:, -2:], (ceiling - norms) / 2)
        gains = torch.mm(factors, self._factors.T).view(self._precision.bits).numpy()  # (n, m), as bits
        gains[:, excluded] = -1
        best = _best(gains, k)
        remain = (np.take_along_axis(gains, best, axis=1) > 0).all(axis=1)  # neither excluded nor beyond g
        bound = np.where(remain, np.minimum(bound, self._kth_squared(queries, best)), bound)
        least = ((ceiling - self._reach(bound, off)) / 2 - error) * (1 - 1.01 * self._precision.unit)
        pairs = np.flatnonzero(gains >= self._floor_bits(least)[:, None])
        counts = np.bincount(pairs // m, minlength=n)
        crowded = counts > m // _CROWD + 4 * k + 64
        rows, ids = np.divmod(pairs, m)
        kept = ~crowded[rows]
        return Contenders(rows[kept], ids[kept], crowded)

    def _write(
        self, vectors: Float32[np.ndarray, "n d"], factors: Tensor
    ) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
        """Put rounded sketches into factors; how far they lie from exact ones, and their squared norms."""
        sketch, off = self._sketch(vectors)
        factors[:, :-_COLUMNS] = torch.from_numpy(sketch)
        rounded = factors[:, :-_COLUMNS].float().numpy()
        sketch -= rounded
        return off + np.sqrt(squares(sketch)) * 1.001, squares(rounded).astype(np.float64)

    def _kth_squared(
        self, queries: Float32[np.ndarray, "n d"], ids: Int64[np.ndarray, "n k"]
    ) -> Float64[np.ndarray, " n"]:
        """The largest squared distance to the given ids."""
        n, k = ids.shape
        squared = measure(queries, np.repeat(np.arange(n), k), self._vectors, ids.ravel())
        return np.asarray(squared.reshape(n, k).max(axis=1), np.float64)

    def _reach(self, squared: Float64[np.ndarray, " n"], off: Float64[np.ndarray, " n"]) -> np.ndarray:
        """Squared, the farthest a rounded sketch may lie whose vector measures no farther than ``squared``."""
        rounding = 1 + (self._vectors.shape[1] + 8) * _DIRECT
        return np.asarray((np.sqrt(squared) * rounding + off) ** 2)

    def _error(self, norms: Float64[np.ndarray, " n"], bound: Float64[np.ndarray, " n"]) -> np.ndarray:
        """How far a gain may be off before it is rounded to the product's type."""
        width = self._factors.shape[1]
        relative = width * 2.0**-23 + self._precision.split
        if self._precision is FINE and torch.get_float32_matmul_precision() != "highest":
            relative += 2 * COARSE.unit
        terms = np.sqrt(norms * self._largest) + self._largest + norms + bound
        return np.asarray(relative * terms + width * 2.0**-120)

    def _put_halves(self, into: Tensor, values: Float64[np.ndarray, " n"]) -> None:
        """Write values as sums of two of the product's type into the columns of (n, 2)."""
        exact = torch.from_numpy(values)
        into[:, 0] = exact
        into[:, 1] = exact - into[:, 0].double()

    def _floor_bits(self, least: Float64[np.ndarray, " n"]) -> np.ndarray:
        """Positive numbers rounded down to the product's type, as bits."""
        bits = (least * (1 - 2.0**-22)).astype(np.float32).view(np.int32)
        return bits if self._precision is FINE else (bits >> 16).astype(np.int16)


def _best(gains: np.ndarray, k: int) -> Int64[np.ndarray, "n k"]:
    """Columns of k of the largest gains of each row: the best of each of the k best groups of columns."""
    n, m = gains.shape
    if k == 1:
        return np.asarray(gains.argmax(axis=1)[:, None])
    if (size := m // (_GROUPS * k)) < 2:
        return np.argpartition(gains, m - k, axis=1)[:, m - k :]
    count = m // size
    grouped = gains[:, : size * count].reshape(n, size, count)  # a group is every count-th column
    groups = np.argpartition(grouped.max(axis=1), count - k, axis=1)[:, count - k :]  # (n, k)
    within = np.take_along_axis(grouped, groups[:, None, :], axis=2).argmax(axis=1)  # (n, k)
    return np.asarray(within * count + groups)


def measure(
    queries: Float32[np.ndarray, "n d"],
    rows: Int64[np.ndarray, " c"],
    vectors: Float32[np.ndarray, "m d"],
    ids: Int64[np.ndarray, " c"],
) -> Float32[np.ndarray, " c"]:
    """sum (q - m)^2 of the pairs: 0 for identical vectors, and the same in every batch."""
    squared = np.empty(len(rows), np.float32)
    rows, ids = np.ascontiguousarray(rows), np.ascontiguousarray(ids)
    work = queries.shape[1] * len(rows)
    take_threads(None if work >= _SHARED else 1)
    pointers = [faiss.swig_ptr(array) for array in (queries, rows, vectors, ids, squared)]
    faiss.pairwise_indexed_L2sqr(queries.shape[1], len(rows), *pointers)
    return squared


def quickest() -> Precision:
    """The precision that multiplies faster on this processor, the coarse one only where it sums finely."""
    return COARSE if bfloat16_is_faster() and _sums_finely() else FINE


@functools.cache
def _sums_finely() -> bool:
    """Whether products in bfloat16 are summed in float32 and rounded once."""
    values = torch.linspace(0.1, 1, 1024).repeat(16, 1).to(COARSE.type)
    exact = values.double() @ values.double().T
    return bool(((values @ values.T).double() / exact - 1).abs().max() <= 1.01 * COARSE.unit)
