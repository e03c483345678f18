"""What tests of watched folders share: a file put in as careful writers do, the ledger, the folder's state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from service_kit import service_of, wait_until
from starlette.testclient import TestClient

from app.sources.folder import FolderState

Watching = Callable[..., TestClient]
"""Starts a server that watches the folder as said."""


def put(folder: Path, name: str, data: bytes) -> Path:
    """A file as careful writers make it: hidden, then renamed."""
    hidden = folder / f".{name}.part"
    hidden.write_bytes(data)
    return hidden.rename(folder / name)


def rows(client: TestClient) -> list[dict[str, Any]]:
    """The ledger, oldest first."""
    found: list[dict[str, Any]] = client.get("/v1/inspections").json()["items"]
    return found[::-1]


def state(client: TestClient) -> FolderState:
    return service_of(client).sources.states()[0]


def wait_for(client: TestClient, **expected: Any) -> None:
    """Until the folder's state has these values."""
    wait_until(lambda: {name: getattr(state(client), name) for name in expected} == expected)
