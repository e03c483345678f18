"""Exact nearest vectors: a coarse product leaves few contenders, direct differences decide among them.

Contenders are measured as sum (q - m)^2 in float32: identical vectors are exactly 0 apart, and a query's answer
depends neither on its batch nor on how the contenders were found.
Letters: n queries, m bank vectors, d dimensions, k neighbours, c contenders.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from core.errors import ShapeError
from core.search.coarse import Coarse, measure

LARGEST_NORM = 1e18  # beyond it a squared distance leaves float32
_BLOCK = 2**23  # floats of one scratch array, 32 MiB
_READ_ONLY = "The given NumPy array is not writable"
_QUIET = ("ignore", re.compile(_READ_ONLY, re.I), Warning, None, 0)  # as warnings.filterwarnings stores it

Squared = Float32[np.ndarray, "n k"]
Ids = Int64[np.ndarray, "n k"]


class ExactSearch:
    """Brute-force search over vectors it does not copy."""

    def __init__(self, vectors: Float32[np.ndarray, "m d"]) -> None:
        self.vectors = vectors
        self._lengths = torch.from_numpy(norms(vectors, "bank vectors"))  # (m,)
        self._tensor = as_tensor(vectors)

    def nearest(
        self, queries: Float32[np.ndarray, "n d"], k: int, excluded: Bool[np.ndarray, " m"] | None = None
    ) -> tuple[Squared, Ids]:
        """The k nearest that are not excluded, nearest first, ties by id: squared distances and ids (n, k).

        At least k vectors must remain.
        """
        n, m = len(queries), len(self.vectors)
        squared, ids = np.empty((n, k), np.float32), np.empty((n, k), np.int64)
        crowded = np.zeros(n, bool)
        norms(queries, "queries")
        for block, found in self._coarse.contenders(queries, k, excluded):
            crowded[block] = found.crowded
            settled = block.start + np.flatnonzero(~found.crowded)
            squared[settled], ids[settled] = self._settle(queries[block], found.rows, found.ids, k)
        for some in _blocks(np.flatnonzero(crowded), m):
            squared[some], ids[some] = self._full(queries[some], k, excluded)
        return squared, ids

    def measure(
        self, queries: Float32[np.ndarray, "n d"], ids: Int64[np.ndarray, "n c"], k: int
    ) -> tuple[Squared, Ids]:
        """The k nearest of each query's own candidates."""
        n, c = ids.shape
        rows = np.repeat(np.arange(n), c)
        return self._settle(queries, rows, ids.ravel(), k)

    @functools.cached_property
    def _coarse(self) -> Coarse:
        return Coarse(self.vectors)

    def _full(
        self, queries: Float32[np.ndarray, "n d"], k: int, excluded: Bool[np.ndarray, " m"] | None
    ) -> tuple[Squared, Ids]:
        """Contenders by float32 products: for queries that many vectors are about equally near to."""
        m, x = len(self.vectors), torch.from_numpy(queries)
        fast = torch.addmm(self._lengths.square(), x, self._tensor.T, alpha=-2)  # |c|^2 - 2 x . c
        if excluded is not None:
            fast[:, torch.from_numpy(excluded)] = torch.inf
        kth = fast.amin(dim=1) if k == 1 else fast.kthvalue(k, dim=1).values
        slack = _slack(x.shape[1]) * (torch.linalg.vector_norm(x, dim=1) + self._lengths.max()).square()
        within = fast <= (kth + slack)[:, None]
        rows, ids = np.divmod(np.flatnonzero(within.numpy()), m)
        return self._settle(queries, rows, ids, k)

    def _settle(
        self,
        queries: Float32[np.ndarray, "n d"],
        rows: Int64[np.ndarray, " c"],
        ids: Int64[np.ndarray, " c"],
        k: int,
    ) -> tuple[Float32[np.ndarray, "r k"], Int64[np.ndarray, "r k"]]:
        """Measure the pairs (row, id) and keep each row's k nearest; rows ascend, each at least k times."""
        return nearest_of(rows, ids, measure(queries, rows, self.vectors, ids), k)


def nearest_of(
    rows: Int64[np.ndarray, " c"], ids: Int64[np.ndarray, " c"], squared: Float32[np.ndarray, " c"], k: int
) -> tuple[Float32[np.ndarray, "r k"], Int64[np.ndarray, "r k"]]:
    """Each row's k nearest of its measured pairs, ties by id; rows ascend, each at least k times."""
    first = np.flatnonzero(np.diff(rows, prepend=-1))  # where each row's pairs begin
    if k == 1:  # no sorting
        least = np.minimum.reduceat(squared, first) if len(first) else squared
        ties = np.flatnonzero(squared == np.repeat(least, np.diff(first, append=len(rows))))
        best = ties[np.diff(rows[ties], prepend=-1) > 0]
        return least[:, None], ids[best][:, None]
    order = np.lexsort((ids, squared, rows))
    kept = order[first[:, None] + np.arange(k)]
    return squared[kept], ids[kept]


def as_tensor(vectors: Float32[np.ndarray, "n d"]) -> Float32[Tensor, "n d"]:
    """The same memory, only to be read: a bank's arrays are often read-only, which torch would warn of.

    A filter that stays: ``catch_warnings`` sets back those of other threads.
    """
    if _QUIET not in warnings.filters:
        warnings.filterwarnings("ignore", message=_READ_ONLY)
    return torch.from_numpy(vectors)


def norms(vectors: Float32[np.ndarray, "n d"], name: str) -> Float32[np.ndarray, " n"]:
    """Euclidean lengths; raises ShapeError for values that are not finite or whose squares are not."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    bad = np.flatnonzero(~(lengths < LARGEST_NORM))
    if len(bad):
        raise ShapeError(
            requirement=f"{name} must be finite and shorter than {LARGEST_NORM:g}",
            received=f"length {lengths[bad[0]]:g} at row {bad[0]} ({len(bad)} such rows)",
            remedy="check the weights and the images for values that are not numbers",
        )
    return np.asarray(lengths)


def _slack(d: int) -> float:
    """Four times the rounding of a squared distance from products of d terms, in squared sums of both lengths.

    Products twice, of one vector and of the k-th, and direct measuring twice.
    """
    exact = torch.get_float32_matmul_precision() == "highest"
    return 4 * ((d + 32) * 2.0**-24 + (0 if exact else 2.0**-7))


def _blocks(items: Int64[np.ndarray, " n"], width: int) -> Iterator[Int64[np.ndarray, " b"]]:
    step = max(1, _BLOCK // width)
    for start in range(0, len(items), step):
        yield items[start : start + step]
