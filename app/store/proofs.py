"""Conformance proofs that are remembered: a bank that proved itself here need not do so each time it is loaded.

A proof is of all that decides its scores: the bank file, weights, runtime, precision, the releases of what computes
and the processor. Servers that are alike in all of them share it.
"""

from __future__ import annotations

import hashlib
import json

from app.store.database import Database
from app.store.ids import Clock
from app.store.schema import Proof


class Proofs:
    """Every method is one transaction, durable once it returns."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def get(self, of: tuple[str, ...]) -> float | None:
        """The largest relative difference that was found; None where it was never proven."""
        with self._database.read() as session:
            proof = session.get(Proof, _digest(of))
        return None if proof is None else proof.difference

    def keep(self, of: tuple[str, ...], bank: str, difference: float) -> None:
        """It is proven. bank: its file's digest, with which the proof goes."""
        row = {"id": _digest(of), "bank_sha256": bank, "difference": difference, "made_at": self._clock.now()}
        with self._database.write() as session:
            session.execute(self._database.insert(Proof).values(**row).on_conflict_do_nothing())


def _digest(of: tuple[str, ...]) -> str:
    return hashlib.sha256(json.dumps(of).encode()).hexdigest()
