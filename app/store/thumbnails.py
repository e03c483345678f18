"""Small JPEGs of nominal images as files of this server: made once, read from then on.

They are derived: a backup leaves them out, each of several servers has its own, and one that is lost is made again.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select

from app.store.database import Database
from app.store.schema import Blob
from app.store.staging import Staging, local_faults

BATCH = 500  # digests that one statement looks for


class Thumbnails:
    """By the image's sha256, pixels each way, and how many bits of wide grey samples count. Safe from any thread."""

    def __init__(self, directory: Path, staging: Staging, database: Database) -> None:
        self._directory, self._staging, self._database = directory, staging, database

    def get(self, sha256: str, side: int, bits: int | None) -> bytes | None:
        """None for one that was not made here."""
        with local_faults(self._directory):
            try:
                return self._path(sha256, side, bits).read_bytes()
            except FileNotFoundError:
                return None

    def put(self, sha256: str, side: int, bits: int | None, data: bytes) -> None:
        """Keep it, unless the disk is full or fails: then it is made again when it is asked for."""
        with contextlib.suppress(OSError):
            if self._staging.free_bytes() < self._staging.reserve:
                return
            path = self._path(sha256, side, bits)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part = path.with_name(secrets.token_hex(16) + ".partial")
            try:
                part.write_bytes(data)
                os.replace(part, path)
            finally:
                part.unlink(missing_ok=True)

    def sweep(self) -> int:
        """Delete those whose image is stored no more, and what a crash left; how many files."""
        swept = 0
        for files in self._batches():
            digests = {path.name[:64] for path in files}
            with self._database.read() as session:
                known = set(session.scalars(select(Blob.sha256).where(Blob.sha256.in_(digests))))
            for path in files:
                if path.name[:64] not in known:
                    path.unlink(missing_ok=True)
                    swept += 1
        return swept

    def _batches(self) -> Iterator[list[Path]]:
        batch: list[Path] = []
        for path in self._directory.glob("*/*"):
            batch.append(path)
            if len(batch) == BATCH:
                yield batch
                batch = []
        yield batch

    def _path(self, sha256: str, side: int, bits: int | None) -> Path:
        return self._directory / sha256[:2] / f"{sha256}-{side}{'' if bits is None else f'-{bits}'}.jpg"
