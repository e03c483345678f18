"""Keys limited to banks and stations: every operation is refused elsewhere, and lists show only what they may see."""

from __future__ import annotations

import pytest
from service_kit import PNG, health_now, problem, service_of
from starlette.testclient import TestClient
from test_service_access import OPEN, operations, refusal

LISTS = {
    "list_banks",
    "list_jobs",
    "list_inspections",
    "export_inspections",
    "list_review_queue",
    "get_agreement",
    "get_pareto_across_banks",
    "export_pareto_across_banks",
    "list_sources",
}
CAMERAS = {"trigger_source"}  # of which this server has none: tests/app/sources/test_camera.py
WHOLE = {
    "list_keys",
    "create_key",
    "limit_key",
    "rotate_key",
    "revoke_key",
    "list_audit",
    "create_sign_in_link",
} | {
    "list_people",
    "sign_out_person",
    "list_sinks",
    "create_sink",
    "get_sink",
    "update_sink",
    "delete_sink",
    "send_sample",
    "rotate_sink_secret",
    "list_sink_events",
    "resend_sink_events",
}
BODIES: dict[str, dict[str, object]] = {
    "create_bank": {"id": "lids"},
    "create_key": {"name": "y", "role": "read"},
    "create_sink": {"id": "y", "target": {"kind": "mqtt", "host": "y"}},
}
Headers = dict[str, str]


@pytest.fixture(scope="module")
def site(running: TestClient, bank_file: bytes, good: bytes) -> tuple[TestClient, Headers]:
    """(a server with the banks caps and lids, an unlimited admin's header); each bank has two inspections and a job."""
    service = service_of(running)
    admin = {"X-API-Key": service.store.keys.create("all", "admin", actor="test")[0]}
    service.admission.forget()
    for bank in ("caps", "lids"):
        running.post("/v1/banks", json={"id": bank}, headers=admin)
        running.post(f"/v1/banks/{bank}/import?activate=true", content=bank_file, headers=admin)
        for station in ("left", "right"):
            path = f"/v1/banks/{bank}/inspect?station={station}"
            assert running.post(path, content=good, headers=PNG | admin).status_code == 200
        service.store.jobs.create(bank, request={}, actor="test")
    return running, admin


def limited(site: tuple[TestClient, Headers], role: str = "admin", **limits: list[str]) -> Headers:
    """The header of a new key with these limits."""
    client, admin = site
    made = client.post("/v1/keys", json={"name": "x", "role": role, **limits}, headers=admin)
    assert made.status_code == 201, made.text
    assert {name: made.json()[name] for name in limits} == limits
    return {"X-API-Key": made.json()["key"]}


def test_every_operation_refuses_a_key_of_another_bank_or_is_a_list(site: tuple[TestClient, Headers]) -> None:
    client, admin = site
    key = limited(site, banks=["caps"])
    foreign = client.get("/v1/inspections?bank=lids", headers=admin).json()["items"][0]["id"]
    job = client.get("/v1/jobs?bank=lids", headers=admin).json()["items"][0]["id"]
    for name, method, path in operations(client):
        if name in OPEN | LISTS | CAMERAS:
            continue
        path = path.replace("/v1/banks/x", "/v1/banks/lids")
        path = path.replace("/v1/inspections/x", f"/v1/inspections/{foreign}").replace(
            "/jobs/x", f"/jobs/{job}"
        )
        sent = {"json": BODIES[name]} if name in BODIES else {}
        path = path.replace("/v2/models/x", "/v2/models/lids")
        said = refusal(client.request(method, path, headers=key, **sent), path, 403, "forbidden")
        assert ("limited to the banks caps" in said.lower()) is (name not in WHOLE), name


def test_lists_show_only_the_banks_that_a_key_is_for(site: tuple[TestClient, Headers]) -> None:
    client, _ = site
    key = limited(site, "read", banks=["caps"])

    def banks_of(path: str) -> set[str]:
        return {item.get("bank", item["id"]) for item in client.get(path, headers=key).json()["items"]}

    assert banks_of("/v1/banks") == {"caps"}
    for path in ("/v1/jobs", "/v1/inspections", "/v1/reviews/queue"):
        assert banks_of(path) == {"caps"}, path
        problem(
            client.get(path + "?bank=lids", headers=key), 403, "forbidden"
        ) if "queue" not in path else None
    assert "lids" not in client.get("/v1/inspections/export", headers=key).text
    assert client.get("/v1/reviews/agreement", headers=key).json()["waiting"]["accept"] == 2
    assert health_now(client)["banks"]["ready"] == 2
    health = client.get("/health", headers=key).json()
    assert set(health["bank_states"]) == {"caps"}


def test_a_key_for_a_station_inspects_and_sees_only_there(
    site: tuple[TestClient, Headers], good: bytes
) -> None:
    client, admin = site
    key = limited(site, "inspect", banks=["caps"], stations=["right"])

    def inspect(query: str, **data: str) -> int:
        path = f"/v1/banks/caps/inspect{query}"
        if data:
            return client.post(path, files={"image": ("a.png", good)}, data=data, headers=key).status_code
        return client.post(path, content=good, headers=PNG | key).status_code

    assert [inspect("?station=left"), inspect("", station="left"), inspect("?station=right")] == [
        403,
        403,
        200,
    ]
    assert inspect("") == 200
    seen = client.get("/v1/inspections", headers=key).json()["items"]
    assert {row["station"] for row in seen} == {"right"}
    assert len(seen) == 3  # the one that named no station has its key's
    everything = client.get("/v1/inspections?bank=caps", headers=admin).json()["items"]
    left = next(row["id"] for row in everything if row["station"] == "left")
    for path in (f"/v1/inspections/{left}", "/v1/inspections?station=left", "/v1/banks/caps/exploration"):
        problem(client.get(path, headers=key), 403, "forbidden")
    review = {"verdict": "false_alarm"}
    problem(client.post(f"/v1/inspections/{left}/reviews", json=review, headers=key), 403, "forbidden")
    assert (
        client.post(f"/v1/inspections/{seen[0]['id']}/reviews", json=review, headers=key).status_code == 201
    )


def test_a_key_for_several_stations_must_say_which(site: tuple[TestClient, Headers], good: bytes) -> None:
    client, _ = site
    key = limited(site, "inspect", stations=["left", "right"])
    refused = client.post("/v1/banks/caps/inspect", content=good, headers=PNG | key)
    assert "no station" in problem(refused, 403, "forbidden")["received"]


def test_a_successor_has_the_same_limits(site: tuple[TestClient, Headers]) -> None:
    client, admin = site
    limited(site, banks=["caps"], stations=["left"])
    old = client.get("/v1/keys", headers=admin).json()["items"][-1]
    new = client.post(f"/v1/keys/{old['id']}/rotate", headers=admin).json()
    assert (new["banks"], new["stations"]) == (["caps"], ["left"])
