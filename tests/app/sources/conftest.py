"""A server that watches a folder, with a bank ``caps`` that is active before anything is put into the folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from folder_kit import Watching
from starlette.testclient import TestClient

from app.settings import Settings, Watched
from app.sources import folder as folder_module


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks and pauses of tenths of a second."""
    monkeypatch.setattr(folder_module, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(folder_module, "FIRST_PAUSE", 0.1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    return made


@pytest.fixture
def watching(
    serve: Callable[..., TestClient], settings: Settings, folder: Path, bank_file: bytes
) -> Watching:
    """Starts a server that watches ``folder`` as said; the first one makes the bank."""
    return partial(_watching, serve, settings, folder, bank_file)


def _watching(
    serve: Callable[..., TestClient], settings: Settings, folder: Path, bank_file: bytes, **said: Any
) -> TestClient:
    chosen = {"settle_seconds": 0.05, **said}
    watched = Watched(folder=folder, bank="caps", **chosen)
    client = serve(settings.model_copy(update={"watch": [watched]}))
    if client.get("/v1/banks/caps").status_code == 404:
        client.post("/v1/banks", json={"id": "caps"}).raise_for_status()
        client.post("/v1/banks/caps/import?activate=true", content=bank_file).raise_for_status()
    return client
