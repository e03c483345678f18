"""Distances of pairs, measured as sum (q - m)^2 in float32: 0 for identical vectors, the same in every batch.

Letters: n queries, m bank vectors, d dimensions, k neighbours, c pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss as untyped_faiss
import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from core.errors import ShapeError

faiss: Any = untyped_faiss  # its stubs lack the distances of pairs

_LARGEST_NORM = 1e18  # beyond it a squared distance leaves float32
_SHARED = 2**22  # floats measured by FAISS (about 1 ms) that are worth waking other threads for
_MEASURED = 2**24  # floats that a device measures at a time


def measure(
    queries: Float32[Tensor, "n d"],
    rows: Int64[Tensor, " c"],
    vectors: Float32[Tensor, "m d"],
    ids: Int64[Tensor, " c"],
) -> Float32[Tensor, " c"]:
    """Squared distances of queries[rows] to vectors[ids]."""
    if queries.device.type != "cpu":
        return differences(queries, rows, vectors, ids)
    squared = torch.empty(len(rows))
    arrays = [each.contiguous().numpy() for each in (queries, rows, vectors, ids, squared)]
    work = queries.shape[1] * len(rows)
    with faiss_threads(None if work >= _SHARED else 1):
        faiss.pairwise_indexed_L2sqr(queries.shape[1], len(rows), *map(faiss.swig_ptr, arrays))
    return squared


def differences(
    queries: Float32[Tensor, "n d"],
    rows: Int64[Tensor, " c"],
    vectors: Float32[Tensor, "m d"],
    ids: Int64[Tensor, " c"],
) -> Float32[Tensor, " c"]:
    """The same by tensor operations of any device, a few pairs at a time."""
    step = max(1, _MEASURED // queries.shape[1])
    squared = torch.empty(len(rows), device=queries.device)
    for a in range(0, len(rows), step):
        some = slice(a, a + step)
        squared[some] = (queries[rows[some]] - vectors[ids[some]]).square_().sum(dim=1)
    return squared


def nearest_of(
    rows: Int64[np.ndarray, " c"], ids: Int64[np.ndarray, " c"], squared: Float32[np.ndarray, " c"], k: int
) -> tuple[Float32[np.ndarray, "r k"], Int64[np.ndarray, "r k"]]:
    """Each row's k nearest of its measured pairs, ties by id; rows ascend, each at least k times."""
    first = np.flatnonzero(np.diff(rows, prepend=-1))  # where each row's pairs begin
    if k == 1 and len(first):  # no sorting
        least = np.minimum.reduceat(squared, first)
        tied = squared == np.repeat(least, np.diff(first, append=len(rows)))
        return least[:, None], np.minimum.reduceat(np.where(tied, ids, ids.max()), first)[:, None]
    order = np.lexsort((ids, squared, rows))
    kept = order[first[:, None] + np.arange(k)]
    return squared[kept], ids[kept]


@contextmanager
def faiss_threads(count: int | None = None) -> Iterator[None]:
    """FAISS computes what this thread calls within on ``count`` threads, as many as torch where None.

    OpenMP keeps the number per calling thread, and torch may share FAISS's OpenMP, depending on which library is
    loaded first. So the number is lent for a call and put back: left at one, it would hold torch's next products in
    this thread to one core.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(torch.get_num_threads() if count is None else count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def check_norms(vectors: Float32[Tensor, "n d"], name: str) -> None:
    """Raises ShapeError for values that are not finite or whose squares are not."""
    lengths = torch.linalg.vector_norm(vectors, dim=1)
    bad = (~(lengths < _LARGEST_NORM)).nonzero()
    if len(bad):
        raise ShapeError(
            requirement=f"{name} must be finite and shorter than {_LARGEST_NORM:g}",
            received=f"length {float(lengths[bad[0]]):g} at row {int(bad[0])} ({len(bad)} such rows)",
            remedy="check the weights and the images for values that are not numbers",
        )
