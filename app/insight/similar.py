"""Have we seen this before? Past inspections like one, their verdicts and kinds, and the kind that they suggest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from app.errors import NotDescribed
from app.insight.recall import Recall
from app.insight.snapshot import Snapshot
from app.inspection.inspecting import Inspecting
from app.inspection.registry import Key, Loaded
from app.store.errors import NotFound
from app.store.schema import Descriptor, Inspection
from core.retrieval import VOTERS, Vote, expanded, vote
from core.retrieval.ranking import EXPANDED

MOST = 100  # similar ones of one answer
LOOKED_UP = 64  # rows of one look into the ledger
EXCLUDED = -2.0  # below any similarity


@dataclass(frozen=True)
class Asked:
    """What a caller wants. most: neighbours. reviewed: only those with a verdict, or without. siblings: also other
    exposures of the same part. stations: all that may be among them; None for every one."""

    most: int = 10
    reviewed: bool | None = None
    siblings: bool = False
    stations: frozenset[str] | None = None


@dataclass(frozen=True)
class Neighbour:
    """A past inspection. similarity: of the worst places, in [-1, 1]. sibling: it shows the same part."""

    inspection: Inspection
    similarity: float
    sibling: bool


@dataclass(frozen=True)
class Similar:
    """items: most similar first. compared: among how many. vote: on the kind, None where no neighbour has one.

    learnt: mean average precision before and after a projection learnt from reviews, where it is used.
    """

    items: list[Neighbour]
    compared: int
    vote: Vote | None
    learnt: tuple[float, float] | None


async def similar(inspecting: Inspecting, recall: Recall, id: str, asked: Asked = Asked()) -> Similar:
    """Of one inspection, among those of its bank that were not accepted or were reviewed.

    Raises NotFound, NotDescribed, BankWithoutVersion, VersionUnusable.
    """
    store, background = inspecting.store, inspecting.pools.background
    row = await background(lambda: store.inspections.get(id))
    described = await background(lambda: store.descriptors.get(id))
    if described is None:
        lost = row.location is not None and not row.location["located"]
        raise _not_described(
            "one whose part was not located" if lost else "one made before descriptors were stored"
        )
    bank = await background(lambda: store.banks.get(row.bank))
    loaded = await _comparable(inspecting, recall, described, await recall.active(bank), row)
    remembered, snapshot = await recall.of(bank, loaded)
    recall.learn(remembered)
    raw = np.frombuffer(described.vector, np.float16).astype(np.float32)
    found, gone = await background(lambda: _Question(inspecting, snapshot, row, raw, asked).answer())
    if gone:
        await background(lambda: remembered.forget(gone))
    return found


async def _comparable(
    inspecting: Inspecting, recall: Recall, described: Descriptor, active: Loaded, row: Inspection
) -> Loaded:
    """The active version, or the one that made the inspection where the active one sees images another way."""
    if active.space == described.space:
        return active
    try:
        made = await inspecting.registry.aside(Key.that_made(row))
    except NotFound:
        raise _not_described(
            "one of a version that is gone, and the active one sees images another way"
        ) from None
    if made.space != described.space:
        raise _not_described("one whose descriptor no version at hand can be compared with")
    return made


class _Question:
    """One inspection against all that is known."""

    def __init__(
        self,
        inspecting: Inspecting,
        snapshot: Snapshot,
        row: Inspection,
        raw: Float32[np.ndarray, " d"],
        asked: Asked,
    ) -> None:
        self._store, self._snapshot, self._row, self._asked = inspecting.store, snapshot, row, asked
        self._query = snapshot.described(raw[None])[0]
        self._gone: set[str] = set()

    def answer(self) -> tuple[Similar, set[str]]:
        """What was found, and the ids of what is not in the ledger any more."""
        snapshot = self._snapshot
        others = snapshot.at_stations(self._asked.stations)
        others[snapshot.rows_of([self._row.id])] = False
        apart = others & ~snapshot.of_part(self._row.serial)
        plain = snapshot.similarities(self._query)
        scores = snapshot.similarities(self._grown(plain, apart))
        allowed = others if self._asked.siblings else apart
        if self._asked.reviewed is not None:
            allowed = allowed & (snapshot.reviewed() == self._asked.reviewed)
        items = self._looked_up(np.where(allowed, scores, EXCLUDED))
        learnt = snapshot.learnt
        said = None if learnt is None else (learnt.before, learnt.after)
        return Similar(items, int(allowed.sum()), self._vote(plain, apart), said), self._gone

    def _grown(self, plain: Float32[np.ndarray, " n"], apart: np.ndarray) -> Float32[np.ndarray, " d"]:
        """The query with its nearest of other parts (core/retrieval/ranking.py)."""
        scores = np.where(apart, plain, EXCLUDED)
        nearest = [row for row in _best(scores, EXPANDED) if scores[row] > EXCLUDED]
        return expanded(self._query, self._snapshot.taken(nearest)) if nearest else self._query

    def _looked_up(self, scores: Float32[np.ndarray, " n"]) -> list[Neighbour]:
        """The best that are still in the ledger, as they are there now."""
        found = list[Neighbour]()
        order = [row for row in _best(scores, self._asked.most + LOOKED_UP) if scores[row] > EXCLUDED]
        rows = self._store.inspections.some([self._snapshot.known[row].id for row in order])
        for place in order:
            id = self._snapshot.known[place].id
            if (row := rows.get(id)) is None:
                self._gone.add(id)
            elif row.decision != "accept" or row.verdict is not None:
                sibling = row.serial is not None and row.serial == self._row.serial
                found.append(Neighbour(row, float(np.clip(scores[place], -1, 1)), sibling))
        return found[: self._asked.most]

    def _vote(self, scores: Float32[np.ndarray, " n"], apart: np.ndarray) -> Vote | None:
        """Of the nearest named ones on other parts."""
        named = [
            (said.kind, row)
            for id, said in self._snapshot.said.items()
            if said.kind is not None and (row := self._snapshot.row_of(id)) is not None and apart[row]
        ]
        if not named:
            return None
        return vote([kind for kind, _ in named], scores[[row for _, row in named]], VOTERS)


def _best(scores: Float32[np.ndarray, " n"], most: int) -> Sequence[int]:
    """Rows of the highest scores, highest first."""
    most = min(most, len(scores))
    if most == 0:
        return []
    highest = np.argpartition(-scores, most - 1)[:most]
    order: list[int] = highest[np.argsort(-scores[highest], kind="stable")].tolist()
    return order


def _not_described(received: str) -> NotDescribed:
    return NotDescribed(
        "similar inspections are found by the descriptor that was stored with an inspection",
        received,
        "Inspect the image again: the new inspection has one.",
    )
