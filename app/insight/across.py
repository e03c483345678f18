"""What goes wrong most across banks: defects by kind, with the banks, stations and days that have them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.insight.pareto import USUAL, days_of
from app.insight.trend import span
from app.inspection.inspections import inert
from app.store.inspections import Filter
from app.store.scope import Scope
from app.store.store import Store


@dataclass
class Total:
    """Defects of one kind, or None for all that have no name. by_day: as many as the days of the whole.

    by_station: "" where none was said.
    """

    kind: str | None
    by_day: list[int]
    count: int = 0
    by_bank: Counter[str] = field(default_factory=Counter)
    by_station: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Across:
    """kinds: the most frequent first, unnamed ones last. days: of UTC. total: defects in all."""

    station: str | None
    since: datetime
    until: datetime
    days: list[str]
    total: int
    kinds: list[Total]


def across(
    store: Store,
    scope: Scope,
    since: datetime | None = None,
    until: datetime | None = None,
    station: str | None = None,
) -> Across:
    """Of the banks that a scope admits; the last seven days, or at most 31. Raises FieldInvalid, OutOfScope."""
    station = scope.station(station)
    until = until or datetime.now(UTC)
    since, until = span(since or until - USUAL, until)
    days, kinds = days_of(since, until), dict[str | None, Total]()
    for tally in store.kinds.by_bank(Filter(station=station, since=since, until=until, banks=scope.banks)):
        kind = kinds.setdefault(tally.kind, Total(tally.kind, [0] * len(days)))
        kind.count += tally.inspections
        kind.by_bank[tally.bank] += tally.inspections
        kind.by_station[tally.station or ""] += tally.inspections
        kind.by_day[days.index(tally.day)] += tally.inspections
    found = sorted(kinds.values(), key=lambda kind: (kind.kind is None, -kind.count, kind.kind or ""))
    return Across(station, since, until, days, sum(kind.count for kind in found), found)


def csv_of(found: Across) -> str:
    """A line per kind and bank: how many, their share of all defects."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["kind", "bank", "count", "share"])
    for kind in found.kinds:
        name = "" if kind.kind is None else inert(kind.kind)
        for bank, count in kind.by_bank.most_common():
            writer.writerow([name, bank, count, round(count / found.total, 6)])
    return file.getvalue()
