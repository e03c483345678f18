"""What a bank's inspections look like, in memory: descriptors whitened once, kept up with the ledger, asked by product.

Those count that were not accepted or that people reviewed. A projection learnt from their kinds is measured on parts
held out, and used where it finds more. Letters: n descriptors, d dimensions.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import numpy as np
from cachetools import LRUCache
from jaxtyping import Float32, Int32, Int64

from app.errors import AppError, BankWithoutVersion
from app.insight.snapshot import Snapshot
from app.inspection.inspecting import Inspecting
from app.inspection.registry import Key, Loaded
from app.store.descriptors import Known, Said
from app.store.reviews import DEFECTS
from app.store.schema import Bank
from app.store.store import Store
from core.retrieval import Learnt, Shelf, Whitening, learn_projection, whitening_of_some
from core.retrieval.triplets import LEAST

MOST, MOST_BYTES = 1_000_000, 512 << 20  # of a bank's descriptors, the newest; in float16
MOST_REVIEWED = 25_000  # of its reviews, the newest
BANKS, WHITENINGS = 4, 8  # in memory
OVERLAP = 256  # ids read again, since those of several servers do not arrive in order
READ = 4096  # descriptors read at a time
LEARNT_FROM = 400  # of the newest named defects
LEARNT_AGAIN = 1.1  # times as many named ones
LOOKED_AT, WARMED = (
    100,
    2000,
)  # banks; inspections not accepted, from which a bank is remembered before anybody asks


@dataclass(eq=False)
class Remembered:
    """One bank's descriptors by one whitening, each of unit length; every method is safe to call from any thread.

    said: what the latest reviews say. learnt: the projection that is used, and none where none finds more. Lists and
    the dictionary only grow, or are replaced: a snapshot of their first entries stays what it was.
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
    _stations: dict[str | None, int] = field(default_factory=dict)
    _at: Int32[np.ndarray, " n"] = field(default_factory=lambda: np.empty(0, np.int32))
    _parts: Int64[np.ndarray, " n"] = field(default_factory=lambda: np.empty(0, np.int64))
    _lengths: Float32[np.ndarray, " n"] | None = None
    _taught: tuple[int, frozenset[str]] = (0, frozenset())
    _turn: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self._shelf = Shelf(len(self.whitening.mean))

    @property
    def most(self) -> int:
        """Descriptors at most."""
        return min(MOST, MOST_BYTES // (2 * self._shelf.d))

    def refresh(self, store: Store, rest: float = 0.0) -> Snapshot:
        """Read what came and what was reviewed since; all that is known now. rest: seconds of it per second of work."""
        with self._turn:
            self.said = store.descriptors.reviewed(self.bank, self.made, MOST_REVIEWED)
            after = self._flagged[-OVERLAP] if len(self._flagged) >= OVERLAP else ""
            flagged = store.descriptors.flagged(self.bank, self.made, after, self.most)
            self._flagged = sorted({*self._flagged[-OVERLAP:], *(one.id for one in flagged)})[-OVERLAP:]
            asked = {one.id: one for one in (*flagged, *(said.known for said in self.said.values()))}
            new = [one for id, one in asked.items() if id not in self._rows and id not in self._absent]
            for some in (new[i : i + READ] for i in range(0, len(new), READ)):
                started = time.monotonic()
                self._add(store, some)
                time.sleep(rest * (time.monotonic() - started))
            if len(self.known) > self.most:
                newest = np.argsort([one.id for one in self.known])[-(self.most * 9 // 10) :]
                self._keep(sorted(newest.tolist()))
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
            if not rows:
                return
            vectors = self._shelf.taken([row for row, _ in rows])
        kinds = np.asarray([said.kind for _, said in rows])
        parts = np.asarray([said.known.serial or said.known.id for _, said in rows])
        learnt = learn_projection(vectors, kinds, parts)
        with self._turn:
            self.learnt = learnt
            self._lengths = None if learnt is None else self._shelf.lengths(learnt.axes)

    def _add(self, store: Store, fresh: Sequence[Known]) -> None:
        vectors = dict(store.descriptors.vectors(self.space, [one.id for one in fresh]))
        there = [one for one in fresh if one.id in vectors]
        self._absent.update(one.id for one in fresh if one.id not in vectors)
        if not there:
            return
        white = self.whitening(np.stack([vectors[one.id] for one in there]).astype(np.float32))
        self._rows.update((one.id, len(self.known) + row) for row, one in enumerate(there))
        self.known.extend(there)
        stations = [self._stations.setdefault(one.station, len(self._stations)) for one in there]
        self._at = np.concatenate([self._at, np.asarray(stations, np.int32)])
        self._parts = np.concatenate([self._parts, np.asarray([hash(one.serial) for one in there], np.int64)])
        if self.learnt is not None and self._lengths is not None:
            more = np.linalg.norm(white @ self.learnt.axes, axis=1).astype(np.float32)
            self._lengths = np.concatenate([self._lengths, more])
        self._shelf = self._shelf.added(white)

    def _keep(self, rows: Sequence[int]) -> None:
        if len(rows) == len(self.known):
            return
        self._shelf, self._at, self._parts = self._shelf.kept(rows), self._at[[*rows]], self._parts[[*rows]]
        self._lengths = None if self._lengths is None else self._lengths[[*rows]]
        self.known = [self.known[row] for row in rows]
        self._rows = {one.id: row for row, one in enumerate(self.known)}

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            self.known,
            self.said,
            self._rows,
            self._shelf,
            self._stations,
            self._at,
            self._parts,
            self.whitening,
            self.learnt,
            self._lengths,
        )


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

    async def warm(self) -> None:
        """Remember banks with many inspections before anybody asks, at half pace, as many as are kept in memory."""
        background, warmed = self._inspecting.pools.background, 0
        for bank in (await background(partial(self._inspecting.store.banks.page, limit=LOOKED_AT))).items:
            if warmed == BANKS or self._inspecting.life.draining:
                return
            if await background(partial(self._worth_warming, bank)):
                with suppress(AppError):
                    loaded = await self.active(bank)
                    await background(partial(self._remembered, bank, loaded, rest=1.0))
                    warmed += 1

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

    def _worth_warming(self, bank: Bank) -> bool:
        flagged = self._inspecting.store.descriptors.flagged(bank.id, bank.created_at, "", WARMED)
        return len(flagged) == WARMED

    def _remembered(self, bank: Bank, loaded: Loaded, rest: float = 0.0) -> tuple[Remembered, Snapshot]:
        key = bank.id, loaded.space, loaded.sha256, bank.created_at
        with self._turn:
            found = self._banks.get(key)
            if found is None:
                whitening = self._whitening(loaded)
                found = Remembered(bank.id, loaded.space, bank.created_at, whitening)
                self._banks[key] = found
        return found, found.refresh(self._inspecting.store, rest)

    def _whitening(self, loaded: Loaded) -> Whitening:
        if (known := self._whitenings.get(loaded.sha256)) is not None:
            return known
        made = whitening_of_some(loaded.engine.bank.vectors)
        self._whitenings[loaded.sha256] = made
        return made
