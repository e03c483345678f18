"""Several servers on one store: SQLite and a folder, and PostgreSQL and S3 where they are there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import random_backbone
from store_backends import BACKENDS, fresh_settings

from app.settings import Settings
from models.backbone import Backbone

# without copies of remote files: servers of one machine would share theirs
QUICK = {"heartbeat_seconds": 0.05, "lease_seconds": 1.0, "drain_seconds": 5.0, "blob_cache_bytes": 0}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def settings(backend: str, tmp_path: Path, empty_database: bytes) -> Iterator[Settings]:
    """Of every server: they share the store, and on SQLite the folder too."""
    with fresh_settings(backend, tmp_path / "data", ready=empty_database, console=False, **QUICK) as made:
        yield made


@pytest.fixture(scope="session")
def stranger() -> Backbone:
    """What a server has that lacks the weights of the others."""
    return random_backbone(seed=5)
