"""A bank by hour: counts and quantiles by the database are those of a plain reckoning, on both backends."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from app.store.inspections import Filter
from app.store.schema import Inspection
from app.store.store import Store
from app.store.trend import Hour, by_hour, quantiles, stations, total

START = datetime(2026, 3, 1, 22, 30, tzinfo=UTC)


@pytest.fixture
def day(store: Store, make_inspection: Callable[..., Inspection]) -> list[Inspection]:
    """400 inspections over five hours that pass midnight, of two banks and three stations, some reviewed."""
    rng = np.random.default_rng(3)
    made = []
    for _ in range(400):
        values: dict[str, Any] = {
            "decision": str(rng.choice(["accept", "accept", "review", "reject"])),
            "score": round(float(rng.uniform(0, 4)), 2),  # with ties
            "station": rng.choice(["left", "right", ""]) or None,
            "verdict": rng.choice(["confirmed_defect", "false_alarm", "missed_defect", ""]) or None,
            "created_at": START + timedelta(seconds=float(rng.uniform(0, 5 * 3600))),
        }
        made.append(make_inspection(str(rng.choice(["screws", "nuts"])), **values))
    store.inspections.add(made)
    return made


def reckoned(rows: list[Inspection]) -> Hour:
    found = Hour()
    for row in rows:
        kind = row.decision, row.verdict
        found.outcomes[kind] = found.outcomes.get(kind, 0) + 1
    scores = sorted(row.score for row in rows if row.decision == "accept")
    if scores:
        found.median, found.high = (scores[math.ceil(q * len(scores) / 100) - 1] for q in (50, 95))
    return found


@pytest.mark.parametrize("station", [None, "left", "absent"])
def test_hours_are_those_of_a_plain_reckoning(
    store: Store, day: list[Inspection], station: str | None
) -> None:
    since, until = START + timedelta(minutes=45), START + timedelta(hours=4)
    which = Filter(bank="screws", since=since, until=until, station=station)
    mine = [
        row
        for row in day
        if row.bank == "screws" and since <= row.created_at < until and station in (None, row.station)
    ]
    by: dict[datetime, list[Inspection]] = {}
    for row in mine:
        by.setdefault(row.created_at.replace(minute=0, second=0, microsecond=0), []).append(row)
    found = by_hour(store.database, which)
    assert found == {start: reckoned(rows) for start, rows in sorted(by.items())}
    assert [*found] == sorted(found)
    whole = reckoned(mine)
    assert total(found) == whole.outcomes
    assert quantiles(store.database, which) == (whole.median, whole.high)


def test_stations_are_named_once(store: Store, day: list[Inspection]) -> None:
    assert stations(store.database, Filter(bank="screws")) == ["left", "right"]
    assert stations(store.database, Filter(bank="none")) == []


@pytest.mark.parametrize("count", [1, 2, 19, 20, 21, 100])
def test_a_quantile_is_the_least_score_that_so_many_do_not_exceed(
    store: Store, make_inspection: Callable[..., Inspection], count: int
) -> None:
    rows = [make_inspection("screws", decision="accept", score=float(i + 1)) for i in range(count)]
    store.inspections.add(rows)
    assert quantiles(store.database, Filter(bank="screws")) == (math.ceil(count / 2), math.ceil(0.95 * count))


def test_only_the_index_is_read(store: Store, day: list[Inspection]) -> None:
    """At 200,000 rows the table itself takes seconds from a cold disk."""
    if not store.database.is_sqlite:
        pytest.skip("PostgreSQL reads the index alone only after a vacuum")
    plan = "EXPLAIN QUERY PLAN SELECT substr(created_at, 1, 13), decision, verdict, count(*), max(score) "
    query = plan + "FROM inspections WHERE bank = 'screws' AND created_at >= '2026' GROUP BY 1, 2, 3"
    with store.database.read() as session:
        said = " ".join(row[-1] for row in session.execute(text(query)))
    assert "COVERING INDEX ix_inspections_trend" in said
