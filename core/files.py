"""Files that appear whole or not at all: written beside their place, fsync, rename, fsync of the folder."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import BinaryIO


class Replacement:
    """A new file that takes the place of ``path`` at ``commit``; leaving the block deletes what was not committed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        self.file: BinaryIO = self._beside.open("xb")

    def commit(self) -> None:
        """The file is there, and stays after a loss of power."""
        sync_file(self.file)
        self.file.close()
        os.replace(self._beside, self._path)
        sync_folder(self._path.parent)

    def __enter__(self) -> Replacement:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # closing flushes what a failed write left in the buffer
            self.file.close()
        self._beside.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``, its folders too; a crash or a full disk leaves what was there. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Replacement(path) as new:
        new.file.write(content)
        new.commit()


def sync_file(file: BinaryIO) -> None:
    """Make what was written survive a loss of power."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
