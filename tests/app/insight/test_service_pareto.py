"""A bank's defects by kind over HTTP: counted, placed, grouped where unnamed, exported, refused."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from service_kit import inspect, problem, service_of
from starlette.testclient import TestClient
from test_service_similar import loaded_of, pictured, put, review, unwhitened

from app.errors import OutOfScope
from app.insight.across import across
from app.store.schema import Inspection
from app.store.scope import EVERYTHING, Scope

PARETO = "/v1/banks/caps/pareto"


def asked(client: TestClient, **query: Any) -> dict[str, Any]:
    response = client.get(PARETO, params=query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def brief(found: dict[str, Any]) -> list[tuple[str | None, int | None, int]]:
    return [(pile["kind"], pile["group"], pile["count"]) for pile in found["piles"]]


def test_defects_are_counted_by_kind_day_and_station(banked: TestClient, good: bytes) -> None:
    known = [
        inspect(banked, pictured(seed), f"?station={station}")["id"] for seed, station in enumerate("aab")
    ]
    inspect(banked, good)
    for id, kind in zip(known, ("scratch", "scratch", "dent"), strict=True):
        review(banked, id, kind=kind)
    found = asked(banked)
    assert brief(found) == [("scratch", None, 2), ("dent", None, 1)]
    assert (found["total"], [pile["share"] for pile in found["piles"]]) == (3, [2 / 3, 1 / 3])
    assert found["days"][-1] == str(datetime.now(UTC).date())
    assert [pile["by_day"][-1] for pile in found["piles"]] == [2, 1]
    assert [pile["by_station"] for pile in found["piles"]] == [{"a": 2}, {"b": 1}]
    assert found["piles"][0]["examples"] == [known[1], known[0]]
    assert brief(asked(banked, station="b")) == [("dent", None, 1)]


def test_places_are_the_cells_of_the_regions_middles(banked: TestClient) -> None:
    region = {
        "x": 0,
        "y": 4,
        "width": 2,
        "height": 4,
        "area": 8,
        "share": 0.1,
        "peak": 1.0,
        "peak_x": 0,
        "peak_y": 5,
    }
    d = loaded_of(banked).engine.bank.vectors.shape[1]
    (id,) = put(
        banked, np.ones((1, d)), regions=[[region, region | {"x": 7, "y": 7, "width": 1, "height": 1}]]
    )
    review(banked, id, kind="dent")
    pile = asked(banked)["piles"][0]  # of an image of 8 x 8
    places = np.asarray(pile["places"])
    assert (places.shape, places.sum(), pile["placed"]) == ((16, 16), 2, 1)
    assert places[12, 2] == places[15, 15] == 1


def test_unnamed_defects_are_grouped_by_their_looks_and_the_rest_is_last(banked: TestClient) -> None:
    d = loaded_of(banked).engine.bank.vectors.shape[1]
    made = np.random.default_rng(0)
    white = np.repeat(np.eye(2, d, dtype=np.float32), [9, 5], axis=0) + 0.02 * made.standard_normal((14, d))
    first = put(banked, unwhitened(banked, white.astype(np.float32)))
    review(banked, first[0])  # a defect without a kind
    review(banked, first[1], "false_alarm")
    with_older = service_of(banked).store
    with_older.inspections.add([_without_descriptor()])
    found = asked(banked)
    assert brief(found) == [(None, 1, 8), (None, 2, 5), (None, 0, 1)]
    assert found["total"] == 14
    assert set(found["piles"][1]["examples"]) <= set(first[9:])


def _without_descriptor() -> Inspection:
    return Inspection(
        bank="caps", version=1, width=8, height=8, score=4.0, review_threshold=2.0, reject_threshold=3.0,
        decision="reject", regions=[], timings={}, digests={}, created_at=datetime.now(UTC),
    )  # fmt: skip


def test_it_is_exported_as_csv_whose_cells_run_nothing(banked: TestClient) -> None:
    review(banked, inspect(banked, pictured(1))["id"], kind="=1+1")
    answer = banked.get(f"{PARETO}/export")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    (line,) = csv.DictReader(io.StringIO(answer.text))
    assert (line["kind"], line["group"], line["count"], line["share"]) == ("'=1+1", "", "1", "1.0")
    assert line[str(datetime.now(UTC).date())] == "1"


def test_nothing_is_nothing_and_what_cannot_be_asked_is_refused(client: TestClient) -> None:
    client.post("/v1/banks", json={"id": "caps"})
    found = asked(client)
    assert (found["total"], found["piles"], len(found["days"])) == (0, [], 8)
    long = {"since": (datetime.now(UTC) - timedelta(days=40)).isoformat()}
    problem(client.get(PARETO, params=long), 422, "invalid-request")
    problem(client.get("/v1/banks/lids/pareto"), 404, "not-found")
    assert client.get(f"{PARETO}/export").text.startswith("kind,group,count,share,")


def test_defects_of_every_bank_are_counted_by_kind_and_bank(banked: TestClient) -> None:
    banked.post("/v1/banks", json={"id": "lids"})
    store, first = service_of(banked).store, inspect(banked, pictured(0), "?station=a")["id"]
    review(banked, first, kind="scratch")
    others = [_without_descriptor(), _without_descriptor(), _without_descriptor()]
    for row, bank in zip(others, ("lids", "lids", "caps"), strict=True):
        row.bank = bank
    store.inspections.add(others)
    listed = [row.id for row in store.inspections.page().items if row.bank == "lids"]
    review(banked, listed[0], kind="scratch")
    review(banked, listed[1], "false_alarm")
    found = banked.get("/v1/pareto").json()
    assert [(kind["kind"], kind["count"], kind["by_bank"]) for kind in found["kinds"]] == [
        ("scratch", 2, {"caps": 1, "lids": 1}),
        (None, 1, {"caps": 1}),
    ]
    assert (found["total"], found["kinds"][0]["share"]) == (3, 2 / 3)
    assert found["kinds"][0]["by_station"] == {"a": 1, "": 1}
    assert found["kinds"][0]["by_day"][-1] == 2
    assert banked.get("/v1/pareto", params={"station": "a"}).json()["total"] == 1
    lines = banked.get("/v1/pareto/export").text.splitlines()
    assert lines[0] == "kind,bank,count,share"
    assert sorted(lines[1:]) == [",caps,1,0.333333", "scratch,caps,1,0.333333", "scratch,lids,1,0.333333"]


def test_a_limited_key_sees_its_banks_and_an_earlier_bank_of_the_same_id_does_not_count(
    banked: TestClient,
) -> None:
    store, now = service_of(banked).store, datetime.now(UTC)
    row = _without_descriptor()
    row.created_at = now - timedelta(days=1)  # before the bank that is there now
    store.inspections.add([row, _without_descriptor()])
    assert across(store, EVERYTHING).total == 1
    assert across(store, Scope(banks=frozenset({"lids"}))).total == 0
    assert across(store, Scope(stations=frozenset({"a"}))).station == "a"
    with pytest.raises(OutOfScope):
        across(store, Scope(stations=frozenset({"a"})), station="b")
    problem(banked.get("/v1/pareto", params={"since": "2020-01-01T00:00:00Z"}), 422, "invalid-request")
