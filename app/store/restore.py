"""Restore of a backup into an empty store: verified whole before anything is written, then all rows at once.

Nothing in the archive names a path: members are read as streams, and their names only compared. A restore
that dies leaves the database empty, and running it again is harmless.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Table, insert, select
from sqlalchemy.orm import Session

from app.store import migrate
from app.store.backup import FORMAT, ROWS, Manifest
from app.store.blobs import Blobs, chunks
from app.store.columns import Utc
from app.store.database import Database
from app.store.errors import BackupCorrupt, BackupOtherRelease, StoreNotEmpty
from app.store.schema import Base


def read_backup(database: Database, blobs: Blobs, path: Path) -> Manifest:
    """Fill an empty store from ``path``; the backup's manifest.

    Raises ``BackupCorrupt``, ``BackupOtherRelease`` or ``StoreNotEmpty`` before it writes anything.
    """
    manifest = verify(path)
    _refuse_full(database)
    with _opened(path) as tar:
        for sha256, size in manifest["blobs"].items():
            with blobs.staging.begin(size) as staged:
                for chunk in chunks(_stream(tar, f"blobs/{sha256}")):
                    staged.write(chunk)
                blobs.files.publish(staged.finish())
        with database.write() as session:
            for table in Base.metadata.sorted_tables:
                _fill(session, table, _stream(tar, f"tables/{table.name}.jsonl"))
    return manifest


def verify(path: Path) -> Manifest:
    """Read a backup whole and compare every digest; its manifest."""
    with _opened(path) as tar:
        manifest = _manifest(tar)
        expected = {f"tables/{table['name']}.jsonl": table["sha256"] for table in manifest["tables"]}
        expected |= {f"blobs/{sha256}": sha256 for sha256 in manifest["blobs"]}
        for member in tar:
            if member.name != "manifest.json" and _digest(tar, member) != expected.pop(member.name, None):
                raise corrupt(f"{member.name[:100]!a}, which is not what the manifest says")
        if expected:
            raise corrupt(f"an archive without {min(expected)}")
    return manifest


def _manifest(tar: tarfile.TarFile) -> Manifest:
    manifest = json.load(_stream(tar, "manifest.json"))
    if manifest["format"] != FORMAT:
        raise corrupt(f"the format {manifest['format']!a:.50}")
    if manifest["revision"] != migrate.head():
        raise BackupOtherRelease(
            requirement=f"the backup must be of revision {migrate.head()}",
            received=f"revision {manifest['revision']!a:.50}",
            remedy="Restore it with the release that wrote it, then start this one, which migrates it.",
        )
    names = [table["name"] for table in manifest["tables"]]
    if names != [table.name for table in Base.metadata.sorted_tables]:
        raise corrupt("other tables than this release has")
    return dict(manifest)


def _refuse_full(database: Database) -> None:
    tables = Base.metadata.sorted_tables
    with database.read() as session:
        full = [table.name for table in tables if session.execute(select(table).limit(1)).first()]
    if full:
        raise StoreNotEmpty(
            requirement="a backup is restored into an empty store only",
            received=f"a store with rows in {', '.join(full)}",
            remedy="Give another NOMINAL_DATA_DIR, or an empty database; nothing was changed.",
        )


def _fill(session: Session, table: Table, lines: IO[bytes]) -> None:
    """Insert a table's rows, some at a time."""
    times = [column.name for column in table.columns if isinstance(column.type, Utc)]
    while batch := list(islice(lines, ROWS)):
        session.execute(insert(table), [_row(line, times) for line in batch])


def _row(line: bytes, times: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(line)
    return row | {name: datetime.fromisoformat(row[name]) for name in times if row[name] is not None}


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    """The archive; whatever is wrong with its form becomes ``BackupCorrupt``."""
    try:
        with tarfile.open(path, mode="r:") as tar:
            yield tar
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise corrupt(f"{type(error).__name__}: {error}"[:200]) from error
    except OSError as error:
        raise corrupt(f"a file that cannot be read: {error.strerror}") from error


def _stream(tar: tarfile.TarFile, name: str | tarfile.TarInfo) -> IO[bytes]:
    member = name if isinstance(name, tarfile.TarInfo) else tar.getmember(name)
    file = tar.extractfile(member) if member.isreg() else None
    if file is None:
        raise corrupt(f"{member.name[:100]!a}, which is no plain file")
    return file


def _digest(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    digest = hashlib.sha256()
    for chunk in chunks(_stream(tar, member)):
        digest.update(chunk)
    return digest.hexdigest()


def corrupt(received: str) -> BackupCorrupt:
    return BackupCorrupt(
        requirement="a backup must be whole and unchanged since it was written",
        received=received,
        remedy="Take another copy of it; nothing was changed.",
    )
