"""What a bank's inspections look like, in memory: descriptors whitened once, kept up with the ledger, asked by product.

Those count that were not accepted or that people reviewed. A projection learnt from their kinds is measured on parts
held out, and used where it finds more. Letters: n descriptors, d dimensions.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from cachetools import LRUCache
from jaxtyping import Float32

from app.errors import BankWithoutVersion
from app.inspection.inspecting import Inspecting
from app.inspection.registry import Key, Loaded
from app.store.descriptors import Known, Said
from app.store.reviews import DEFECTS
from app.store.schema import Bank
from app.store.store import Store
from core.retrieval import Learnt, Whitening, learn_projection, unit, whitening_of
from core.retrieval.triplets import LEAST

MOST, MOST_BYTES = 100_000, 160 << 20  # of a bank's descriptors, the newest
MOST_REVIEWED = 25_000  # of its reviews, the newest
BANKS, WHITENINGS = 4, 8  # in memory
WHITENED_BY = 16_384  # vectors of a bank, evenly spread, that whitening is learnt from
OVERLAP = 256  # ids read again, since those of several servers do not arrive in order
LEARNT_FROM = 400  # of the newest named defects
LEARNT_AGAIN = 1.1  # times as many named ones


@dataclass(eq=False)
class Remembered:
    """One bank's descriptors by one whitening, each of unit length; every method is safe to call from any thread.

    said: what the latest reviews say. learnt: the projection that is used, and none where none finds more.
    """

    bank: str
    space: str
    made: datetime
    whitening: Whitening
    known: list[Known] = field(default_factory=list)
    said: dict[str, Said] = field(default_factory=dict)
    learnt: Learnt | None = None
    _rows: dict[str, int] = field(default_factory=dict)
    _absent: set[str] = field(default_factory=set)
    _flagged: list[str] = field(default_factory=list)
    _vectors: Float32[np.ndarray, "n d"] | None = None
    _lengths: Float32[np.ndarray, " n"] | None = None
    _taught: tuple[int, frozenset[str]] = (0, frozenset())
    _turn: threading.RLock = field(default_factory=threading.RLock)

    @property
    def most(self) -> int:
        """Descriptors at most."""
        return min(MOST, MOST_BYTES // (4 * len(self.whitening.mean)))

    def refresh(self, store: Store) -> Snapshot:
        """Read what came and what was reviewed since; all that is known now."""
        with self._turn:
            self.said = store.descriptors.reviewed(self.bank, self.made, MOST_REVIEWED)
            after = self._flagged[-OVERLAP] if len(self._flagged) >= OVERLAP else ""
            flagged = store.descriptors.flagged(self.bank, self.made, after, self.most)
            self._flagged = sorted({*self._flagged[-OVERLAP:], *(one.id for one in flagged)})[-OVERLAP:]
            asked = {one.id: one for one in (*flagged, *(said.known for said in self.said.values()))}
            self._add(
                store, [one for id, one in asked.items() if id not in self._rows and id not in self._absent]
            )
            return self._snapshot()

    def forget(self, ids: set[str]) -> None:
        """Inspections that retention deleted."""
        with self._turn:
            self._keep([row for row, one in enumerate(self.known) if one.id not in ids])

    def due(self) -> bool:
        """Whether there is more to learn from than last time; says so once."""
        with self._turn:
            named = [said.kind for said in self.said.values() if said.kind is not None]
            count, kinds = len(named), frozenset(named)
            before, known = self._taught
            if count < LEAST or (count < LEARNT_AGAIN * before and kinds == known):
                return False
            self._taught = count, kinds
            return True

    def learn(self) -> None:
        """A projection from the newest named defects, for seconds; dropped where it does not find more."""
        with self._turn:
            rows = [
                (row, said)
                for id, said in self.said.items()
                if said.kind is not None
                and said.verdict in DEFECTS
                and (row := self._rows.get(id)) is not None
            ][:LEARNT_FROM]
            if self._vectors is None or not rows:
                return
            vectors = self._vectors[[row for row, _ in rows]]
        kinds = np.asarray([said.kind for _, said in rows])
        parts = np.asarray([said.known.serial or said.known.id for _, said in rows])
        learnt = learn_projection(vectors, kinds, parts)
        with self._turn:
            self.learnt, self._lengths = learnt, None

    def _add(self, store: Store, fresh: Sequence[Known]) -> None:
        vectors = dict(store.descriptors.vectors(self.space, [one.id for one in fresh]))
        there = [one for one in fresh if one.id in vectors]
        self._absent.update(one.id for one in fresh if one.id not in vectors)
        if not there:
            return
        raw = np.stack([vectors[one.id] for one in there])
        steps = [self.whitening(raw[i : i + OVERLAP].astype(np.float32)) for i in range(0, len(raw), OVERLAP)]
        white = np.concatenate(steps)
        self._vectors = white if self._vectors is None else np.concatenate([self._vectors, white])
        self._lengths = None
        self._rows = self._rows | {one.id: len(self.known) + row for row, one in enumerate(there)}
        self.known = [*self.known, *there]
        if len(self.known) > self.most:
            newest = np.argsort([one.id for one in self.known])[-(self.most * 9 // 10) :]
            self._keep(sorted(newest.tolist()))

    def _keep(self, rows: Sequence[int]) -> None:
        if self._vectors is None or len(rows) == len(self.known):
            return
        self._vectors, self._lengths = self._vectors[[*rows]], None
        self.known = [self.known[row] for row in rows]
        self._rows = {one.id: row for row, one in enumerate(self.known)}

    def _snapshot(self) -> Snapshot:
        vectors = self._vectors
        if vectors is None:
            vectors = np.empty((0, len(self.whitening.mean)), np.float32)
        if self.learnt is not None and self._lengths is None:
            self._lengths = np.concatenate(
                [
                    np.linalg.norm(vectors[i : i + MOST // 10] @ self.learnt.axes, axis=1)
                    for i in range(0, len(vectors), MOST // 10)
                ]
                or [np.empty(0)]
            ).astype(np.float32)
        return Snapshot(
            self.known, self.said, self._rows, vectors, self.whitening, self.learnt, self._lengths
        )


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that a bank's memory holds at a moment. lengths: of the vectors projected, where a projection is learnt."""

    known: Sequence[Known]
    said: dict[str, Said]
    rows: dict[str, int]
    vectors: Float32[np.ndarray, "n d"]
    whitening: Whitening
    learnt: Learnt | None
    lengths: Float32[np.ndarray, " n"] | None

    def described(self, raw: Float32[np.ndarray, "m d"]) -> Float32[np.ndarray, "m d"]:
        """Descriptors as they are stored, as they are compared."""
        white = self.whitening(raw)
        return white if self.learnt is None else self.learnt(white)

    def taken(self, rows: Sequence[int]) -> Float32[np.ndarray, "m d"]:
        """Some of those that are known, as they are compared."""
        white = self.vectors[[*rows]]
        return white if self.learnt is None else unit(white @ self.learnt.axes)

    def similarities(self, query: Float32[np.ndarray, " d"]) -> Float32[np.ndarray, " n"]:
        """Of all that are known; a projection is applied to the query instead of to each."""
        if self.learnt is None or self.lengths is None:
            found: Float32[np.ndarray, " n"] = self.vectors @ query
            return found
        product = self.vectors @ (self.learnt.axes @ query)
        projected: Float32[np.ndarray, " n"] = product / np.maximum(self.lengths, np.finfo(np.float32).tiny)
        return projected


class Recall:
    """The memory of all banks, those asked last. Lives on the event loop; what computes runs in the background."""

    def __init__(self, inspecting: Inspecting) -> None:
        self._inspecting = inspecting
        self._banks: LRUCache[tuple[str, str, str, datetime], Remembered] = LRUCache(BANKS)
        self._whitenings: LRUCache[str, Whitening] = LRUCache(WHITENINGS)
        self._turn = threading.Lock()
        self._learning: set[asyncio.Task[None]] = set()

    async def of(self, bank: Bank, loaded: Loaded) -> tuple[Remembered, Snapshot]:
        """A bank's memory by the vectors of a version, as it is now."""
        return await self._inspecting.pools.background(lambda: self._remembered(bank, loaded))

    async def active(self, bank: Bank) -> Loaded:
        """The bank's active version. Raises BankWithoutVersion, VersionUnusable."""
        key = Key.active(bank)
        if key is None:
            raise BankWithoutVersion(
                requirement="similar inspections are found by a bank's active version",
                received=f"the bank {bank.id}, which has none",
                remedy="Activate a version.",
            )
        return await self._inspecting.registry.get(key)

    def learn(self, remembered: Remembered) -> None:
        """Begin to learn behind the answers, where there is more to learn from."""
        if remembered.due() and not self._inspecting.life.draining:
            task = asyncio.create_task(self._inspecting.pools.background(remembered.learn))
            self._learning.add(task)
            task.add_done_callback(self._learning.discard)

    async def settled(self) -> None:
        """Once nothing is being learnt any more."""
        await asyncio.gather(*self._learning, return_exceptions=True)

    def _remembered(self, bank: Bank, loaded: Loaded) -> tuple[Remembered, Snapshot]:
        key = bank.id, loaded.space, loaded.sha256, bank.created_at
        with self._turn:
            found = self._banks.get(key)
            if found is None:
                whitening = self._whitening(loaded)
                found = Remembered(bank.id, loaded.space, bank.created_at, whitening)
                self._banks[key] = found
        return found, found.refresh(self._inspecting.store)

    def _whitening(self, loaded: Loaded) -> Whitening:
        if (known := self._whitenings.get(loaded.sha256)) is not None:
            return known
        vectors = loaded.engine.bank.vectors
        made = whitening_of(vectors[:: max(1, -(-len(vectors) // WHITENED_BY))])
        self._whitenings[loaded.sha256] = made
        return made
