"""Similar past inspections and kinds over HTTP: against an oracle, kept up with the ledger, learnt, refused."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from parts import SMALL, build, parts, scratched
from service_kit import inspect, problem, service_of
from sqlalchemy import delete
from starlette.testclient import TestClient

from app.imaging.pictures import encode_png
from app.inspection.engine import Engine
from app.inspection.registry import Key, Loaded
from app.store.schema import Descriptor, Inspection
from app.store.scope import Scope
from core.bank import Bank, load_bank
from core.config import InputConfig
from core.retrieval import expanded, unit, whitening_of
from models.backbone import Backbone


def pictured(seed: int, y: int = 30, side: int = 10) -> bytes:
    """A part with a scratch, as PNG."""
    return encode_png(scratched(parts(1, seed=seed)[0], y, 40, side))


def loaded_of(client: TestClient) -> Loaded:
    """The active version of caps, in memory."""
    service = service_of(client)
    key = Key.active(service.store.banks.get("caps"))
    assert key is not None
    loaded = service.inspecting.registry.peek(key)
    assert loaded is not None
    return loaded


def put(client: TestClient, vectors: np.ndarray, **fields: Sequence[Any]) -> list[str]:
    """Inspections of caps with these descriptors; their ids. fields: a value each."""
    rows = [
        Inspection(
            bank="caps", version=1, width=8, height=8, score=4.0, review_threshold=2.0, reject_threshold=3.0,
            timings={}, digests={}, created_at=datetime.now(UTC),
            **({"decision": "reject", "regions": []} | {name: values[i] for name, values in fields.items()}),
        )
        for i in range(len(vectors))
    ]  # fmt: skip
    space = loaded_of(client).space
    known = [
        Descriptor(inspection_id=row.id, bank="caps", space=space, vector=vector.astype(np.float16).tobytes())
        for row, vector in zip(rows, vectors, strict=True)
    ]
    service_of(client).store.inspections.add(rows, known)
    return [row.id for row in rows]


def unwhitened(client: TestClient, white: np.ndarray) -> np.ndarray:
    """Raw descriptors that whitening turns into about these."""
    whitening = whitening_of(loaded_of(client).engine.bank.vectors)
    return (white @ np.linalg.inv(whitening.axes) + whitening.mean).astype(np.float32)


def similar(client: TestClient, id: str, **query: Any) -> dict[str, Any]:
    response = client.get(f"/v1/inspections/{id}/similar", params=query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def ids(found: dict[str, Any]) -> list[str]:
    return [item["inspection"]["id"] for item in found["items"]]


def review(client: TestClient, id: str, verdict: str = "confirmed_defect", **more: Any) -> None:
    response = client.post(f"/v1/inspections/{id}/reviews", json={"verdict": verdict, **more})
    assert response.status_code == 201, response.text


def test_an_inspection_stores_its_descriptor_and_is_found_by_one_like_it(
    banked: TestClient, bank_file: bytes, backbone: Backbone, good: bytes
) -> None:
    first, other, again = inspect(banked, pictured(1)), inspect(banked, pictured(2, 12, 30)), None
    inspect(banked, good)
    again = inspect(banked, pictured(1))
    engine = Engine(backbone, load_bank(bank_file))
    stored = service_of(banked).store.descriptors.get(first["id"])
    assert stored is not None
    assert len(stored.vector) == 2 * engine.bank.vectors.shape[1]
    found = similar(banked, again["id"])
    assert ids(found) == [first["id"], other["id"]]
    assert found["items"][0]["similarity"] == pytest.approx(1, abs=1e-3)
    assert (found["compared"], found["suggestion"], found["learnt"]) == (2, None, None)
    assert again["links"]["similar"] == f"/v1/inspections/{again['id']}/similar"


def test_the_order_is_that_of_whitened_descriptors_and_an_expanded_query(banked: TestClient) -> None:
    bank = loaded_of(banked).engine.bank
    made = np.random.default_rng(0).normal(0, 1, (40, bank.vectors.shape[1])).astype(np.float32)
    raw = made.astype(np.float16).astype(np.float32)
    known = put(banked, made)
    white = whitening_of(bank.vectors)(raw)
    expected = white[1:] @ expanded(white[0], white[1:])
    found = similar(banked, known[0], k=39)
    order = np.argsort(-expected)
    assert ids(found) == [known[1:][i] for i in order]
    got = [item["similarity"] for item in found["items"]]
    assert got == pytest.approx(expected[order].tolist(), abs=1e-4)


def test_it_keeps_up_with_new_ones_reviews_and_deleted_ones(banked: TestClient, good: bytes) -> None:
    asked = inspect(banked, pictured(1))["id"]
    assert ids(similar(banked, asked)) == []
    accepted, flagged = inspect(banked, good)["id"], inspect(banked, pictured(3))["id"]
    assert ids(similar(banked, asked)) == [flagged]
    review(banked, accepted, "missed_defect", kind="stain")
    assert sorted(ids(similar(banked, asked))) == sorted([accepted, flagged])
    assert ids(similar(banked, asked, reviewed=True)) == [accepted]
    assert ids(similar(banked, asked, reviewed=False)) == [flagged]
    review(banked, accepted, "withdrawn")
    assert ids(similar(banked, asked)) == [flagged]
    with service_of(banked).store.database.write() as session:
        session.execute(delete(Inspection).where(Inspection.id == flagged))
    assert [ids(similar(banked, asked)) for _ in range(2)] == [[], []]


def test_photographs_of_the_same_part_are_left_out_or_marked(banked: TestClient) -> None:
    asked = inspect(banked, pictured(1), "?serial=7")["id"]
    sibling = inspect(banked, pictured(1), "?serial=7")["id"]
    other = inspect(banked, pictured(1), "?serial=8")["id"]
    assert ids(similar(banked, asked)) == [other]
    both = similar(banked, asked, siblings=True)
    assert {item["inspection"]["id"]: item["sibling"] for item in both["items"]} == {
        sibling: True,
        other: False,
    }


def test_the_nearest_named_ones_suggest_a_kind_and_unsure_ones_none(banked: TestClient) -> None:
    d = loaded_of(banked).engine.bank.vectors.shape[1]
    axes = np.eye(d, dtype=np.float32)
    white = np.stack([axes[0], *[axes[0]] * 4, *[axes[1]] * 4, (axes[0] + axes[1]) / np.sqrt(2)])
    known = put(banked, unwhitened(banked, white))
    for id in known[1:5]:
        review(banked, id, kind="dent")
    for id in known[5:9]:
        review(banked, id, kind="scratch")
    sure, unsure = (similar(banked, id)["suggestion"] for id in (known[0], known[9]))
    assert (sure["kind"], sure["needed"]) == ("dent", 0.8)
    assert sure["confidence"] > 0.9
    assert unsure["kind"] is None
    assert unsure["margin"] < 0.5
    assert unsure["confidence"] == pytest.approx(0.5, abs=0.1)


def test_among_thousands_the_answer_comes_within_half_a_second(banked: TestClient) -> None:
    d = loaded_of(banked).engine.bank.vectors.shape[1]
    known = put(banked, np.random.default_rng(0).standard_normal((5000, d)).astype(np.float32))
    assert similar(banked, known[0])["compared"] == 4999
    spent = []
    for id in known[1:4]:
        started = time.perf_counter()
        similar(banked, id)
        spent.append(time.perf_counter() - started)
    assert min(spent) < 0.5


def test_a_projection_is_learnt_where_it_finds_more_and_is_said(banked: TestClient) -> None:
    """Two kinds that differ in one of many directions, all the others noise."""
    d, n = loaded_of(banked).engine.bank.vectors.shape[1], 80
    made = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)
    names = np.asarray(["dent", "scratch"] * (n // 2))
    made[:, 0] = np.where(names == "dent", 1.2, -1.2)
    known = put(banked, unwhitened(banked, unit(made)))
    for id, kind in zip(known, names, strict=True):
        review(banked, id, kind=str(kind))
    before = similar(banked, known[0])
    assert before["learnt"] is None
    portal, service = banked.portal, service_of(banked)
    assert portal is not None
    portal.call(service.recall.settled)
    after = similar(banked, known[0])
    assert after["learnt"]["after"] >= after["learnt"]["before"] + 0.01

    def right(found: dict[str, Any]) -> int:
        return sum(item["inspection"]["kind"] == "dent" for item in found["items"])

    assert right(after) > right(before)


def test_descriptors_survive_a_version_with_the_same_settings_and_no_other(
    bank_file: bytes, backbone: Backbone
) -> None:
    def space(bank: Bank) -> str:
        return Loaded(Key("caps", 1, "0"), "0", Engine(backbone, bank), 0, 0.0, 0.0).space

    images = parts(24)
    one = space(load_bank(bank_file))
    assert space(build(images[:12], replace(SMALL, coreset_ratio=0.2), backbone)) == one
    assert space(build(images, replace(SMALL, input=InputConfig(size=96)), backbone)) != one
    assert space(build(images, replace(SMALL, pca=8), backbone)) != one


def test_an_inspection_of_before_there_were_descriptors_is_refused_by_name(banked: TestClient) -> None:
    id = inspect(banked, pictured(1))["id"]
    with service_of(banked).store.database.write() as session:
        session.execute(delete(Descriptor))
    said = problem(banked.get(f"/v1/inspections/{id}/similar"), 409, "not-described")
    assert "Inspect the image again" in said["remedy"]


@pytest.mark.parametrize("query", ["k=0", "k=101", "k=x", "reviewed=perhaps", "limit=3"])
def test_what_cannot_be_asked_is_refused(banked: TestClient, query: str) -> None:
    id = inspect(banked, pictured(1))["id"]
    problem(banked.get(f"/v1/inspections/{id}/similar?{query}"), 422, "invalid-request")


def test_an_unknown_inspection_and_a_bank_without_a_version_are_refused(banked: TestClient) -> None:
    problem(banked.get("/v1/inspections/nope/similar"), 404, "not-found")


def test_kinds_are_named_listed_filtered_exported_and_renamed(banked: TestClient) -> None:
    known = [inspect(banked, pictured(seed))["id"] for seed in (1, 2, 3)]
    for id, kind in zip(known, (" scratch ", "scratch", "scrach"), strict=True):
        review(banked, id, kind=kind)
    assert banked.get("/v1/banks/caps/kinds").json()["items"] == [
        {"kind": "scratch", "count": 2},
        {"kind": "scrach", "count": 1},
    ]
    assert [row["id"] for row in banked.get("/v1/inspections?kind=scrach").json()["items"]] == [known[2]]
    header, line = banked.get("/v1/inspections/export?kind=scrach").text.split()
    assert line.split(",")[header.split(",").index("kind")] == "scrach"
    renamed = banked.post("/v1/banks/caps/kinds/rename", json={"from": "scrach", "to": "scratch"})
    assert renamed.json() == {"kind": "scratch", "inspections": 1}
    assert banked.get(f"/v1/inspections/{known[2]}").json()["kind"] == "scratch"
    assert banked.get(f"/v1/inspections/{known[2]}/reviews").json()["items"][0]["kind"] == "scratch"
    again = banked.post("/v1/banks/caps/kinds/rename", json={"from": "scrach", "to": "scratch"})
    problem(again, 404, "not-found")
    problem(banked.get("/v1/banks/lids/kinds"), 404, "not-found")


@pytest.mark.parametrize(
    ("verdict", "kind", "slug"),
    [
        ("confirmed_defect", "   ", "illegal-value"),
        ("confirmed_defect", "x" * 65, "illegal-value"),
        ("confirmed_defect", "a\nb", "illegal-value"),
        ("confirmed_defect", "x" * 300, "invalid-request"),
        ("false_alarm", "scratch", "illegal-value"),
        ("withdrawn", "scratch", "illegal-value"),
    ],
)
def test_a_review_with_what_is_not_a_kind_is_refused(
    banked: TestClient, verdict: str, kind: str, slug: str
) -> None:
    id = inspect(banked, pictured(1))["id"]
    body = {"verdict": verdict, "kind": kind}
    problem(banked.post(f"/v1/inspections/{id}/reviews", json=body), 422, slug)
    assert banked.get(f"/v1/inspections/{id}/reviews").json()["items"] == []


def test_a_key_of_one_station_sees_no_similar_one_of_another(banked: TestClient) -> None:
    store = service_of(banked).store
    asked, left, right = (
        inspect(banked, pictured(1), f"?station={station}")["id"] for station in ("left", "left", "right")
    )
    secret = store.keys.create("left", "read", actor="test", scope=Scope.of(None, ["left"]))[0]
    service_of(banked).admission.forget()
    answer = banked.get(f"/v1/inspections/{asked}/similar", headers={"X-API-Key": secret})
    assert ids(answer.json()) == [left]
    refused = banked.get(f"/v1/inspections/{right}/similar", headers={"X-API-Key": secret})
    assert refused.status_code == 403
