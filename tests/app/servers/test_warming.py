"""A version is warm on every live server before it is active, and nobody waits long for one that is not."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from service_kit import inspect, service_of
from starlette.testclient import TestClient

from app.inspection.registry import Registry
from app.learning import warming
from app.settings import Settings
from app.store.servers import Means
from models.backbone import Backbone

Serve = Callable[..., TestClient]
CAPS = "/v1/banks/caps"


def test_a_version_activated_at_one_server_is_loaded_by_the_others_before(
    serve: Serve, settings: Settings, stranger: Backbone, bank_file: bytes, good: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    first, second = serve(settings), serve(settings)
    without = serve(settings, backbone=stranger)  # which cannot load it, and holds nobody up
    first.post("/v1/banks", json={"id": "caps"})
    began = time.monotonic()
    assert first.post(f"{CAPS}/import?activate=true", content=bank_file).status_code == 201
    assert time.monotonic() - began < warming.ELSEWHERE_SECONDS

    def late(registry: Registry, sha256: str, anew: bool = False) -> None:
        raise AssertionError("the first inspection found it cold")

    monkeypatch.setattr(Registry, "_read", late)
    assert inspect(second, good)["version"] == 1
    store = service_of(first).store
    assert [store.servers.to_warm(server.id) for server in store.servers.live()] == [[], [], []]
    assert store.versions.get("caps", 1).state == "ok"
    assert service_of(without).inspecting.registry.loaded() == []


def test_a_server_that_does_not_answer_is_waited_for_only_so_long_and_named(
    serve: Serve, settings: Settings, bank_file: bytes, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(warming, "ELSEWHERE_SECONDS", 0.3)
    client = serve(
        settings.model_copy(update={"lease_seconds": 30.0})
    )  # for as long a silent one counts as living
    servers = service_of(client).store.servers
    servers.beat("hung", "1", Means("tiny", "0" * 64, "float32", works=True), {})
    client.post("/v1/banks", json={"id": "caps"})
    assert client.post(f"{CAPS}/import?activate=true", content=bank_file).status_code == 201
    assert client.get(CAPS).json()["active_version"] == 1
    assert "activated before these servers have it loaded: hung" in caplog.text
    assert servers.to_warm("hung") == []  # nobody waits any more


def test_a_server_whose_memory_is_full_of_other_banks_keeps_them(
    serve: Serve, settings: Settings, bank_file: bytes, good: bytes
) -> None:
    small = settings.model_copy(update={"bank_memory_bytes": 1 << 20})
    first, second = serve(settings), serve(small)
    for bank in ("caps", "lids"):
        first.post("/v1/banks", json={"id": bank})
    assert first.post(f"{CAPS}/import?activate=true", content=bank_file).status_code == 201
    registry = service_of(second).inspecting.registry
    inspect(second, good)
    registry.budget_bytes = registry.bytes()
    assert registry.has_room("caps", 1 << 30)  # of a bank that it serves it takes the new version in
    assert not registry.has_room("lids", 1 << 30)
