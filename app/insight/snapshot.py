"""What a bank's memory holds at a moment: which inspections, of which parts, what people said, what is like what.

Letters: n descriptors, m of them, d dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from app.store.descriptors import Known, Said
from core.retrieval import Learnt, Shelf, Whitening, unit


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that a bank's memory holds at a moment: rows below ``len``; ``known`` and ``rows`` may hold later ones too.

    at (n,): the station's number in ``stations``. parts (n,): a hash of the serial number. lengths: of the vectors
    projected, where a projection is learnt.
    """

    known: Sequence[Known]
    said: dict[str, Said]
    rows: dict[str, int]
    shelf: Shelf
    stations: dict[str | None, int]
    at: Int32[np.ndarray, " n"]
    parts: Int64[np.ndarray, " n"]
    whitening: Whitening
    learnt: Learnt | None
    lengths: Float32[np.ndarray, " n"] | None

    def __len__(self) -> int:
        return len(self.at)

    def row_of(self, id: str) -> int | None:
        """Where an inspection is; None where it is not known."""
        row = self.rows.get(id)
        return row if row is not None and row < len(self) else None

    def rows_of(self, ids: Sequence[str]) -> list[int]:
        """Those that are known."""
        return [row for id in ids if (row := self.row_of(id)) is not None]

    def at_stations(self, names: frozenset[str] | None) -> Bool[np.ndarray, " n"]:
        """Which were made at one of these; None: all."""
        if names is None:
            return np.ones(len(self), bool)
        return np.isin(self.at, [number for name, number in [*self.stations.items()] if name in names])

    def of_part(self, serial: str | None) -> Bool[np.ndarray, " n"]:
        """Which show the part of this serial number; none without one."""
        found = np.zeros(len(self), bool)
        if serial is not None:
            alike = np.flatnonzero(self.parts == hash(serial))
            found[[row for row in alike.tolist() if self.known[row].serial == serial]] = True
        return found

    def reviewed(self) -> Bool[np.ndarray, " n"]:
        """Which have a verdict."""
        found = np.zeros(len(self), bool)
        found[self.rows_of([*self.said])] = True
        return found

    def described(self, raw: Float32[np.ndarray, "m d"]) -> Float32[np.ndarray, "m d"]:
        """Descriptors as they are stored, as they are compared."""
        white = self.whitening(raw)
        return white if self.learnt is None else self.learnt(white)

    def taken(self, rows: Sequence[int]) -> Float32[np.ndarray, "m d"]:
        """Some of those that are known, as they are compared."""
        white = self.shelf.taken(rows)
        return white if self.learnt is None else unit(white @ self.learnt.axes)

    def similarities(self, query: Float32[np.ndarray, " d"]) -> Float32[np.ndarray, " n"]:
        """Of all that are known; a projection is applied to the query instead of to each."""
        if self.learnt is None or self.lengths is None:
            return self.shelf.products(query)
        product = self.shelf.products(self.learnt.axes @ query)
        projected: Float32[np.ndarray, " n"] = product / np.maximum(self.lengths, np.finfo(np.float32).tiny)
        return projected
