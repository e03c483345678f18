"""Brings a database to this release's tables (Alembic), once, however many processes start together.

The whole upgrade is one transaction under one lock (BEGIN IMMEDIATE on SQLite, an advisory lock on
PostgreSQL), so a process that dies in it leaves the database as it was, and one that waits finds the work
done.
"""

from __future__ import annotations

import threading
from functools import cache

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from app.store.database import Database
from app.store.errors import DatabaseUnavailable, NewerDatabase

VERSION_TABLE = "nominal_revision"
ALEMBIC = threading.Lock()  # its context is a module's, one for all threads
ADVISORY_LOCK = 0x6E6F6D696E616C  # "nominal"


def upgrade(database: Database, revision: str = "head") -> None:
    """Migrate to ``revision``. Raises ``NewerDatabase`` for one this release does not know."""
    with ALEMBIC, database.migration() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
        found = current(connection)
        if found == head() and revision in ("head", found):
            return  # without the migrations, which take longer to read than all else
        refuse_newer(found)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        _check_references(database, connection)


def current(connection: Connection) -> str | None:
    """The database's revision, or None before its first migration."""
    return MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()


def head() -> str:
    """This release's revision."""
    return str(_scripts().get_current_head())


def refuse_newer(revision: str | None) -> None:
    """Raises ``NewerDatabase`` unless this release knows ``revision``."""
    known = {script.revision for script in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        raise NewerDatabase(
            requirement=f"this release reads databases up to revision {head()}",
            received=f"revision {revision}",
            remedy="Install the release that wrote it, or a newer one; nothing was changed.",
        )


@cache
def _scripts() -> ScriptDirectory:
    """Read once a process."""
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "app.store:migrations")
    return config


def _check_references(database: Database, connection: Connection) -> None:
    """SQLite changes tables by copying them, with foreign keys off; so they are checked at the end."""
    if database.is_sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise DatabaseUnavailable(
            requirement="every reference must hold after a migration",
            received="a dangling one",
            remedy="Restore a backup; the migration was rolled back.",
        )
