"""A bank's day over HTTP: every hour, of a station or of all, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from service_kit import inspect, problem, service_of
from starlette.testclient import TestClient

from app.store.schema import Inspection

TREND = "/v1/banks/caps/trend"


def put(client: TestClient, at: datetime, **values: Any) -> None:
    """An inspection in the ledger, as of a time at which the bank was there already."""
    given = {"decision": "accept", "score": 1.0} | values
    service_of(client).store.inspections.add(
        [
            Inspection(
                bank="caps", version=1, width=8, height=8, review_threshold=2.0, reject_threshold=3.0, regions=[],
                timings={}, digests={}, created_at=at, **given,
            )
        ]
    )  # fmt: skip


def test_a_day_is_told_by_hour_with_the_empty_ones(banked: TestClient, good: bytes, bad: bytes) -> None:
    id = inspect(banked, good, "?station=left")["id"]
    inspect(banked, bad)
    banked.post(
        f"/v1/inspections/{id}/reviews", json={"verdict": "false_alarm"}
    )  # of an accepted part: it is good
    told = banked.get(TREND).json()
    assert len(told["hours"]) in (24, 25)  # of the first and the last hour a part each
    starts = [datetime.fromisoformat(hour["start"]) for hour in told["hours"]]
    assert {after - before for before, after in pairwise(starts)} == {timedelta(hours=1)}
    assert starts[0] <= datetime.fromisoformat(told["since"])
    assert told["decided"] == {"accept": 1, "review": 0, "reject": 1}
    assert told["median"] == told["high"] == banked.get(f"/v1/inspections/{id}").json()["score"]
    assert told["agreement"]["agreed"]["rate"] == 1
    assert (
        sum(hour["reviewed"] for hour in told["hours"]) == sum(hour["agreed"] for hour in told["hours"]) == 1
    )
    assert (told["stations"], told["station"]) == (["left"], None)
    left = banked.get(TREND, params={"station": "left"}).json()
    assert left["decided"] == {"accept": 1, "review": 0, "reject": 0}
    assert left["stations"] == ["left"]


def test_a_span_is_in_any_zone_and_whole_hours_are_utcs(banked: TestClient) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)
    for minutes, score in ((-1, 9.0), (0, 1.0), (59, 3.0), (60, 5.0), (120, 7.0)):
        put(banked, now + timedelta(minutes=minutes), score=score)
    since, until = now.isoformat().replace("+00:00", "Z"), (now + timedelta(hours=2)).isoformat()
    told = banked.get(TREND, params={"since": since, "until": until}).json()
    assert [(hour["decided"]["accept"], hour["median"], hour["high"]) for hour in told["hours"]] == [
        (2, 1.0, 3.0),
        (1, 5.0, 5.0),
    ]


def test_a_namesakes_inspections_do_not_count(banked: TestClient) -> None:
    put(banked, datetime.now(UTC) - timedelta(hours=3))  # before this bank was made
    assert sum(banked.get(TREND).json()["decided"].values()) == 0


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        {"since": "2026-01-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"},
        {"since": "0001-01-01T00:00:00+14:00", "until": "9999-12-31T23:59:59-05:00"},
        {"since": "9999-12-31T23:59:59Z"},
        {"until": "0001-01-01T00:00:00Z"},
    ],
)
def test_a_span_that_cannot_be_shown_is_refused(banked: TestClient, query: dict[str, str]) -> None:
    told = problem(banked.get(TREND, params=query), 422, "invalid-request")
    assert "31 days" in told["detail"]


def test_an_unknown_bank_is_refused(banked: TestClient) -> None:
    problem(banked.get("/v1/banks/none/trend"), 404, "not-found")
