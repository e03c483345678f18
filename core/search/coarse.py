"""Which bank vectors can be nearest: one matrix product of low precision, made a proof by its error bound.

For sketches f (see ``sketch``), |x - c| <= u implies |f(x) - f(c)| <= u, and for the rounded ones that are
multiplied (``Factors``) |f'(x) - f'(c)| <= u + e, where e is how far rounding moved the two. The product gives the
gains of all pairs. The k best are measured directly, which gives u; what does not reach it is out. Precision and
sketch move the time, never a result.
Letters: n queries, m bank vectors, d dimensions, w numbers of a sketch, k neighbours, c contenders, g groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import faiss as untyped_faiss
import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64, Shaped
from torch import Tensor

from core.search.sketch import Factors, Gains, Sketch, product, quickest

faiss: Any = untyped_faiss  # its stubs lack the distances of pairs


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


_PAIRS = 2**23  # of one product at most, 32 MiB of gains
_ROWS = 1024  # vectors sketched at a time
_GROUP = 16  # bank vectors of which the best gain is looked at first
_CROWD = 0.6  # a query with more than this share of groups to look into is left to a float32 product
_SHARED = 2**22  # floats measured directly (about 1 ms) that are worth waking other threads for
_DIRECT = 2.0**-24  # relative rounding of a directly measured distance, for each dimension


class Contenders(NamedTuple):
    """Pairs (row of a query, id), sorted, that hold the k nearest of each query that is not crowded."""

    rows: Int64[np.ndarray, " c"]
    ids: Int64[np.ndarray, " c"]
    crowded: Bool[np.ndarray, " n"]


class Coarse:
    """The product's side of one bank: its rounded sketches, in groups of consecutive ids.

    A group's columns lie g apart, so that the best of all groups is found in one pass over the gains.
    """

    def __init__(
        self, vectors: Float32[np.ndarray, "m d"], gains: Callable[[Sketch], Gains] = quickest
    ) -> None:
        self._vectors = vectors
        self._sketch = Sketch(vectors)
        self._gains = gains(self._sketch)
        parts = [self._round(vectors[a : a + _ROWS]) for a in range(0, len(vectors), _ROWS)]
        squared = np.concatenate([part.squared for part in parts])
        self._largest = float(squared.max())
        self._moved = max(float(part.moved.max()) for part in parts)
        self._values = _grouped(torch.cat([part.values for part in parts]), 0.0)  # (16 g, w)
        self._halves = _grouped(self._gains.halves(squared), -self._gains.never)  # (16 g,)
        self._block = max(1, min(_ROWS, _PAIRS // len(self._halves)))  # queries of one product

    def contenders(
        self, queries: Float32[np.ndarray, "n d"], k: int, excluded: Bool[np.ndarray, " m"] | None = None
    ) -> Iterator[tuple[slice, Contenders]]:
        """Everything that can be among the k nearest, less what is excluded, for one block of queries at a time."""
        absent = None if excluded is None else _grouped(torch.from_numpy(excluded), 0.0).nonzero()[:, 0]
        room = torch.empty(min(self._block, len(queries)), len(self._halves), dtype=self._halves.dtype)
        for start in range(0, len(queries), _ROWS):
            some = self._round(queries[start : start + _ROWS])
            for a in range(0, len(some.moved), self._block):
                part = some.block(a, a + self._block)
                gains = product(part.values, self._values, out=room[: len(part.moved)]).sub_(self._halves)
                if absent is not None:
                    gains.index_fill_(1, absent, self._gains.never)
                rows = slice(start + a, start + a + len(gains))
                yield rows, self._of_block(queries[rows], k, gains, part)

    def _of_block(
        self, queries: Float32[np.ndarray, "n d"], k: int, gains: Tensor, factors: Factors
    ) -> Contenders:
        n, g = len(queries), len(self._halves) // _GROUP
        best = gains.view(n, _GROUP, g).amax(dim=1).numpy()  # (n, g)
        members = gains.numpy().reshape(n, _GROUP, g)
        bound = self._bound(queries, k, members, best)
        crowded = ~np.isfinite(bound)
        least = self._least(np.where(crowded, 0, bound), factors)
        hits = best >= least[:, None]
        crowded |= np.count_nonzero(hits, axis=1) > _CROWD * g + 4 * k
        hits[crowded] = False
        rows, groups = np.divmod(np.flatnonzero(hits), g)
        which, member = np.nonzero(members[rows, :, groups] >= least[rows, None])
        return Contenders(rows[which], groups[which] * _GROUP + member, crowded)

    def _bound(
        self,
        queries: Float32[np.ndarray, "n d"],
        k: int,
        members: Shaped[np.ndarray, "n 16 g"],
        best: Shaped[np.ndarray, "n g"],
    ) -> Float64[np.ndarray, " n"]:
        """What the k nearest lie within, squared: the k-th of the best of as many groups; inf where they are fewer."""
        n, g = best.shape
        bound = np.full(n, np.inf)
        if k > g:
            return bound
        groups = best.argmax(axis=1)[:, None] if k == 1 else np.argpartition(best, g - k, axis=1)[:, g - k :]
        held = np.take_along_axis(best, groups, axis=1).min(axis=1) > self._gains.never
        rows = np.flatnonzero(held)
        groups = groups[rows]  # (r, k)
        ids = groups * _GROUP + members[rows[:, None], :, groups].argmax(axis=2)
        squared = measure(queries, np.repeat(rows, k), self._vectors, ids.ravel())
        bound[rows] = squared.reshape(-1, k).max(axis=1)
        return bound

    def _least(self, bound: Float64[np.ndarray, " n"], factors: Factors) -> Shaped[np.ndarray, " n"]:
        """The least gain of a vector that measures no farther than ``bound``, squared."""
        rounding = 1 + (self._vectors.shape[1] + 8) * _DIRECT
        reach = (np.sqrt(bound) * rounding + factors.moved + self._moved) / self._gains.unit
        error = self._gains.error(factors.squared + self._largest)
        return self._gains.down((factors.squared - reach**2) / 2 - error)

    def _round(self, vectors: Float32[np.ndarray, "n d"]) -> Factors:
        """Rounded sketches; they lie as far as ``moved`` from exact ones at most."""
        sketch, off = self._sketch(vectors)
        factors = self._gains.factors(sketch)
        return factors._replace(moved=factors.moved + off)


def _grouped(values: Shaped[Tensor, "m ..."], empty: float) -> Shaped[Tensor, "c ..."]:
    """By column: those of the groups' first members, then of their second; ``empty`` where the last group ends."""
    rest = values.shape[1:]
    full = values.new_full((-(-len(values) // _GROUP) * _GROUP, *rest), empty)
    full[: len(values)] = values
    return full.view(-1, _GROUP, *rest).transpose(0, 1).reshape(-1, *rest)


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
    pointers = [faiss.swig_ptr(array) for array in (queries, rows, vectors, ids, squared)]
    with faiss_threads(None if work >= _SHARED else 1):
        faiss.pairwise_indexed_L2sqr(queries.shape[1], len(rows), *pointers)
    return squared
