"""Bytes on their way in: streamed to a temporary file, hashed, limited, and gone again unless kept.

The file is in a folder of its own under a random name, so nothing a client sends names a path, and
nothing half-written is where a reader looks. It is fsynced before ``finish`` returns.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from app.store.errors import NO_SPACE, BlobsUnavailable, BlobTooLarge, StorageFull, storage_full
from core.files import sync_file

SUFFIX = ".partial"


class Staged:
    """A blob being received: ``write`` chunks, ``finish``; leaving the block deletes what was not kept.

    ``seal`` before ``finish`` lets what came be judged first: syncing what is then refused would cost most of the time.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self.path, self.limit = path, limit
        self.bytes, self.sha256 = 0, ""
        self._digest = hashlib.sha256()
        with local_faults(path):
            self._file = path.open("xb")

    def write(self, chunk: bytes) -> None:
        """Raises ``BlobTooLarge`` before it writes past the limit, ``StorageFull`` when the disk is full."""
        self.bytes += len(chunk)
        if self.bytes > self.limit:
            raise BlobTooLarge(
                requirement=f"a file may have at most {self.limit:,} bytes",
                received=f"at least {self.bytes:,}",
                remedy="Send a smaller file, or raise the limit.",
            )
        self._digest.update(chunk)
        with local_faults(self.path):
            self._file.write(chunk)

    def seal(self) -> Self:
        """All bytes are there to be read, and no more come; sets ``sha256``. A loss of power may still take them."""
        with local_faults(self.path):
            self._file.flush()
        self.sha256 = self._digest.hexdigest()
        return self

    def finish(self) -> Self:
        """``seal``, and the bytes are on the disk."""
        self.seal()
        with local_faults(self.path):
            sync_file(self._file)
            self._file.close()
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # closing flushes what a failed write left in the buffer
            self._file.close()
        self.path.unlink(missing_ok=True)


class Staging:
    """The folder where blobs are received. ``reserve`` is the free space it leaves, in bytes."""

    def __init__(self, directory: Path, reserve: int) -> None:
        self.directory, self.reserve = directory, reserve
        with local_faults(directory):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def begin(self, limit: int) -> Staged:
        """A new empty blob of at most ``limit`` bytes. Raises ``StorageFull`` when the reserve is touched."""
        free = self.free_bytes()
        if free < self.reserve:
            raise storage_full(f"the disk must keep {self.reserve:,} bytes free", f"{free:,} bytes")
        return Staged(self.directory / (secrets.token_hex(16) + SUFFIX), limit)

    def free_bytes(self) -> int:
        """What the disk has left."""
        with local_faults(self.directory):
            return shutil.disk_usage(self.directory).free

    def sweep(self, grace_seconds: float) -> int:
        """Delete what crashed uploads left and nobody wrote to for ``grace_seconds``; how many files."""
        limit, swept = time.time() - grace_seconds, 0
        for path in self.directory.glob("*" + SUFFIX):
            with local_faults(path):
                if path.exists() and path.stat().st_mtime < limit:
                    path.unlink(missing_ok=True)
                    swept += 1
        return swept


@contextmanager
def local_faults(path: Path) -> Iterator[None]:
    """Names what the file system refuses."""
    try:
        yield
    except OSError as error:
        raise named(error, path) from error


def named(error: OSError, path: Path) -> StorageFull | BlobsUnavailable:
    """The store's error for the file system's."""
    said = error.strerror or type(error).__name__
    if error.errno in NO_SPACE:
        return storage_full(f"the disk of {path.parent} must have free space", said)
    return BlobsUnavailable(
        requirement=f"the folder {path.parent} must be readable and writable",
        received=said,
        remedy="Check the disk, the mount and the owner of NOMINAL_DATA_DIR and NOMINAL_BLOB_URL.",
    )
