"""The full patch vectors of a build: in memory up to a budget, past it in a file read piece by piece.

The file is read and written plainly, not mapped: its pages belong to the system's cache, not to the process.
Letters: p patches of an image, d dimensions, m gathered rows.
"""

from __future__ import annotations

import errno
import itertools
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64
from torch import Tensor

from core.errors import MemoryBudgetError, ShapeError
from core.features.patches import Patches
from core.memory.layout import Vectors

_RESERVE_BYTES = 64 << 20  # disk left to others


@dataclass(frozen=True)
class _Segment:
    """The vectors of one image: in memory, or in the file from byte ``offset`` on."""

    vectors: np.ndarray | None
    offset: int


class PatchStore(Vectors):
    """Appended image by image, numbered from 0; row ids count all vectors in the order of appending.

    Memory stays within ``budget_bytes`` and what a call returns. The file is in ``directory``, by default
    the system's temporary one, without a name where that is possible; it goes with the store or its process.
    Several threads may read what was appended.
    """

    def __init__(
        self, dimension: int, budget_bytes: int, directory: Path | None = None, kept: Path | None = None
    ) -> None:
        """kept: the file to write, which stays when the store is closed; it must not be there yet."""
        super().__init__(dimension)
        self._spare = budget_bytes
        self._directory = Path(directory or tempfile.gettempdir())
        self._file: Any = None  # a raw binary file
        if kept is not None:
            self._hold(kept.open("xb+", buffering=0))
        self._turn = threading.Lock()  # of the file's position
        self._written = 0
        self._segments: list[_Segment] = []

    def append(self, vectors: Float32[Tensor, "p d"], image: int, grid: tuple[int, int]) -> None:
        """Keep the vectors of the next image, row-major over grid = (rows, columns).

        Raises ShapeError, and MemoryBudgetError where the disk has no room: then the file is gone.
        """
        self._check(vectors, image, grid)
        size = len(vectors) * self.dimension * 4
        if size <= self._spare:
            kept = vectors.cpu().contiguous().numpy().copy()
            self._spare -= size
            segment = _Segment(kept, 0)
        else:
            self._spill(vectors, size)
            segment = _Segment(None, self._written)
            self._written += size
        self._segments.append(segment)
        self.lay(grid)

    @classmethod
    def reopened(cls, dimension: int, path: Path, grids: Sequence[tuple[int, int]]) -> PatchStore:
        """What was kept in a file, to read. Raises OSError, and ShapeError where the file has another size."""
        store = cls(dimension, 0)
        store._hold(path.open("rb", buffering=0))
        for grid in grids:
            store._segments.append(_Segment(None, store.count * dimension * 4))
            store.lay(grid)
        store._written = store.count * dimension * 4
        if (size := path.stat().st_size) != store._written:
            store.close()
            raise ShapeError(
                requirement=f"a file of {len(grids)} images must have {store._written:,} bytes",
                received=f"{size:,}",
                remedy="delete it; it is made again",
            )
        return store

    def extend(self, batch: Patches) -> None:
        """Keep the vectors of each image of a batch. Raises as ``append`` does."""
        for vectors in batch.vectors:  # (p, d)
            self.append(vectors, self.images, batch.grid)

    def rows(self, ids: Int64[np.ndarray, " m"]) -> Float32[np.ndarray, "m d"]:
        """The vectors of these ids, in their order; the file is read forwards once."""
        self._check_ids(ids)
        found = np.empty((len(ids), self.dimension), np.float32)
        order = np.argsort(ids, kind="stable")
        for image, (a, b) in self._by_image(ids[order]):
            segment, places = self._segments[image], order[a:b]
            local = ids[places] - self._first[image]
            if segment.vectors is not None:
                found[places] = segment.vectors[local]
                continue
            for place, row in zip(places, local, strict=True):
                self._read(segment.offset + int(row) * self.dimension * 4, found[place])
        return found

    def image_vectors(self, image: int) -> Float32[np.ndarray, "p d"]:
        """The vectors of one image, read in one piece; not to be written to."""
        segment = self._segments[self._check_image(image)]
        if segment.vectors is not None:
            return segment.vectors
        rows, columns = self.grid(image)
        found = np.empty((rows * columns, self.dimension), np.float32)
        self._read(segment.offset, found)
        return found

    @property
    def spilled_bytes(self) -> int:
        """Size of the file."""
        return self._written

    def close(self) -> None:
        """Let go of all vectors and of the file. May be called twice."""
        for kept in (self._segments, self._first, self._grids):
            kept.clear()
        self.count = self._written = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> PatchStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _by_image(self, ids: np.ndarray) -> Iterator[tuple[int, tuple[int, int]]]:
        """Runs of ascending ids of one image: (image, (start, stop))."""
        images = self.image_of(ids)
        edges = np.flatnonzero(np.diff(images, prepend=-1, append=-1)).tolist()
        for a, b in itertools.pairwise(edges):
            yield int(images[a]), (a, b)

    def _hold(self, file: Any) -> None:
        """It is closed with this store, also where nobody closes that."""
        self._file = file
        weakref.finalize(self, file.close)

    def _spill(self, vectors: Tensor, size: int) -> None:
        """Write at the end of the file."""
        try:
            self._check_free(size)
            if self._file is None:
                self._hold(tempfile.TemporaryFile(dir=self._directory, buffering=0))  # noqa: SIM115
            rest = vectors.cpu().contiguous().numpy().data.cast("B")
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            received = error.strerror or str(error)
            raise self._no_room(received) from error

    def _check_free(self, size: int) -> None:
        free = shutil.disk_usage(self._directory).free
        if free < size + _RESERVE_BYTES:
            raise self._no_room(f"{free / 1e6:,.0f} MB free, {size / 1e6:,.1f} MB more to write")

    def _no_room(self, received: str) -> MemoryBudgetError:
        """The error to raise; lets go of the file first, so that nothing stays on a full disk."""
        written = self._written
        self.close()
        return MemoryBudgetError(
            requirement=f"vectors past the memory budget need room in {self._directory}, "
            f"{written / 1e6:,.1f} MB of them are written",
            received=received,
            remedy="free disk space, name another directory, raise the memory budget or use fewer images",
        )

    def _read(self, offset: int, into: np.ndarray) -> None:
        """Fill a C-contiguous array from the file."""
        assert self._file is not None
        rest = into.data.cast("B")
        with self._turn:
            self._file.seek(offset)
            while rest:
                done = self._file.readinto(rest)
                if not done:
                    raise OSError(errno.EIO, "the file of spilled vectors ended early", str(self._directory))
                rest = rest[done:]

    def _check(self, vectors: Tensor, image: int, grid: tuple[int, int]) -> None:
        p, d = vectors.shape
        if d != self.dimension or p != grid[0] * grid[1] or p < 1 or image != self.images:
            raise ShapeError(
                requirement=f"the next vectors must be of image {self.images}, have shape (rows * columns, "
                f"{self.dimension}) and at least one row",
                received=f"image {image}, grid {grid}, shape ({p}, {d})",
                remedy="append images in order, with the grid their patches came in",
            )
