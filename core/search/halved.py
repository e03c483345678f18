"""Vectors in float16, by FAISS's scalar quantiser (QT_fp16): half the memory, read back as float32 in any number.

Letters: n vectors, d dimensions, k of them.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int64

from core.search.measure import faiss


class Halved:
    """Some vectors that never change."""

    def __init__(self, vectors: Float32[np.ndarray, "n d"]) -> None:
        self._d = vectors.shape[1]
        self._index = faiss.IndexScalarQuantizer(
            self._d, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        self._index.train(vectors[:1])
        self._index.add(np.ascontiguousarray(vectors))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def whole(self) -> Float32[np.ndarray, "n d"]:
        """All of them."""
        found: Float32[np.ndarray, "n d"] = self._index.reconstruct_n(0, len(self))
        return found

    def taken(self, rows: Int64[np.ndarray, " k"]) -> Float32[np.ndarray, "k d"]:
        """Some of them."""
        if not len(rows):
            return np.empty((0, self._d), np.float32)
        found: Float32[np.ndarray, "k d"] = self._index.reconstruct_batch(rows)
        return found
