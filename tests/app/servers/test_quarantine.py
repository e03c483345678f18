"""Quarantine among several servers: a server's own fault is its own, damaged bytes are everybody's until mended."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import pairwise

import pytest
from service_kit import PNG, health_now, inspect, problem, service_of, wait_until
from starlette.testclient import TestClient
from store_backends import overwrite

from app.inspection import fitness
from app.lifecycle import upkeep
from app.lifecycle.upkeep import retry_quarantined
from app.settings import Settings
from models.backbone import Backbone

Serve = Callable[..., TestClient]
CAPS = "/v1/banks/caps"


def state_of(client: TestClient) -> str:
    return str(client.get(f"{CAPS}/versions/1").json()["state"])


def refused(client: TestClient, image: bytes) -> str:
    """Why it inspects nothing."""
    answer = client.post(f"{CAPS}/inspect", content=image, headers=PNG)
    return str(problem(answer, 409, "version-unusable")["received"])


def try_again(client: TestClient) -> None:
    """What every server does by itself each quarter of a minute."""
    health_now(client)
    assert client.portal is not None
    client.portal.call(retry_quarantined, service_of(client))


@pytest.fixture
def first(serve: Serve, settings: Settings, bank_file: bytes) -> TestClient:
    """A server whose bank ``caps`` is active."""
    client = serve(settings)
    assert client.post("/v1/banks", json={"id": "caps"}).status_code == 201
    assert client.post(f"{CAPS}/import?activate=true", content=bank_file).status_code == 201
    return client


def test_a_server_without_the_weights_refuses_and_the_others_go_on(
    serve: Serve, settings: Settings, first: TestClient, stranger: Backbone, good: bytes
) -> None:
    second, third = serve(settings, backbone=stranger), serve(settings)
    assert "on this server" in refused(second, good)
    assert [inspect(client, good)["version"] for client in (first, third)] == [1, 1]
    assert state_of(second) == "ok"
    health = health_now(second)
    assert (health["status"], health["banks"]["quarantined"]) == ("degraded", 1)
    assert "tiny" in second.get(f"{CAPS}/health").json()["reason"]
    assert health_now(first)["status"] == "ok"
    assert first.get(f"{CAPS}/health").json()["state"] == "ready"
    problem(second.post(f"{CAPS}/versions/1/activate"), 409, "version-unusable")
    assert first.post(f"{CAPS}/versions/1/activate").status_code == 200
    entries = first.get("/v1/audit").json()["items"]
    assert [entry["action"] for entry in entries].count("version.unfit") == 1  # not again at each try


def test_damaged_bytes_are_refused_by_all_servers_and_served_by_all_once_they_are_mended(
    serve: Serve, settings: Settings, first: TestClient, bank_file: bytes, good: bytes
) -> None:
    warm = serve(settings)
    assert inspect(warm, good)["version"] == 1
    digest, store = hashlib.sha256(bank_file).hexdigest(), service_of(first).store
    overwrite(store, digest, b"rust" + bank_file[4:])
    third = serve(settings)
    assert "digest" in refused(third, good)
    for client in (first, warm):  # which have it in memory
        assert "digest" in refused(client, good)
        assert health_now(client)["banks"]["quarantined"] == 1
    try_again(warm)
    assert "digest" in refused(warm, good)

    overwrite(store, digest, bank_file)
    assert "digest" in refused(third, good)  # nobody has looked yet
    warm_fitness = service_of(warm).inspecting.registry.fitness
    warm_fitness._due.clear()  # its pause is over
    try_again(warm)
    assert [inspect(client, good)["version"] for client in (first, warm, third)] == [1, 1, 1]
    assert state_of(first) == "ok"


def test_a_read_that_fails_once_harms_nobody(
    serve: Serve, settings: Settings, first: TestClient, bank_file: bytes, good: bytes
) -> None:
    second = serve(settings)
    registry, store = service_of(second).inspecting.registry, service_of(first).store
    digest = hashlib.sha256(bank_file).hexdigest()
    read, reads = registry._read, []

    def flaky(sha256: str, anew: bool = False) -> object:
        reads.append(sha256)
        overwrite(store, digest, b"rust" + bank_file[4:] if len(reads) == 1 else bank_file)
        return read(sha256, anew)

    registry._read = flaky  # type: ignore[assignment,method-assign]
    assert inspect(second, good)["version"] == 1
    assert (len(reads), state_of(first)) == (2, "ok")


def test_a_server_whose_storage_is_gone_blames_no_version(
    serve: Serve, settings: Settings, first: TestClient, good: bytes, tmp_path: object
) -> None:
    if settings.blob_url is not None:
        pytest.skip("a bucket that is gone answers no question: app/store/files.py names it")
    second = serve(settings)
    files = service_of(second).store.blobs.files
    files.root = files.root / "not mounted"  # type: ignore[attr-defined]
    files.root.mkdir()  # type: ignore[attr-defined]
    assert "on this server" in refused(second, good)
    assert (state_of(first), inspect(first, good)["version"]) == ("ok", 1)


def test_pauses_between_tries_grow(first: TestClient) -> None:
    time = [0.0]
    own = fitness.Fitness(service_of(first).store, lambda: time[0])
    key = fitness.Key("caps", 1, "0" * 64)
    tried = []
    for second in range(0, 4 * 3600, int(upkeep.QUARANTINE_SECONDS)):
        time[0] = float(second)
        if own.is_due(key):
            tried.append(second)
    assert tried[:4] == [0, 60, 180, 420]
    assert max(later - earlier for earlier, later in pairwise(tried)) == 3600


def test_a_quarantine_that_an_older_release_left_is_lifted_by_who_can_serve(
    serve: Serve, settings: Settings, first: TestClient, stranger: Backbone, good: bytes
) -> None:
    service_of(first).store.versions.quarantine("caps", 1, reason="weights are not here", actor="server")
    without = serve(settings, backbone=stranger)
    assert state_of(without) == "quarantined"
    wait_until(lambda: service_of(without).inspecting.registry.fitness.unfit() != {})
    serve(settings)
    wait_until(lambda: state_of(without) == "ok")
    assert inspect(first, good)["version"] == 1
