"""A bank's day in view: decisions by hour, the scores of accepted parts, how reviews agree; of a station, or of all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.errors import FieldInvalid
from app.insight.review_queue import ORDER, Agreement, agreement_of, tally
from app.inspection.inspecting import Inspecting
from app.store import trend as store
from app.store.inspections import Filter, Outcomes
from app.store.schema import Decision

USUAL, LONGEST = timedelta(hours=24), timedelta(days=31)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Hour:
    """An hour of UTC. median, high: of accepted scores, in score units, None of none. reviewed: verdicts that there
    are of its inspections, agreed: those that confirm the decision."""

    start: datetime
    decided: dict[Decision, int]
    median: float | None
    high: float | None
    reviewed: int
    agreed: int


@dataclass(frozen=True)
class Trend:
    """Every hour from ``since`` to ``until``, and all of them together. stations: those that inspected meanwhile."""

    bank: str
    station: str | None
    since: datetime
    until: datetime
    hours: list[Hour]
    decided: dict[Decision, int]
    median: float | None
    high: float | None
    agreement: Agreement
    stations: list[str]


def trend(
    inspecting: Inspecting,
    bank: str,
    since: datetime | None = None,
    until: datetime | None = None,
    station: str | None = None,
) -> Trend:
    """Of a bank's inspections; the last 24 hours unless said. Those of a deleted bank of its name do not count.

    Raises NotFound, FieldInvalid for a span that is empty or longer than ``LONGEST``.
    """
    made, database = inspecting.store.banks.get(bank).created_at, inspecting.store.database
    since, until = span(since, until)
    every = Filter(bank=bank, since=max(since, made), until=until)
    which = Filter(bank=bank, since=every.since, until=until, station=station)
    found = store.by_hour(database, which)
    median, high = store.quantiles(database, which)
    outcomes = store.total(found)
    starts = [_floor(since) + i * HOUR for i in range(-((_floor(since) - until) // HOUR))]
    return Trend(
        bank,
        station,
        since,
        until,
        [_hour(start, found.get(start, store.Hour())) for start in starts],
        _decided(outcomes),
        median,
        high,
        agreement_of(outcomes),
        store.stations(database, every),
    )


def span(since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    """From when, until when. Raises FieldInvalid."""
    until = until or datetime.now(UTC)
    since = since or until - min(USUAL, until - datetime.min.replace(tzinfo=UTC))
    if timedelta(0) < until - since <= LONGEST:
        return since, until
    raise FieldInvalid(
        requirement=f"a trend needs since before until, at most {LONGEST.days} days apart",
        received=f"from {since.isoformat()} to {until.isoformat()}",
        remedy="Ask for a shorter span; an export gives every inspection.",
    )


def _floor(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _hour(start: datetime, found: store.Hour) -> Hour:
    confirmed, alarms, missed, fine = tally(found.outcomes)
    reviewed, agreed = confirmed + alarms + missed + fine, confirmed + fine
    return Hour(start, _decided(found.outcomes), found.median, found.high, reviewed, agreed)


def _decided(outcomes: Outcomes) -> dict[Decision, int]:
    return {
        decision: sum(count for (each, _), count in outcomes.items() if each == decision)
        for decision in reversed(ORDER)
    }
