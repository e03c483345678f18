"""The console for tests: the whole application with it, on the tiny backbone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from app.settings import Settings


@pytest.fixture
def taught(console: TestClient, bank_file: bytes) -> TestClient:
    """The same with a bank ``caps`` whose version 1 is active."""
    assert console.post("/v1/banks", json={"id": "caps"}).status_code == 201
    assert console.post("/v1/banks/caps/import?activate=true", content=bank_file).status_code == 201
    return console


@pytest.fixture
def console(serve: Callable[..., TestClient], settings: Settings) -> TestClient:
    """A client of a warm server that serves the console, without banks, keys or worker."""
    return serve(settings.model_copy(update={"console": True}))
