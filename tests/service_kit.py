"""What tests of the service share: settings, one inspection, one problem, waiting without sleeping long."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from app.lifecycle import Service, upkeep
from app.settings import Settings

LOCAL = "http://127.0.0.1"
PNG = {"Content-Type": "image/png"}


_numbers = itertools.count(1)


def new_bank(client: TestClient, **values: Any) -> str:
    """The path of a fresh bank."""
    id = f"bank-{next(_numbers)}"
    assert client.post("/v1/banks", json={"id": id, **values}).status_code == 201
    return f"/v1/banks/{id}"


def settings_in(folder: Path, **values: Any) -> Settings:
    """Settings that no environment reaches; quick heartbeats; no console, which one application a process has."""
    quick = {"heartbeat_seconds": 0.05, "lease_seconds": 1.0, "disk_reserve_bytes": 0, "drain_seconds": 5.0}
    return Settings(data_dir=folder / "data", **{"console": False, **quick, **values})


def prepared(folder: Path, empty_database: bytes) -> Settings:
    """Settings whose folder holds the database."""
    settings = settings_in(folder)
    settings.data_dir.mkdir()
    (settings.data_dir / "nominal.db").write_bytes(empty_database)
    return settings


def service_of(client: TestClient) -> Service:
    """The service behind a client."""
    app = client.app
    assert isinstance(app, FastAPI)
    service: Service = app.state.service
    return service


def inspect(client: TestClient, image: bytes, query: str = "", bank: str = "caps") -> dict[str, Any]:
    """The answer to one inspection that succeeds."""
    response = client.post(f"/v1/banks/{bank}/inspect{query}", content=image, headers=PNG)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def health_now(client: TestClient) -> dict[str, Any]:
    """``/health`` after another count of the banks."""
    portal = client.portal
    assert portal is not None
    portal.call(upkeep.count, service_of(client))
    found: dict[str, Any] = client.get("/health").json()
    return found


def problem(response: Any, status: int, slug: str) -> dict[str, Any]:
    """The problem a response is, checked for status, type and media type."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), (
        response.text
    )
    document: dict[str, Any] = response.json()
    assert document["type"] == f"/problems/{slug}", document
    assert document["detail"]
    return document


def wait_until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Returns once ``holds`` does; a generous bound turns a hang into a failure."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.005)
