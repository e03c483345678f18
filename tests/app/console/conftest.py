"""The console for tests: the whole application with it, on the tiny backbone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from app.settings import Settings


@pytest.fixture
def console(serve: Callable[..., TestClient], settings: Settings) -> TestClient:
    """A client of a warm server that serves the console, without banks, keys or worker."""
    return serve(settings.model_copy(update={"console": True}))
