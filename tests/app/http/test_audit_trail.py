"""What the audit log says of requests: refusals from where, exports, downloads; bounded under attack."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from service_kit import problem, service_of
from starlette.testclient import TestClient

from app.lifecycle.trail import MOST, Trail
from app.store.audit import caller
from app.store.store import Store


@pytest.fixture
def admin(banked: TestClient) -> dict[str, str]:
    service = service_of(banked)
    headers = {"X-API-Key": service.store.keys.create("all", "admin", actor="test")[0]}
    service.admission.forget()
    return headers


def entries(client: TestClient, action: str) -> list[Any]:
    found = service_of(client).store.audit.page(limit=1000).items
    return [entry for entry in found if entry.action == action]


def test_a_refused_key_is_written_once_and_its_repetitions_are_counted(
    banked: TestClient, admin: dict[str, str]
) -> None:
    for _ in range(50):
        problem(banked.get("/v1/banks", headers={"X-API-Key": "nominal_x"}), 401, "unauthorized")
    [first] = entries(banked, "key.refused")
    assert (first.actor, first.target, first.address) == ("unknown", "keys", "127.0.0.1")
    service_of(banked).trail.flush()
    last, _ = entries(banked, "key.refused")
    assert (last.detail, last.address) == ({"times": 49}, "127.0.0.1")
    banked.get("/v1/banks", headers={"X-API-Key": "nominal_x"})  # in the next minute
    assert len(entries(banked, "key.refused")) == 3


def test_exports_and_downloads_name_who_took_what(banked: TestClient, admin: dict[str, str]) -> None:
    for path in (
        "/v1/inspections/export",
        "/v1/inspections/export?bank=caps",
        "/v1/banks/caps/versions/1/bundle",
    ):
        for _ in range(2):
            assert banked.get(path, headers=admin).status_code == 200
    service_of(banked).trail.flush()
    exported = entries(banked, "inspections.export")
    assert Counter(entry.target for entry in exported) == {"inspections": 2, "bank:caps": 2}
    assert {entry.actor for entry in exported} == {admin["X-API-Key"].split("_")[1]}
    assert [entry.target for entry in entries(banked, "version.download")] == ["bank:caps/1"] * 2


def test_changes_say_from_which_address_they_came(banked: TestClient, admin: dict[str, str]) -> None:
    banked.patch("/v1/banks/caps", json={"pinned": True}, headers=admin)
    banked.post("/v1/banks", json={"id": "lids"}, headers=admin)
    [entry] = entries(banked, "bank.update")
    assert entry.address == "127.0.0.1"
    listed = banked.get("/v1/audit?target=bank:lids", headers=admin).json()["items"][0]
    assert (listed["address"], len(listed["digest"])) == ("127.0.0.1", 64)


def test_many_addresses_make_no_more_entries_than_a_minute_may_have(banked: TestClient) -> None:
    store: Store = service_of(banked).store
    before, trail = store.audit.verify().entries, Trail(store.audit)
    for i in range(MOST + 50):
        token = caller.set(f"192.0.2.{i}")
        trail.refused("key.refused", "keys")
        caller.reset(token)
    trail.flush()
    assert store.audit.verify().entries == before + MOST + 1
    assert store.audit.page().items[0].detail == {"times": 50}
