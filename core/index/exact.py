"""Exact nearest vectors: FAISS's fast products propose, direct differences decide.

q^2 + m^2 - 2qm cancels near zero, and differently for another batch size. So every vector whose fast distance
lies within the rounding bound of the k-th is measured again as sum (q - m)^2: identical vectors are exactly 0
apart, and a query's answer does not depend on its batch.
Letters: n queries, m bank vectors, d dimensions, k neighbours, c candidates.
"""

from __future__ import annotations

from collections.abc import Iterator

import faiss
import numpy as np
from jaxtyping import Bool, Float32, Int64

from core.errors import ShapeError

LARGEST_NORM = 1e18  # beyond it a squared distance leaves float32
_SPARE = 8  # candidates asked for beyond k; enough for all but exact ties (measured on ResNet50 patches)
_BLOCK = 2**22  # floats of one scratch array, 16 MiB

Squared = Float32[np.ndarray, "n k"]
Ids = Int64[np.ndarray, "n k"]


class ExactSearch:
    """Brute-force search over vectors it does not copy."""

    def __init__(self, vectors: Float32[np.ndarray, "m d"]) -> None:
        self.vectors = vectors
        self._largest = float(norms(vectors, "bank vectors").max())

    def nearest(
        self, queries: Float32[np.ndarray, "n d"], k: int, excluded: Bool[np.ndarray, " m"] | None = None
    ) -> tuple[Squared, Ids]:
        """The k nearest that are not excluded, nearest first, ties by id: squared distances and ids (n, k).

        At least k vectors must remain.
        """
        if excluded is None:
            excluded = np.zeros(len(self.vectors), bool)
        n, m = len(queries), len(self.vectors)
        squared, ids = np.empty((n, k), np.float32), np.empty((n, k), np.int64)
        if n == 0:
            return squared, ids
        slack = self._slack(queries)
        fast, found = faiss.knn(queries, self.vectors, min(m, k + _SPARE))  # (n, c), ascending
        beyond = fast[:, -1] if fast.shape[1] < m else np.full(n, np.inf, np.float32)
        fast[excluded[found]] = np.inf
        reach = _kth(fast, k) + 2 * slack
        proven = beyond > reach  # nothing that was not proposed can be nearer; False where too few were left
        rows, slots = np.nonzero((fast <= reach[:, None]) & proven[:, None])
        squared[proven], ids[proven] = self._settle(queries, rows, found[rows, slots], k)
        for block in _blocks(np.flatnonzero(~proven), m):
            squared[block], ids[block] = self._full(queries[block], k, excluded, slack[block])
        return squared, ids

    def measure(
        self, queries: Float32[np.ndarray, "n d"], ids: Int64[np.ndarray, "n c"], k: int
    ) -> tuple[Squared, Ids]:
        """The k nearest of each query's own candidates."""
        n, c = ids.shape
        rows = np.repeat(np.arange(n), c)
        return self._settle(queries, rows, ids.ravel(), k)

    def _full(
        self,
        queries: Float32[np.ndarray, "n d"],
        k: int,
        excluded: Bool[np.ndarray, " m"],
        slack: Float32[np.ndarray, " n"],
    ) -> tuple[Squared, Ids]:
        fast = faiss.pairwise_distances(queries, self.vectors)  # (n, m)
        fast[:, excluded] = np.inf
        rows, ids = np.nonzero(fast <= (_kth(fast, k) + 2 * slack)[:, None])
        return self._settle(queries, rows, ids, k)

    def _settle(
        self,
        queries: Float32[np.ndarray, "n d"],
        rows: Int64[np.ndarray, " c"],
        ids: Int64[np.ndarray, " c"],
        k: int,
    ) -> tuple[Float32[np.ndarray, "r k"], Int64[np.ndarray, "r k"]]:
        """Measure the pairs (row, id) and keep each row's k nearest; rows ascend, each at least k times."""
        squared = np.empty(len(rows), np.float32)
        for pairs in _blocks(np.arange(len(rows)), queries.shape[1]):
            difference = queries[rows[pairs]] - self.vectors[ids[pairs]]  # (c, d)
            squared[pairs] = np.square(difference, out=difference).sum(axis=1)
        order = np.lexsort((ids, squared, rows))
        first = np.flatnonzero(np.diff(rows, prepend=-1))  # where each row's pairs begin
        kept = order[first[:, None] + np.arange(k)]
        return squared[kept], ids[kept]

    def _slack(self, queries: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, " n"]:
        """Bound on the rounding of a fast squared distance (dot products of d terms), and of a direct one."""
        rounding = (queries.shape[1] + 32) * float(np.finfo(np.float32).eps) / 2
        return np.asarray(rounding * np.square(norms(queries, "queries") + self._largest), np.float32)


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


def _kth(values: Float32[np.ndarray, "n c"], k: int) -> Float32[np.ndarray, " n"]:
    return np.asarray(np.partition(values, k - 1, axis=1)[:, k - 1])


def _blocks(items: Int64[np.ndarray, " n"], width: int) -> Iterator[Int64[np.ndarray, " b"]]:
    step = max(1, _BLOCK // width)
    for start in range(0, len(items), step):
        yield items[start : start + step]
