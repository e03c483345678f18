"""Backup of the whole store as one tar, and its restore: tables as JSON lines, blobs, and a manifest of digests.

The rows are one snapshot (a single read transaction); the blobs are those the snapshot refers to. A blob that is lost
or damaged does not hold the backup up: the manifest names it under ``lost``, and the archive is without it. The
form knows neither SQLite nor PostgreSQL, a folder nor S3, so a backup of one restores into another.
A restore goes into an empty store: verified whole before anything is written, then all rows at once. Nothing in the
archive names a path: members are read as streams, and their names only compared. A restore that dies leaves the
database empty, and running it again is harmless.

    manifest.json            {"format": "nominal-backup-1", "revision", "created_at",
                              "tables": [{"name", "rows", "bytes", "sha256"}], "blobs": {sha256: bytes},
                              "lost": {sha256: why}}
    tables/<name>.jsonl      one JSON object a row; times as ISO 8601 in UTC, bytes in base64
    blobs/<sha256>
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, LargeBinary, Table, delete, false, insert, select
from sqlalchemy.orm import Session

from app.store import migrate
from app.store.blobs import BLOB_FAULTS, Blobs, chunks, fault_of, referred
from app.store.columns import Utc
from app.store.continuity import filled_tables
from app.store.database import Database
from app.store.errors import BackupCorrupt, BackupOtherRelease, StoreNotEmpty
from app.store.ids import Clock
from app.store.schema import OF_SERVERS, Base, Blob, Mark, Outgoing, SinkSecret
from app.store.staging import local_faults
from core.files import Replacement

FORMAT = "nominal-backup-1"
ROWS = 1000  # read at a time
LEFT_OUT: dict[Any, Callable[[], Any]] = {
    Blob.__table__: referred,  # the bytes of others may be on their way
    SinkSecret.__table__: false,
    **dict.fromkeys(OF_SERVERS, false),
    Outgoing.__table__: lambda: Outgoing.state != "delivered",
}
"""What rows of a table must be, where not all are held."""

Manifest = dict[str, Any]


def write_backup(database: Database, blobs: Blobs, clock: Clock, path: Path) -> Manifest:
    """Write the store to ``path``, whole or not at all, while it is in use; the manifest, which names lost blobs.

    Raises ``StorageFull``, ``BlobsUnavailable``.
    """
    with ExitStack() as stack, local_faults(path):
        new = stack.enter_context(Replacement(path))
        os.fchmod(new.file.fileno(), 0o600)  # it holds images, and digests of keys
        files: list[IO[bytes]] = [
            stack.enter_context(tempfile.TemporaryFile(dir=path.parent)) for _ in Base.metadata.sorted_tables
        ]
        manifest = _dump(database, clock, files)
        with tarfile.open(fileobj=new.file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            _pack(tar, manifest, files, blobs)
        new.commit()
    return manifest


def _dump(database: Database, clock: Clock, files: list[IO[bytes]]) -> Manifest:
    """Every table of one snapshot into its file, in the order rows may be inserted again."""
    with database.snapshot() as connection:
        pairs = zip(Base.metadata.sorted_tables, files, strict=True)
        tables = [_dump_table(connection, table, file) for table, file in pairs]
        blobs = connection.execute(select(Blob.sha256, Blob.bytes).where(referred()).order_by(Blob.sha256))
        return {
            "format": FORMAT,
            "revision": migrate.current(connection),
            "created_at": clock.now().isoformat(),
            "tables": tables,
            "blobs": dict(blobs.all()),
        }


def _dump_table(connection: Connection, table: Table, file: IO[bytes]) -> Manifest:
    """Rows as JSON lines by primary key, without those that no backup holds."""
    query = select(table).order_by(*table.primary_key.columns)
    if table in LEFT_OUT:
        query = query.where(LEFT_OUT[table]())
    digest, rows, size = hashlib.sha256(), 0, 0
    for row in connection.execute(query.execution_options(yield_per=ROWS)).mappings():
        line = json.dumps(dict(row), default=_text_of, sort_keys=True).encode() + b"\n"
        digest.update(line)
        rows, size = rows + 1, size + file.write(line)
    file.seek(0)
    return {"name": table.name, "rows": rows, "bytes": size, "sha256": digest.hexdigest()}


def _pack(tar: tarfile.TarFile, manifest: Manifest, files: list[IO[bytes]], blobs: Blobs) -> None:
    """The manifest comes last: only then is it known which blobs are lost."""
    for entry, file in zip(manifest["tables"], files, strict=True):
        _add(tar, f"tables/{entry['name']}.jsonl", file, entry["bytes"])
    named, manifest["blobs"], manifest["lost"] = manifest["blobs"], {}, {}
    for sha256 in named:
        try:
            data = blobs.verified(sha256)
        except BLOB_FAULTS as fault:
            manifest["lost"][sha256] = fault_of(fault)
            continue
        with data:
            size = manifest["blobs"][sha256] = data.seek(0, os.SEEK_END)
            data.seek(0)
            _add(tar, f"blobs/{sha256}", data, size)
    text = json.dumps(manifest, indent=1).encode()
    _add(tar, "manifest.json", io.BytesIO(text), len(text))


def _add(tar: tarfile.TarFile, name: str, data: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    tar.addfile(member, data)


def _text_of(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"no column may hold a {type(value).__name__}")


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
            session.execute(delete(Mark))  # of the time, which a server writes before anything else
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
    full = filled_tables(database)
    if full:
        raise StoreNotEmpty(
            requirement="a backup is restored into an empty store only",
            received=f"a store with rows in {', '.join(full)}",
            remedy="Give another NOMINAL_DATA_DIR, or an empty database; nothing was changed.",
        )


def _fill(session: Session, table: Table, lines: IO[bytes]) -> None:
    """Insert a table's rows, some at a time."""
    read: dict[type[Any], Callable[[str], Any]] = {Utc: datetime.fromisoformat, LargeBinary: base64.b64decode}
    readers = {column.name: read[type(column.type)] for column in table.columns if type(column.type) in read}
    while batch := list(islice(lines, ROWS)):
        session.execute(insert(table), [_row(line, readers) for line in batch])


def _row(line: bytes, readers: Mapping[str, Callable[[str], Any]]) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(line)
    row.pop(Outgoing.seq.key, None)  # the database gives it anew, in the order of the lines
    return row | {name: read(row[name]) for name, read in readers.items() if row[name] is not None}


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
        raise corrupt(f"{member.name[:100]!a}, which is not a plain file")
    return file


def _digest(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    return hashlib.file_digest(_stream(tar, member), "sha256").hexdigest()  # type: ignore[arg-type]  # has readinto


def corrupt(received: str) -> BackupCorrupt:
    return BackupCorrupt(
        requirement="a backup must be whole and unchanged since it was written",
        received=received,
        remedy="Take another copy of it; nothing was changed.",
    )
