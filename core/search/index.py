"""One bank's search: exact, or proposed by an approximate index and then measured exactly.

Distances are Euclidean, not squared (the root is taken here and nowhere else), float32, larger is further.
Letters: m bank vectors, n queries, d dimensions, k neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from core.config import IndexConfig
from core.errors import SearchError, ShapeError
from core.search.approximate import Arrays, Cells, Graph
from core.search.exact import HOST, ExactSearch, Found, as_tensor

_PROPOSERS: dict[str, type[Graph] | type[Cells]] = {"hnsw": Graph, "ivfpq": Cells}
_SAMPLE = 512  # queries recall is measured on

Queries = Float[np.ndarray, "n d"] | Float[Tensor, "n d"]
"""Tensors are searched on the device they are on, arrays on the CPU."""


class Index:
    """Searches the vectors of one bank; made by ``build`` or, from a file's arrays, by ``from_arrays``."""

    def __init__(
        self,
        vectors: Float32[np.ndarray, "m d"],
        proposer: Graph | Cells | None,
        config: IndexConfig,
        recall: float = 1.0,
    ) -> None:
        self.vectors = vectors  # the bank's own, not a copy
        self._exact = {HOST: ExactSearch(vectors)}
        self._proposer = proposer
        self.config = config
        self.recall = recall  # share of queries whose nearest is the exact nearest, in [0, 1]; 1 for flat

    @classmethod
    def build(
        cls,
        vectors: Float[np.ndarray, "m d"],
        config: IndexConfig | None = None,
        seed: int = 0,
        held: Float[np.ndarray, "n d"] | None = None,
    ) -> Index:
        """Index bank vectors; deterministic for a seed.

        held: patches outside the bank, to measure the recall of an approximate index on; without them bank
        vectors search for their nearest other. Raises ShapeError for vectors that are not (m >= 1, d >= 1)
        and finite, SearchError for too few vectors for the kind.
        """
        config = config or IndexConfig()
        vectors = _vectors(vectors)
        if config.kind == "flat":
            return cls(vectors, None, config)
        kind = _PROPOSERS[config.kind]
        index = cls(vectors, kind(vectors, config, kind.train(vectors, config, seed)), config)
        index.recall = _recall(index, held, np.random.default_rng(seed))
        return index

    @classmethod
    def from_arrays(
        cls, vectors: Float[np.ndarray, "m d"], config: IndexConfig, arrays: Mapping[str, np.ndarray]
    ) -> Index:
        """Rebuild an index from ``arrays()`` of the same vectors; ShapeError for arrays that do not fit."""
        vectors, state = _vectors(vectors), dict(arrays)
        if config.kind == "flat":
            _check_flat(state)
            return cls(vectors, None, config)
        recall = _checked_recall(state.pop("recall", None))
        return cls(vectors, _PROPOSERS[config.kind](vectors, config, state), config, recall)

    @property
    def size(self) -> int:
        """Bank vectors m."""
        return len(self.vectors)

    @property
    def dimension(self) -> int:
        """Dimensions d of a vector."""
        return int(self.vectors.shape[1])

    def arrays(self) -> Arrays:
        """Everything besides vectors and config that ``from_arrays`` needs; empty for flat."""
        if self._proposer is None:
            return {}
        return {**self._proposer.arrays, "recall": np.array([self.recall], np.float64)}

    def search(
        self, queries: Queries, k: int = 1
    ) -> tuple[Float32[np.ndarray, "n k"], Int64[np.ndarray, "n k"]]:
        """The k nearest bank vectors: distances (n, k) ascending, and ids (n, k) in [0, size).

        Every distance is that of its id, exact in float32, whatever the kind: an approximate index may only
        miss a nearer vector. Raises SearchError for k outside [1, size] or another dimension, ShapeError for
        values that are not finite.
        """
        queries = self._queries(queries)
        if not 1 <= k <= self.size:
            raise SearchError(
                requirement=f"neighbours asked for must be from 1 to the bank's {self.size} vectors",
                received=str(k),
                remedy="ask for fewer, or build a larger bank",
            )
        squared, ids = self._nearest(queries, k)
        return np.sqrt(squared), ids

    def nearest_excluding(
        self, queries: Queries, excluded: Int64[np.ndarray, " e"]
    ) -> tuple[Float32[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
        """The nearest vector not named by ``excluded``: distances (n,) and ids (n,), exact whatever the kind.

        For leave-one-image-out scores. Raises SearchError where no vector remains or an id is out of range.
        """
        queries = self._queries(queries)
        mask = np.zeros(self.size, bool)
        if len(excluded) and (excluded.min() < 0 or excluded.max() >= self.size):
            raise SearchError(
                requirement=f"excluded ids must be from 0 to {self.size - 1}",
                received=f"{excluded.min()} to {excluded.max()}",
                remedy="pass ids of this bank's vectors",
            )
        mask[excluded] = True
        if mask.all():
            raise SearchError(
                requirement="at least one bank vector must remain",
                received=f"all {self.size} excluded",
                remedy="build the bank from more images, or keep more vectors",
            )
        squared, ids = self._search_all(queries, 1, mask)
        return np.sqrt(squared[:, 0]), ids[:, 0]

    def _nearest(self, queries: Float32[Tensor, "n d"], k: int) -> Found:
        if self._proposer is None or len(queries) == 0:
            return self._search_all(queries, k)
        queries = queries.cpu()
        ids = self._proposer.propose(queries.numpy(), k)  # (n, c)
        squared, found = np.empty((len(ids), k), np.float32), np.empty((len(ids), k), np.int64)
        filled = (ids >= 0).sum(axis=1) >= k  # an approximate index may find fewer than it was asked for
        lacking, rest = np.flatnonzero(~filled), np.flatnonzero(filled)
        squared[lacking], found[lacking] = self._search_all(queries[lacking], k)
        rows, pairs = np.repeat(np.arange(len(rest)), ids.shape[1]), ids[rest].ravel()
        pair = torch.from_numpy(rows), torch.from_numpy(pairs)
        squared[rest], found[rest] = self._exact[HOST].measure(queries[rest], *pair, k)
        return squared, found

    def _search_all(
        self, queries: Float32[Tensor, "n d"], k: int, excluded: Bool[np.ndarray, " m"] | None = None
    ) -> Found:
        if queries.device not in self._exact:
            self._exact[queries.device] = ExactSearch(self.vectors, queries.device)
        return self._exact[queries.device].nearest(queries, k, excluded)

    def _queries(self, queries: Queries) -> Float32[Tensor, "n d"]:
        if queries.ndim != 2 or queries.shape[1] != self.dimension:
            raise SearchError(
                requirement=f"queries must have shape (n, {self.dimension})",
                received=str(tuple(queries.shape)),
                remedy="use the backbone and the patch settings the bank was built with",
            )
        if isinstance(queries, Tensor):
            return queries.float().contiguous()
        return as_tensor(np.ascontiguousarray(queries, np.float32))


def _vectors(vectors: Float[np.ndarray, "m d"]) -> Float32[np.ndarray, "m d"]:
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise ShapeError(
            requirement="bank vectors must have shape (m, d) with at least one vector and one dimension",
            received=str(vectors.shape),
            remedy="build the bank from at least one patch",
        )
    return np.ascontiguousarray(vectors, np.float32)


def _recall(index: Index, held: Float[np.ndarray, "n d"] | None, rng: np.random.Generator) -> float:
    """Recall@1 on a sample: the share whose nearest is as near as the exact one."""
    if held is not None and len(held):
        queries = index._queries(held[rng.permutation(len(held))[:_SAMPLE]])
        return float(np.mean(index._nearest(queries, 1)[0] <= index._search_all(queries, 1)[0]))
    if index.size == 1:
        return 1.0
    own = rng.permutation(index.size)[:_SAMPLE]
    queries = index._queries(index.vectors[own])
    near, exact = index._nearest(queries, 2), index._search_all(queries, 2)
    return float(np.mean(_nearest_other(*near, own) <= _nearest_other(*exact, own)))


def _nearest_other(
    squared: Float32[np.ndarray, "n 2"], ids: Int64[np.ndarray, "n 2"], own: Int64[np.ndarray, " n"]
) -> Float32[np.ndarray, " n"]:
    return np.asarray(np.where(ids[:, 0] == own, squared[:, 1], squared[:, 0]))


def _check_flat(state: Mapping[str, np.ndarray]) -> None:
    if state:
        raise ShapeError(
            requirement="a flat index must have no arrays besides its vectors",
            received=", ".join(sorted(state)),
            remedy="build the bank again",
        )


def _checked_recall(recall: np.ndarray | None) -> float:
    if recall is None or recall.dtype != np.float64 or recall.shape != (1,) or not 0 <= recall[0] <= 1:
        raise ShapeError(
            requirement="an approximate index must record its recall as one float64 in [0, 1]",
            received="none" if recall is None else f"{recall.dtype} of shape {recall.shape}",
            remedy="build the bank again",
        )
    return float(recall[0])
