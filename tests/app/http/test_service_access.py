"""Who may call: keys and roles, rotation, this machine without keys, other origins refused, what is open to all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from service_kit import LOCAL, PNG, health_now, prepared, problem, service_of
from starlette.testclient import TestClient

from app.http.auth import FORWARDED, is_loopback
from app.lifecycle.keys import Admission
from app.main import create_app
from app.settings import Settings, SettingsError, load_settings
from app.store.errors import KeyRefused
from app.store.schema import Role
from models.backbone import Backbone

ROLES: tuple[Role, ...] = ("read", "inspect", "admin")
OPEN = {"livez", "readyz", "get_health", "get_metrics", "get_release", "explain_problem"} | {
    "is_server_live", "is_server_ready", "get_server_metadata",
}  # fmt: skip
NEEDS: dict[Role, set[str]] = {
    "inspect": {"inspect_image", "inspect_batch", "review_inspection", "compare_versions", "infer", "infer_by_version",
                "trigger_source"},
    "admin": {
        "create_bank", "update_bank", "delete_bank", "set_mask", "remove_mask", "upload_images", "delete_image",
        "start_build", "start_screening", "start_advice", "start_patterns", "start_check",
        "upload_check_images", "delete_check_image", "delete_check_set",
        "cancel_job", "activate_version", "delete_version", "import_version", "teach_inspection", "list_keys",
        "create_key", "limit_key", "rotate_key", "revoke_key", "create_sign_in_link", "list_audit", "list_people",
        "sign_out_person", "rename_kind", "list_sinks", "create_sink", "get_sink", "update_sink", "delete_sink",
        "send_sample", "rotate_sink_secret", "list_sink_events", "resend_sink_events",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def keys(running: TestClient) -> dict[Role, dict[str, str]]:
    """Headers of one key a role; from its first test on this module's server needs keys."""
    store = service_of(running).store
    made = {role: store.keys.create(role, role, actor="test")[0] for role in ROLES}
    service_of(running).admission.forget()
    return {role: {"Authorization": f"Bearer {text}"} for role, text in made.items()}


def operations(client: TestClient) -> Iterator[tuple[str, str, str]]:
    """(operation id, method, path with its parameters filled in) of every operation."""
    assert isinstance(client.app, FastAPI)
    for path, methods in client.app.openapi()["paths"].items():
        filled = path.replace("{version}", "1")
        for name in ("bank", "check", "job", "inspection", "sha256", "key", "slug", "sink", "source"):
            filled = filled.replace(f"{{{name}}}", "x")
        for method, operation in methods.items():
            yield operation["operationId"], method.upper(), filled


def refusal(response: Any, path: str, status: int, slug: str) -> str:
    """What a refused request was told: as a problem, or below /v2 in the form that the protocol there has."""
    if not path.startswith("/v2"):
        said = problem(response, status, slug)
        assert said["remedy"]
        return str(said["detail"])
    assert (response.status_code, [*response.json()]) == (status, ["error"]), response.text
    return str(response.json()["error"])


def test_every_operation_needs_a_key_of_its_role_and_no_other_answers_without(
    running: TestClient, keys: dict[Role, dict[str, str]]
) -> None:
    seen = set()
    for name, method, path in operations(running):
        seen.add(name)
        bare = running.request(method, path)
        if name in OPEN:
            assert bare.status_code not in (401, 403), name
            continue
        assert refusal(bare, path, 401, "unauthorized")
        assert bare.headers["www-authenticate"] == "Bearer"
        needed = next((role for role, names in NEEDS.items() if name in names), "read")
        for role in ROLES:
            refused = running.request(method, path, headers=keys[role]).status_code == 403
            assert refused is (ROLES.index(role) < ROLES.index(needed)), (name, role)  # type: ignore[arg-type]
    assert seen >= OPEN | NEEDS["inspect"] | NEEDS["admin"]


def test_every_route_of_the_application_is_in_the_document(running: TestClient) -> None:
    assert isinstance(running.app, FastAPI)
    names = {route.name for route in running.app.routes if isinstance(route, APIRoute)}
    assert names <= {name for name, _, _ in operations(running)}


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer x",
        "Bearer nominal_000000000000_" + "a" * 43,
        "Basic eDp5",
        "Bearer \u00ff",
        "bearer nominal_",
    ],
)
def test_a_key_that_is_none_is_refused_without_saying_what_is_wrong(
    running: TestClient, keys: dict[Role, dict[str, str]], header: str
) -> None:
    response = running.get("/v1/banks", headers={"Authorization": header.encode("latin-1")})
    assert problem(response, 401, "unauthorized")["received"] in (
        "none",
        "none that is known, unexpired and unrevoked",
    )


def test_a_key_may_come_in_its_own_header(running: TestClient, keys: dict[Role, dict[str, str]]) -> None:
    text = keys["read"]["Authorization"].removeprefix("Bearer ")
    assert running.get("/v1/banks", headers={"X-API-Key": text}).status_code == 200


def test_two_keys_are_valid_while_one_replaces_the_other_and_a_revoked_one_is_refused_at_once(
    running: TestClient, keys: dict[Role, dict[str, str]]
) -> None:
    admin = keys["admin"]
    first = running.post("/v1/keys", json={"name": "line 2", "role": "read"}, headers=admin).json()
    second = running.post(
        f"/v1/keys/{first['id']}/rotate", json={"overlap_seconds": 600}, headers=admin
    ).json()
    assert (second["name"], second["role"]) == ("line 2", "read")

    def works(key: dict[str, str]) -> bool:
        return running.get("/v1/banks", headers={"X-API-Key": key["key"]}).status_code == 200

    assert works(first)
    assert works(second)
    assert running.delete(f"/v1/keys/{first['id']}", headers=admin).json()["revoked_at"] is not None
    assert (works(first), works(second)) == (False, True)
    listed = running.get("/v1/keys", headers=admin).json()["items"]
    assert {first["id"], second["id"]} <= {key["id"] for key in listed}
    assert all("key" not in key and "secret_sha256" not in key for key in listed)


def test_the_audit_log_names_the_key_that_did_it(
    running: TestClient, keys: dict[Role, dict[str, str]]
) -> None:
    running.post("/v1/banks", json={"id": "audited"}, headers=keys["admin"])
    entries = running.get("/v1/audit?target=bank:audited", headers=keys["admin"]).json()["items"]
    assert [entry["action"] for entry in entries] == ["bank.create"]
    assert entries[0]["actor"] in keys["admin"]["Authorization"]


def test_health_tells_names_to_key_holders_alone(
    running: TestClient, keys: dict[Role, dict[str, str]]
) -> None:
    running.post("/v1/banks", json={"id": "confidential"}, headers=keys["admin"])
    health_now(running)
    service_of(running).life.faults["bank:confidential"] = "a reason that names confidential"
    bare, named = running.get("/health"), running.get("/health", headers=keys["read"])
    del service_of(running).life.faults["bank:confidential"]
    assert "confidential" not in bare.text
    assert bare.json()["faults"] == ["bank"]
    assert "confidential" in named.json()["bank_states"]
    assert running.get("/health", headers={"X-API-Key": "wrong"}).json().keys() == bare.json().keys()


# Without keys


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Host": "localhost:8000"}, True),
        ({"Host": "[::1]:8000"}, True),
        ({"Origin": "http://127.0.0.1"}, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1"}, True),
        ({"Host": "attacker.example"}, False),
        ({"Host": "127.0.0.1.attacker.example"}, False),
        ({"Host": ""}, False),
        ({"Host": "[::"}, False),
        ({"Origin": "http://attacker.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        *(({name: "127.0.0.1"}, False) for name in sorted(FORWARDED)),
        ({"X-Forwarded-For": "127.0.0.1"}, False),
        ({"X-Forwarded-Port": "8000"}, False),
        ({"CF-Connecting-IP": "127.0.0.1"}, False),
        ({"X-Request-ID": "line-7"}, True),
    ],
)
def test_without_keys_only_this_machine_may_call_and_no_page_of_another_site(
    client: TestClient, headers: dict[str, str], allowed: bool
) -> None:
    response = client.get("/v1/banks", headers=headers)
    if allowed:
        assert response.status_code == 200
    else:
        problem(response, 403, "foreign-origin")


def test_without_keys_another_machine_is_refused_whatever_host_it_names(
    serve: Callable[..., TestClient], settings: Settings
) -> None:
    client = serve(settings)
    stranger = TestClient(client.app, "http://127.0.0.1", client=("192.0.2.7", 5000))
    problem(stranger.get("/v1/banks"), 403, "foreign-origin")


def test_a_welcome_origin_may_call_and_gets_cors_headers_and_others_get_none(
    serve: Callable[..., TestClient], settings: Settings
) -> None:
    client = serve(settings.model_copy(update={"cors_origins": ["https://line.example"]}))
    ours = client.get("/v1/banks", headers={"Origin": "https://line.example"})
    assert (ours.status_code, ours.headers["access-control-allow-origin"]) == (200, "https://line.example")
    theirs = client.get("/v1/banks", headers={"Origin": "https://attacker.example"})
    assert "access-control-allow-origin" not in theirs.headers
    problem(theirs, 403, "foreign-origin")


def test_on_an_open_address_no_key_means_no_entry(
    serve: Callable[..., TestClient], settings: Settings
) -> None:
    client = serve(settings.model_copy(update={"host": "0.0.0.0"}))
    problem(client.get("/v1/banks"), 401, "unauthorized")
    problem(client.post("/v1/banks/x/inspect", content=b"", headers=PNG), 401, "unauthorized")
    assert client.get("/livez").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_revoking_the_last_key_opens_nothing_on_any_address(
    serve: Callable[..., TestClient], settings: Settings, host: str
) -> None:
    client = serve(settings.model_copy(update={"host": host}))
    text, key = service_of(client).store.keys.create("only", "admin", actor="test")
    assert client.delete(f"/v1/keys/{key.id}", headers={"X-API-Key": text}).status_code == 200
    problem(client.get("/v1/banks"), 401, "unauthorized")


def test_a_store_that_the_command_line_opens_lets_this_machine_in_again(client: TestClient) -> None:
    service = service_of(client)
    key = service.store.keys.create("only", "admin", actor="test")[1]
    service.admission.revoke(key.id, "test")
    problem(client.get("/v1/banks"), 401, "unauthorized")
    service.store.keys.open(actor="cli")
    service.admission.forget()  # two seconds later
    assert client.get("/v1/banks").status_code == 200


def test_a_key_that_ended_is_refused_a_successor(
    running: TestClient, keys: dict[Role, dict[str, str]]
) -> None:
    key = running.post("/v1/keys", json={"name": "gone", "role": "read"}, headers=keys["admin"]).json()
    running.delete(f"/v1/keys/{key['id']}", headers=keys["admin"])
    problem(running.post(f"/v1/keys/{key['id']}/rotate", headers=keys["admin"]), 409, "key-conflict")


def test_a_key_is_believed_for_a_moment_and_then_looked_up_again(client: TestClient) -> None:
    now = [0.0]
    store, trail = service_of(client).store, service_of(client).trail
    keys = store.keys
    admission = Admission(keys, store.people, store.sessions, trail, clock=lambda: now[0])
    text, key = keys.create("line", "read", actor="test")
    assert admission.remembered(text) is None
    assert admission.verify(text).id == key.id
    keys.revoke(key.id, actor="another server")
    assert admission.remembered(text) is not None
    now[0] = 2.0
    assert admission.remembered(text) is None
    with pytest.raises(KeyRefused):
        admission.verify(text)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("LOCALHOST", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("example.com", False), ("", False)],
)  # fmt: skip
def test_loopback_is_told_from_every_other_address(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize("passed_on", ["", "/line-a"], ids=["stripped", "kept"])
def test_behind_a_proxy_that_shows_it_under_a_path_everything_names_that_path(
    tmp_path: Path, empty_database: bytes, backbone: Backbone, passed_on: str
) -> None:
    settings = prepared(tmp_path, empty_database).model_copy(update={"root_path": "/line-a"})
    with TestClient(create_app(settings, backbone, worker=False), LOCAL, client=("127.0.0.1", 1)) as client:
        assert client.get(f"{passed_on}/livez").json() == {"status": "alive"}
        made = client.post(f"{passed_on}/v1/banks", json={"id": "caps"})
        assert made.headers["Location"] == "/line-a/v1/banks/caps"
        assert client.get(f"{passed_on}/openapi.json").json()["servers"] == [{"url": "/line-a"}]
        page = client.get(f"{passed_on}/docs")
        assert '"/line-a/docs/assets/swagger-ui-bundle.js"' in page.text
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]
        for asset in re.findall(r'"/line-a(/docs/assets/[^"]+)"', page.text):
            assert client.get(passed_on + asset).status_code == 200
        problem(client.get(f"{passed_on}/nowhere"), 404, "no-such-path")
        problem(client.get("/line-b/livez"), 404, "no-such-path")


@pytest.mark.parametrize("path", ["line-a", "/line-a/", "/", "//x", "/a b", "/v1", "/console/x"])
def test_a_path_that_no_proxy_can_show_it_under_is_refused(path: str) -> None:
    with pytest.raises(SettingsError, match=r"ROOT_PATH|root_path"):
        load_settings({}, root_path=path)
