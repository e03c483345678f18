"""What goes wrong most: a bank's defects by kind, with days, stations, examples and places; unnamed ones in groups.

Reviewed defects count by their kind. Those without a kind, and rejected parts that nobody reviewed, are put into groups
of those that look alike (core/retrieval/clusters.py), which are marked as unnamed.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from app.errors import BankWithoutVersion
from app.insight.recall import Recall
from app.insight.snapshot import Snapshot
from app.insight.trend import span
from app.inspection.inspecting import Inspecting
from app.inspection.inspections import inert
from app.store.errors import VersionUnusable
from app.store.inspections import Filter
from app.store.kinds import Placed
from app.store.schema import Bank
from app.store.store import Store
from core.retrieval import grouped

USUAL = timedelta(days=7)
GRID = 16  # places across an image, and down it
PLACED = 1000  # of the newest named defects that places and examples are of
UNNAMED = 600  # of the newest unnamed ones that are put into groups
EXAMPLES = 4
LEAST_GROUP = 3  # inspections; those of smaller ones are in no group


@dataclass
class Pile:
    """Defects of one kind, or an unnamed group of them: kind None, group from 1, or 0 for those in none.

    count: of all. by_day: as many as the days of the whole. by_station: "" where none was said. examples: ids, the
    newest first. places: (GRID, GRID) regions of the ``placed`` newest, row-major from the top left of the image.
    """

    kind: str | None
    group: int | None
    count: int = 0
    by_day: list[int] = field(default_factory=list)
    by_station: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    places: list[list[int]] = field(default_factory=lambda: [[0] * GRID for _ in range(GRID)])
    placed: int = 0

    @property
    def named(self) -> bool:
        """Whether people gave it its name."""
        return self.kind is not None


@dataclass(frozen=True)
class Pareto:
    """piles: the most frequent first, those in no group last. days: of UTC. total: defects in all."""

    bank: str
    station: str | None
    since: datetime
    until: datetime
    days: list[str]
    total: int
    piles: list[Pile]


async def pareto(
    inspecting: Inspecting,
    recall: Recall,
    bank: str,
    since: datetime | None = None,
    until: datetime | None = None,
    station: str | None = None,
) -> Pareto:
    """Of a bank's defects, of the last seven days unless said, at most 31. Raises NotFound, FieldInvalid."""
    background = inspecting.pools.background
    row = await background(lambda: inspecting.store.banks.get(bank))
    until = until or datetime.now(UTC)
    since, until = span(since or until - USUAL, until)
    which = Filter(bank=bank, station=station, since=since, until=until)
    snapshot: Snapshot | None = None
    with suppress(BankWithoutVersion, VersionUnusable):  # without a version nothing is put into groups
        _, snapshot = await recall.of(row, await recall.active(row))
    return await background(lambda: pile_up(inspecting.store, row, snapshot, which))


def csv_of(found: Pareto) -> str:
    """A line per pile: its kind or group, how many, their share, and how many on each day."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["kind", "group", "count", "share", *found.days])
    for pile in found.piles:
        kind = "" if pile.kind is None else inert(pile.kind)
        group = "" if pile.group is None else pile.group
        writer.writerow([kind, group, pile.count, round(pile.count / found.total, 6), *pile.by_day])
    return file.getvalue()


def pile_up(store: Store, bank: Bank, snapshot: Snapshot | None, which: Filter) -> Pareto:
    """The same on a filter that names a bank and a span, with a bank's memory to make groups by."""
    since, until = which.since or bank.created_at, which.until or datetime.now(UTC)
    within = replace(which, since=max(since, bank.created_at))
    days = days_of(since, until)
    piles = _named(store, within, days)
    piles += _unnamed(store, within, snapshot, days)
    total = sum(pile.count for pile in piles)
    piles.sort(key=lambda pile: (pile.group == 0, -pile.count, pile.kind or ""))
    for number, pile in enumerate((each for each in piles if each.group), 1):
        pile.group = number
    return Pareto(bank.id, which.station, since, until, days, total, piles)


def _named(store: Store, which: Filter, days: list[str]) -> list[Pile]:
    piles = dict[str, Pile]()
    for tally in store.kinds.tallies(which):
        if tally.kind is not None:
            pile = piles.setdefault(tally.kind, Pile(tally.kind, None, by_day=[0] * len(days)))
            _count(pile, tally.day, tally.station, days, tally.inspections)
    for defect in store.kinds.placed(which, named=True, limit=PLACED):
        if (known := piles.get(defect.kind or "")) is not None:
            _place(known, defect)
    return [*piles.values()]


def _unnamed(store: Store, which: Filter, snapshot: Snapshot | None, days: list[str]) -> list[Pile]:
    """Groups of the newest, and the rest: too few alike, without a descriptor, or older."""
    newest = store.kinds.placed(which, named=False, limit=UNNAMED)
    rest = Pile(None, 0, by_day=[0] * len(days))
    piles = list[Pile]()
    for members in _groups(newest, snapshot):
        pile = rest if len(members) < LEAST_GROUP else Pile(None, len(piles) + 1, by_day=[0] * len(days))
        if pile is not rest:
            piles.append(pile)
        _fill(pile, members, days)
    counted = Counter((each.created_at.strftime("%Y-%m-%d"), each.station) for each in newest)
    for tally in store.kinds.unnamed(which):
        older = tally.inspections - counted[tally.day, tally.station]
        _count(rest, tally.day, tally.station, days, older)
    return [*piles, *([rest] if rest.count else [])]


def _groups(newest: Sequence[Placed], snapshot: Snapshot | None) -> list[list[Placed]]:
    """Those that look alike together; those that cannot be compared each by itself."""
    found_at = {each.id: None if snapshot is None else snapshot.row_of(each.id) for each in newest}
    rows = {id: row for id, row in found_at.items() if row is not None}
    known = [each for each in newest if each.id in rows]
    found: dict[int, list[Placed]] = {}
    if snapshot is not None and known:
        labels = grouped(snapshot.taken([rows[each.id] for each in known]))
        for label, each in zip(labels.tolist(), known, strict=True):
            found.setdefault(label, []).append(each)
    return [*found.values(), *([each] for each in newest if each.id not in rows)]


def _fill(pile: Pile, members: Iterable[Placed], days: list[str]) -> None:
    for each in members:
        _count(pile, each.created_at.strftime("%Y-%m-%d"), each.station, days, 1)
        _place(pile, each)


def _count(pile: Pile, day: str, station: str | None, days: list[str], count: int) -> None:
    pile.count += count
    pile.by_station[station or ""] += count
    if day in days:
        pile.by_day[days.index(day)] += count


def _place(pile: Pile, defect: Placed) -> None:
    """Each region by the cell of the grid that its middle is in."""
    pile.placed += 1
    if len(pile.examples) < EXAMPLES:
        pile.examples.append(defect.id)
    for region in defect.regions:
        row = _cell(region["y"] + region["height"] / 2, defect.height)
        column = _cell(region["x"] + region["width"] / 2, defect.width)
        pile.places[row][column] += 1


def _cell(middle: float, length: int) -> int:
    return min(GRID - 1, max(0, int(GRID * middle / length)))


def days_of(since: datetime, until: datetime) -> list[str]:
    """The days of UTC that a span touches."""
    first, last = since.astimezone(UTC).date(), (until - timedelta(microseconds=1)).astimezone(UTC).date()
    return [str(first + timedelta(days=day)) for day in range((last - first).days + 1)]
