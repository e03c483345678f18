"""Whether a store goes on from its own database: one that is lost, or empty beside kept files, is not a new store.

A new database would open without keys, and every file beside it would be nobody's. So a small marker beside the
blobs says that a database describes them; blobs without a marker, as older releases left them, say it too.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Select, Table, select

from app.store.database import Database
from app.store.errors import BlobsUnavailable, DatabaseLost, StorageFull
from app.store.files import BlobFiles
from app.store.schema import OF_SERVERS, Base, Mark
from app.store.timekeeping import MARKS

FIRST_ROW_SECONDS = 1.0


class Continuity:
    """Looks before and after the migration, and notes once that something is kept."""

    def __init__(self, database: Database, files: BlobFiles, anew: bool = False) -> None:
        """anew: begin with an empty database, whatever is kept beside it."""
        self._database, self._files, self._anew, self._noted = database, files, anew, False

    def before_migration(self) -> None:
        """Raises ``DatabaseLost`` before an empty file is made where SQLite's was lost."""
        if self._database.is_sqlite:
            path = Path(str(self._database.url.database))
            if not path.exists() or path.stat().st_size == 0:
                self._refuse_beside_files()

    def after_migration(self) -> None:
        """Raises ``DatabaseLost`` for a database without any row beside kept files.

        Of servers that start together one may write its first row between the two looks of another: that looks again.
        """
        end = time.monotonic() + FIRST_ROW_SECONDS
        while not filled_tables(self._database):
            if not self._files.held():
                return
            if time.monotonic() > end:
                return self._refuse_beside_files()
            time.sleep(0.05)
        self.note()

    def note(self) -> None:
        """Something is kept, durably: from now on an empty database is a lost one. Tried again where it fails."""
        if not self._noted:
            with contextlib.suppress(BlobsUnavailable, StorageFull):
                self._files.note_held()
                self._noted = True

    def _refuse_beside_files(self) -> None:
        if self._anew or not self._files.held():
            return
        url = self._database.url.set(query={}).render_as_string(hide_password=True)
        raise DatabaseLost(
            requirement="a store that has kept files or keys must open with the database that describes them",
            received=f"a database without a row ({url}) beside {self._files.place}",
            remedy="Check NOMINAL_DATA_DIR, NOMINAL_DATABASE_URL and the mounts, or restore a backup into it: 'nominal "
            "store restore FILE'. To give up what was kept and begin with nothing: 'nominal store begin-anew'.",
        )


def filled_tables(database: Database) -> list[str]:
    """The tables that have a row, other than those that a store or server writes by only being open."""
    tables = [table for table in Base.metadata.sorted_tables if table not in OF_SERVERS]
    with database.read() as session:
        return [table.name for table in tables if session.execute(_row_of(table)).first()]


def _row_of(table: Table) -> Select[Any]:
    query = select(table).limit(1)
    return query.where(table.c.name.not_in(MARKS)) if table is Mark.__table__ else query
