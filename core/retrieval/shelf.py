"""Descriptors by row, never changed in place: exact in float32 while they are few, in FAISS's float16 beyond.

A million of 168 dimensions are 336 MB instead of 672. Letters: n descriptors, d dimensions, k of them, m added.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from core.search.halved import Halved

EXACT = 100_000  # descriptors; more of them are kept in float16
CHUNK = 16_384  # descriptors kept, and read, at a time


@dataclass(frozen=True, eq=False)
class Shelf:
    """Chunks of CHUNK descriptors, the last one of fewer. ``added`` and ``kept`` give another shelf."""

    d: int
    chunks: tuple[Float32[np.ndarray, "_ d"] | Halved, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.chunks))

    @property
    def halved(self) -> bool:
        """Whether they are kept in float16."""
        return any(isinstance(chunk, Halved) for chunk in self.chunks)

    def blocks(self) -> Iterator[Float32[np.ndarray, "_ d"]]:
        """All of them in their order, some at a time."""
        for chunk in self.chunks:
            yield chunk.whole() if isinstance(chunk, Halved) else chunk

    def added(self, more: Float32[np.ndarray, "m d"]) -> Shelf:
        """With these after the others."""
        full = [chunk for chunk in self.chunks if len(chunk) == CHUNK]
        loose = [Shelf(self.d, (chunk,)).taken(range(len(chunk))) for chunk in self.chunks[len(full) :]]
        rest = np.concatenate([*loose, more])
        new = [np.ascontiguousarray(rest[i : i + CHUNK]) for i in range(0, len(rest), CHUNK)]
        if len(full) * CHUNK + len(rest) <= EXACT:
            return Shelf(self.d, (*full, *new))
        return Shelf(
            self.d, tuple(each if isinstance(each, Halved) else Halved(each) for each in (*full, *new))
        )

    def kept(self, rows: Sequence[int]) -> Shelf:
        """Only these, in this order."""
        found = Shelf(self.d)
        for i in range(0, len(rows), CHUNK):
            found = found.added(self.taken(rows[i : i + CHUNK]))
        return found

    def taken(self, rows: Sequence[int]) -> Float32[np.ndarray, "k d"]:
        """These, in this order."""
        wanted = np.asarray(rows, np.int64)
        found = np.empty((len(wanted), self.d), np.float32)
        for place, chunk in enumerate(self.chunks):
            here = np.flatnonzero(wanted // CHUNK == place)
            inside = wanted[here] - place * CHUNK
            found[here] = chunk.taken(inside) if isinstance(chunk, Halved) else chunk[inside]
        return found

    def products(self, query: Float32[np.ndarray, " d"]) -> Float32[np.ndarray, " n"]:
        """Of each with the query."""
        return np.concatenate([np.empty(0, np.float32), *(block @ query for block in self.blocks())])

    def lengths(self, axes: Float32[np.ndarray, "d d"]) -> Float32[np.ndarray, " n"]:
        """Of each, multiplied with the axes."""
        each = [np.linalg.norm(block @ axes, axis=1) for block in self.blocks()]
        return np.concatenate([np.empty(0), *each]).astype(np.float32)
