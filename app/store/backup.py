"""Backup of the whole store as one tar: tables as JSON lines, blobs, and a manifest of digests.

The rows are one snapshot (a single read transaction); the blobs are those the snapshot refers to. The
form knows neither SQLite nor PostgreSQL, a folder nor S3, so a backup of one restores into another
(app/store/restore.py).

    manifest.json            {"format": "nominal-backup-1", "revision", "created_at",
                              "tables": [{"name", "rows", "bytes", "sha256"}], "blobs": {sha256: bytes}}
    tables/<name>.jsonl      one JSON object a row; times as ISO 8601 in UTC
    blobs/<sha256>
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Table, select

from app.store import migrate
from app.store.blobs import Blobs, referred
from app.store.clock import Clock
from app.store.database import Database
from app.store.schema import Base, Blob
from app.store.staging import local_faults
from core.files import Replacement

FORMAT = "nominal-backup-1"
ROWS = 1000  # read at a time

Manifest = dict[str, Any]


def write_backup(database: Database, blobs: Blobs, clock: Clock, path: Path) -> Manifest:
    """Write the store to ``path``, whole or not at all, while it is in use; the manifest.

    Raises ``StorageFull``, or ``BlobMissing`` and ``BlobCorrupt`` if the store itself is damaged.
    """
    with ExitStack() as stack, local_faults(path):
        new = stack.enter_context(Replacement(path))
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
    """Rows as JSON lines by primary key; without blobs nothing refers to, whose bytes may be on their way."""
    query = select(table).order_by(*table.primary_key.columns)
    if table is Blob.__table__:
        query = query.where(referred())
    digest, rows, size = hashlib.sha256(), 0, 0
    for row in connection.execute(query.execution_options(yield_per=ROWS)).mappings():
        line = json.dumps(dict(row), default=_text_of_time, sort_keys=True).encode() + b"\n"
        digest.update(line)
        rows, size = rows + 1, size + file.write(line)
    file.seek(0)
    return {"name": table.name, "rows": rows, "bytes": size, "sha256": digest.hexdigest()}


def _pack(tar: tarfile.TarFile, manifest: Manifest, files: list[IO[bytes]], blobs: Blobs) -> None:
    text = json.dumps(manifest, indent=1).encode()
    _add(tar, "manifest.json", io.BytesIO(text), len(text))
    for entry, file in zip(manifest["tables"], files, strict=True):
        _add(tar, f"tables/{entry['name']}.jsonl", file, entry["bytes"])
    for sha256, size in manifest["blobs"].items():
        with blobs.as_file(sha256) as blob, blob.open("rb") as data:
            _add(tar, f"blobs/{sha256}", data, size)


def _add(tar: tarfile.TarFile, name: str, data: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    tar.addfile(member, data)


def _text_of_time(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"no column may hold a {type(value).__name__}")
