"""HNSW and IVF-PQ as plain arrays: FAISS makes them, and reads them back only after a range check.

FAISS's own bytes are never read: they can name any memory. Building runs on one thread, so that the same
vectors, config and seed give the same arrays.
Letters: m vectors, n queries, d dimensions, l lists, s sub-quantizers, c candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import faiss as untyped_faiss
import numpy as np
from jaxtyping import Float32, Int64

from core.config import IndexConfig
from core.errors import SearchError, ShapeError
from core.search.measure import faiss_threads

faiss: Any = untyped_faiss  # its stubs lack HNSW's fields and the search parameters

Arrays = dict[str, np.ndarray]
_CODEWORDS = 256  # one byte a sub-quantizer


class Graph:
    """HNSW (Malkov and Yashunin 2018): levels of each vector and its links, in FAISS's order."""

    def __init__(
        self, vectors: Float32[np.ndarray, "m d"], config: IndexConfig, arrays: Mapping[str, np.ndarray]
    ) -> None:
        m, d = vectors.shape
        self._effort = config.effort
        self._index = faiss.IndexHNSWFlat(d, config.links)
        hnsw = self._index.hnsw
        check_graph(arrays, m, config.links, tallest=hnsw.cum_nneighbor_per_level.size() - 1)
        self.arrays = dict(arrays)
        offsets = np.concatenate([[0], np.cumsum(_slots(arrays["levels"], config.links))]).astype(np.uint64)
        self._index.storage.add(vectors)
        self._index.ntotal = m
        faiss.copy_array_to_vector(arrays["levels"], hnsw.levels)
        faiss.copy_array_to_vector(offsets, hnsw.offsets)
        faiss.copy_array_to_vector(arrays["neighbours"], hnsw.neighbors)
        hnsw.entry_point = int(arrays["entry"][0])
        hnsw.max_level = int(arrays["levels"].max()) - 1

    @staticmethod
    def train(vectors: Float32[np.ndarray, "m d"], config: IndexConfig, seed: int) -> Arrays:
        """levels (m,) int32, neighbours (slots,) int32 with -1 for an empty slot, entry (1,) int32."""
        index = faiss.IndexHNSWFlat(vectors.shape[1], config.links)
        index.hnsw.rng = faiss.RandomGenerator(seed)
        index.hnsw.efConstruction = config.build_effort
        with faiss_threads(1):
            index.add(vectors)
        return {
            "levels": faiss.vector_to_array(index.hnsw.levels),
            "neighbours": faiss.vector_to_array(index.hnsw.neighbors),
            "entry": np.array([index.hnsw.entry_point], np.int32),
        }

    def propose(self, queries: Float32[np.ndarray, "n d"], k: int) -> Int64[np.ndarray, "n c"]:
        """Ids of candidates for exact measuring; -1 stands for none."""
        effort = faiss.SearchParametersHNSW(efSearch=max(self._effort, k))
        with faiss_threads():
            return np.asarray(self._index.search(queries, k, params=effort)[1])


class Cells:
    """IVF-PQ (Jegou et al. 2011): coarse lists, and one byte a sub-quantizer for the rest of each vector."""

    def __init__(
        self, vectors: Float32[np.ndarray, "m d"], config: IndexConfig, arrays: Mapping[str, np.ndarray]
    ) -> None:
        m, d = vectors.shape
        check_cells(arrays, m, d)
        self.arrays = dict(arrays)
        self._probes, self._rerank = config.probes, config.rerank
        self._index = _empty_cells(d, len(arrays["centroids"]), len(arrays["codebooks"]))
        self._index.quantizer.add(arrays["centroids"])
        faiss.copy_array_to_vector(arrays["codebooks"].ravel(), self._index.pq.centroids)
        self._index.is_trained = True
        self._index.use_precomputed_table = -1  # FAISS's default may take 2 GB
        if self._index.nlist * len(arrays["codebooks"]) * _CODEWORDS <= m * d:  # no larger than the vectors
            self._index.use_precomputed_table = 0
            self._index.precompute_table()
        for number in np.unique(arrays["lists"]):
            ids = np.flatnonzero(arrays["lists"] == number).astype(np.int64)
            codes = np.ascontiguousarray(arrays["codes"][ids])
            pointers = faiss.swig_ptr(ids), faiss.swig_ptr(codes)
            self._index.invlists.add_entries(int(number), len(ids), *pointers)
        self._index.ntotal = m

    @staticmethod
    def train(vectors: Float32[np.ndarray, "m d"], config: IndexConfig, seed: int) -> Arrays:
        """centroids (l, d) and codebooks (s, 256, d / s) float32, codes (m, s) uint8, lists (m,) int32."""
        m, d = vectors.shape
        lists = lists_of(config, m)
        s = max(s for s in range(1, min(config.code_bytes, d) + 1) if d % s == 0)
        index = _empty_cells(d, lists, s)
        for clustering in (index.cp, index.pq.cp):
            clustering.seed = seed % 2**31
            clustering.min_points_per_centroid = 1  # fewer only warns, on standard error
        with faiss_threads(1):
            index.train(vectors)
            assigned = index.quantizer.search(vectors, 1)[1][:, 0]
            centroids = index.quantizer.reconstruct_n(0, lists)
            codes = index.pq.compute_codes(vectors - centroids[assigned])
        codebooks = faiss.vector_to_array(index.pq.centroids).reshape(s, _CODEWORDS, d // s)
        return {
            "centroids": centroids,
            "codebooks": codebooks,
            "codes": codes,
            "lists": assigned.astype(np.int32),
        }

    def propose(self, queries: Float32[np.ndarray, "n d"], k: int) -> Int64[np.ndarray, "n c"]:
        """Ids of candidates for exact measuring; -1 stands for none."""
        count = min(self._index.ntotal, max(k, self._rerank))
        probes = faiss.SearchParametersIVF(nprobe=min(self._probes, self._index.nlist))
        with faiss_threads():
            return np.asarray(self._index.search(queries, count, params=probes)[1])


def check_graph(arrays: Mapping[str, np.ndarray], m: int, links: int, tallest: int) -> None:
    """Every link of a level leads to a vector that has that level; every count agrees. Raises ShapeError."""
    _check_form(arrays, {"levels": (np.int32, 1), "neighbours": (np.int32, 1), "entry": (np.int32, 1)})
    levels, neighbours, entry = arrays["levels"], arrays["neighbours"], arrays["entry"]
    _check(levels.shape == (m,) and entry.shape == (1,), f"HNSW arrays must describe {m} vectors")
    _check(_within(levels, 1, tallest), f"HNSW levels must be from 1 to {tallest}")
    slots = _slots(levels, links)
    _check(int(slots.sum()) == len(neighbours), "HNSW neighbours must fill the slots of every level")
    _check(_within(entry, 0, m - 1), f"HNSW entry must be from 0 to {m - 1}")
    _check(bool(levels[entry[0]] == levels.max()), "HNSW entry must be of the highest level")
    _check(_within(neighbours, -1, m - 1), f"HNSW neighbours must be from -1 to {m - 1}")
    position = np.arange(len(neighbours)) - np.repeat(np.cumsum(slots) - slots, slots)
    level = np.maximum(position // links - 1, 0)  # the lowest level has 2 * links slots
    reached = np.where(neighbours >= 0, levels[neighbours], tallest + 1)
    _check(bool((reached > level).all()), "HNSW neighbours must have the level they are linked on")


def check_cells(arrays: Mapping[str, np.ndarray], m: int, d: int) -> None:
    """Finite centroids, a list and a code for every vector, all shapes agreeing. Raises ShapeError."""
    forms = {"centroids": (np.float32, 2), "codebooks": (np.float32, 3)}
    _check_form(arrays, {**forms, "codes": (np.uint8, 2), "lists": (np.int32, 1)})
    centroids, codebooks, lists = arrays["centroids"], arrays["codebooks"], arrays["lists"]
    s = len(codebooks)
    _check(1 <= len(centroids) <= m and centroids.shape[1] == d, f"IVF-PQ centroids must be (1 to {m}, {d})")
    _check(1 <= s <= d and d % s == 0, f"IVF-PQ sub-quantizers must divide {d} dimensions")
    _check(codebooks.shape == (s, _CODEWORDS, d // s), f"IVF-PQ codebooks must be ({s}, 256, {d // s})")
    _check(arrays["codes"].shape == (m, s) and lists.shape == (m,), f"IVF-PQ codes must be ({m}, {s})")
    for values in (centroids, codebooks):
        _check(_within(values, -1e15, 1e15), "IVF-PQ centroids must be finite and within 1e15 of 0")
    _check(_within(lists, 0, len(centroids) - 1), f"IVF-PQ lists must be from 0 to {len(centroids) - 1}")


def _check_form(arrays: Mapping[str, np.ndarray], forms: Mapping[str, tuple[Any, int]]) -> None:
    names = ", ".join(sorted(forms))
    _check(set(arrays) == set(forms), f"the index must consist of {names}")
    for name, (dtype, dimensions) in forms.items():
        form = f"index array {name} must be {np.dtype(dtype)} of {dimensions} dimension(s)"
        _check(arrays[name].dtype == dtype and arrays[name].ndim == dimensions, form)


def _check(holds: bool, requirement: str) -> None:
    if not holds:
        raise ShapeError(
            requirement=requirement,
            received="arrays where that does not hold",
            remedy="build the bank again: its index was damaged or made by other software",
        )


def _within(values: np.ndarray, low: int | float, high: int | float) -> bool:
    return bool((values >= low).all() and (values <= high).all())  # False for NaN


def _slots(levels: np.ndarray, links: int) -> Int64[np.ndarray, " m"]:
    return (levels.astype(np.int64) + 1) * links  # twice the links on the lowest level, once on each above


def _empty_cells(d: int, lists: int, s: int) -> Any:
    quantizer = faiss.IndexFlatL2(d)
    index = faiss.IndexIVFPQ(quantizer, d, lists, s, 8)
    index.referenced_objects = [quantizer]  # FAISS borrows it
    return index


def lists_of(config: IndexConfig, m: int) -> int:
    """Of an ivfpq index of m vectors. Raises SearchError where they are too few."""
    lists = config.lists or max(1, round(m**0.5))
    if m < (least := max(_CODEWORDS, lists)):
        raise SearchError(
            requirement=f"an IVF-PQ index of {lists} lists needs at least {least} vectors",
            received=f"{m} vectors",
            remedy="use the flat index, which is exact, for a bank this small",
        )
    return lists
