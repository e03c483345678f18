"""Points that a greedy search reads again and again: in memory or, past it, in a file read piece by piece.

The file is read and written plainly, not mapped: its pages belong to the system's cache, not to the process.
Letters: n points, k dimensions, a of them asked for.
"""

from __future__ import annotations

import errno
import os
import tempfile
import weakref
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor


@runtime_checkable
class Rows(Protocol):
    """n points of k dimensions. Several threads may read them."""

    def __len__(self) -> int: ...

    def take(self, ids: Int64[np.ndarray, " a"]) -> Float32[np.ndarray, "a k"]:
        """Those of these places, in their order; a copy."""
        ...

    def block(self, part: slice) -> Float32[np.ndarray, "a k"]:
        """Consecutive ones; not to be written to."""
        ...


class Held:
    """Rows in memory."""

    def __init__(self, points: Float32[np.ndarray, "n k"]) -> None:
        self._points = points

    def __len__(self) -> int:
        return len(self._points)

    def take(self, ids: Int64[np.ndarray, " a"]) -> Float32[np.ndarray, "a k"]:
        return self._points.take(ids, axis=0)

    def block(self, part: slice) -> Float32[np.ndarray, "a k"]:
        return self._points[part]


class Some:
    """Certain rows of others, which stay where they are. places (n,): of them."""

    def __init__(self, rows: Rows, places: Int64[np.ndarray, " n"]) -> None:
        self._rows, self._places = rows, places

    def __len__(self) -> int:
        return len(self._places)

    def take(self, ids: Int64[np.ndarray, " a"]) -> Float32[np.ndarray, "a k"]:
        return self._rows.take(self._places[ids])

    def block(self, part: slice) -> Float32[np.ndarray, "a k"]:
        return self._rows.take(self._places[part])


class OnDevice:
    """Rows in the memory of a device, which has room for ``capacity`` of them."""

    def __init__(self, dimension: int, capacity: int, device: torch.device) -> None:
        self._points = torch.empty(capacity, dimension, device=device)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, points: Float32[Tensor, "a k"]) -> None:
        self._points[self._count : self._count + len(points)] = points
        self._count += len(points)

    def keep(self, places: Int64[np.ndarray, " a"]) -> None:
        """Only these rows, which move to the front."""
        kept = self._points[torch.from_numpy(places).to(self._points.device)]
        self._count = 0
        self.append(kept)

    def take(self, ids: Int64[np.ndarray, " a"]) -> Float32[np.ndarray, "a k"]:
        return self._points[torch.from_numpy(ids).to(self._points.device)].cpu().numpy()

    def block(self, part: slice) -> Float32[Tensor, "a k"]:
        return self._points[: self._count][part]


class Filed:
    """The first rows in memory, all others in a file without a name in ``directory``, which goes with this object.

    held: how many rows memory is taken for.
    """

    def __init__(self, dimension: int, held: int, directory: Path | None = None) -> None:
        self._held = np.empty((held, dimension), np.float32)  # pages are taken as they are filled
        self._bytes = 4 * dimension
        self._directory = Path(directory or tempfile.gettempdir())
        self._file: int | None = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def dimension(self) -> int:
        return self._held.shape[1]

    def append(self, points: Float32[np.ndarray, "a k"]) -> None:
        """More rows. Raises OSError where the disk has no room."""
        room = max(0, min(len(points), len(self._held) - self._count))
        self._held[self._count : self._count + room] = points[:room]
        if room < len(points):
            self._write(self._count + room, points[room:])
        self._count += len(points)

    def keep(self, places: Int64[np.ndarray, " a"]) -> None:
        """Only these rows, which move to the front."""
        kept = self.take(places)
        self._count = 0
        self.append(kept)

    def take(self, ids: Int64[np.ndarray, " a"]) -> Float32[np.ndarray, "a k"]:
        if self._count <= len(self._held):
            return self._held.take(ids, axis=0)
        found = np.empty((len(ids), self.dimension), np.float32)
        order = np.argsort(ids, kind="stable")
        ascending = ids[order]
        split = int(np.searchsorted(ascending, len(self._held)))
        found[order[:split]] = self._held.take(ascending[:split], axis=0)
        for a, b in _runs(ascending[split:]):
            first, last = split + a, split + b
            found[order[first:last]] = self._read(int(ascending[first]), last - first)
        return found

    def block(self, part: slice) -> Float32[np.ndarray, "a k"]:
        start, stop = int(part.start), min(int(part.stop), self._count)
        if stop <= len(self._held):
            return self._held[start:stop]
        if start >= len(self._held):
            return self._read(start, stop - start)
        return np.concatenate([self._held[start:], self._read(len(self._held), stop - len(self._held))])

    def _write(self, first: int, points: np.ndarray) -> None:
        if self._file is None:
            handle, name = tempfile.mkstemp(dir=self._directory)
            os.unlink(name)
            self._file = handle
            weakref.finalize(self, os.close, handle)
        rest = np.ascontiguousarray(points, np.float32).data.cast("B")
        offset = (first - len(self._held)) * self._bytes
        while rest:
            done = os.pwrite(self._file, rest, offset)
            rest, offset = rest[done:], offset + done

    def _read(self, first: int, count: int) -> Float32[np.ndarray, "a k"]:
        assert self._file is not None
        found = np.empty((count, self.dimension), np.float32)
        rest, offset = found.data.cast("B"), (first - len(self._held)) * self._bytes
        while rest:
            done = os.preadv(self._file, [rest], offset)
            if not done:
                raise OSError(errno.EIO, "the file of spilled points ended early", str(self._directory))
            rest, offset = rest[done:], offset + done
        return found


def _runs(ascending: Int64[np.ndarray, " a"]) -> list[tuple[int, int]]:
    """(start, stop) of consecutive numbers."""
    edges = (
        np.flatnonzero(np.diff(ascending, prepend=-2, append=-2) != 1) if len(ascending) else np.empty(0, int)
    )
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
