"""Copies of remote blobs on this machine, by sha256: a bank that is loaded again comes from the disk, not from S3.

Content-addressed, so that a copy is never stale; whoever takes one compares its digest. The least recently used leave
past ``limit`` bytes.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from app.store.staging import local_faults


class CachedFiles:
    """One folder. Safe from any thread, and for processes that share it."""

    def __init__(self, directory: Path, limit: int) -> None:
        self._directory, self._limit = directory, limit
        self._lock = threading.Lock()
        with local_faults(directory):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def take(self, sha256: str, path: Path) -> bool:
        """Link the copy to ``path``, where it stays even if it leaves here; whether there is one."""
        kept = self._directory / sha256
        try:
            os.link(kept, path)
            os.utime(kept)
        except OSError:
            return False
        return True

    def keep(self, sha256: str, path: Path) -> None:
        """Remember a copy that has its digest, and let the oldest go. A disk that refuses costs only speed."""
        with self._lock, contextlib.suppress(OSError):
            if path.stat().st_size <= self._limit:
                with contextlib.suppress(FileExistsError):
                    os.link(path, self._directory / sha256)
                self._make_room()

    def forget(self, sha256: str) -> None:
        """It is not what its name says."""
        (self._directory / sha256).unlink(missing_ok=True)

    def _make_room(self) -> None:
        found = [(each.stat(), each.path) for each in os.scandir(self._directory)]
        taken = sum(stat.st_size for stat, _ in found)
        for stat, path in sorted(found, key=lambda each: each[0].st_mtime):
            if taken <= self._limit:
                return
            os.unlink(path)
            taken -= stat.st_size
