"""Settings, clocks and rows of stores to test, with SQLite and a folder or with PostgreSQL and S3."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from app.settings import Settings
from app.store import migrate
from app.store.ids import Clock
from app.store.schema import Inspection
from app.store.store import Store, open_database

SERVICES = "NOMINAL_TEST_DATABASE_URL" in os.environ and "NOMINAL_TEST_BLOB_URL" in os.environ
BACKENDS = ["sqlite", "postgres"] if SERVICES else ["sqlite"]
NO_SERVICES = "no PostgreSQL and S3 here; tests/services/run.py starts them"


class SteppedClock:
    """A wall clock and a monotonic one that move only when told, also apart."""

    def __init__(self) -> None:
        self.wall, self.seconds = datetime(2026, 1, 1, tzinfo=UTC), 1000.0

    def pass_time(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.seconds += seconds

    def jump(self, seconds: float) -> None:
        """The wall clock alone."""
        self.wall += timedelta(seconds=seconds)

    def clock(self) -> Clock:
        return Clock(now=lambda: self.wall, monotonic=lambda: self.seconds)


@cache
def migrated_database() -> str:
    """The name of a database of PostgreSQL with this release's tables, to copy; one a process."""
    server, name = os.environ["NOMINAL_TEST_DATABASE_URL"], "migrated_" + secrets.token_hex(6)
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    database = open_database(Settings(database_url=SecretStr(_url(name))))
    try:
        migrate.upgrade(database)
    finally:
        database.close()
    return name


def _url(name: str) -> str:
    server = make_url(os.environ["NOMINAL_TEST_DATABASE_URL"])
    return server.set(database=name).render_as_string(hide_password=False)


@contextmanager
def fresh_settings(
    backend: str, folder: Path, *, ready: bytes | None = None, **changes: Any
) -> Iterator[Settings]:
    """Settings of a store that does not exist yet; its database is dropped when the block ends.

    A ``ready`` one, SQLite's file or its like on PostgreSQL, has this release's tables already, and opens sooner.
    """
    base: dict[str, Any] = {"data_dir": folder, "disk_reserve_bytes": 0, "database_pool": 12} | changes
    if backend == "sqlite":
        if ready:
            folder.mkdir()
            (folder / "nominal.db").write_bytes(ready)
        yield Settings(**base)
        return
    if not SERVICES:
        pytest.skip(NO_SERVICES)
    name = "test_" + secrets.token_hex(6)
    with psycopg.connect(os.environ["NOMINAL_TEST_DATABASE_URL"], autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_database() if ready else 'template1'}")
        try:
            bucket = f"{os.environ['NOMINAL_TEST_BLOB_URL']}/{name}"
            endpoint = os.environ.get("NOMINAL_TEST_BLOB_ENDPOINT")
            remote = {"database_url": _url(name), "blob_url": bucket, "blob_endpoint": endpoint}
            yield Settings(**(base | remote))
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def inspection(bank: str = "screws", **changes: Any) -> Inspection:
    """An inspection as the service would write it."""
    values: dict[str, Any] = {
        "bank": bank,
        "version": 1,
        "width": 640,
        "height": 480,
        "score": 2.5,
        "review_threshold": 3.0,
        "reject_threshold": 4.0,
        "decision": "accept",
        "regions": [],
        "timings": {"queue": 0.001},
        "digests": {"bank": "0" * 64},
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Inspection(**(values | changes))


def overwrite(store: Store, sha256: str, data: bytes) -> None:
    """Put other bytes where a blob's are."""
    with store.blobs.staging.begin(len(data)) as staged:
        staged.write(data)
        staged.finish().sha256 = sha256
        store.blobs.files.publish(staged)
