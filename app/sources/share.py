"""What is asked of a watched folder, which may be a share: its files and their bytes, on threads of its own.

Names that begin with ``.`` or ``~`` and names without an image's suffix, such as ``part.png.tmp``, are never looked at,
nor are links and subfolders.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from nominal_client.formats import SUFFIXES

HIDDEN = (".", "~")
LONGEST_NAME = 200  # bytes: what is written beside has a longer name, and systems allow 255
V = TypeVar("V")


class Stamp(NamedTuple):
    """By which a file is seen to have changed, or to be another one. mtime_ns: of its last change, nanoseconds."""

    inode: int
    size: int
    mtime_ns: int


class Share:
    """Threads for one folder. Lives on the event loop."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, "folder")
        self._asked: dict[object, float] = {}

    @property
    def waited(self) -> float:
        """Seconds since the oldest question without an answer."""
        return time.monotonic() - min(self._asked.values(), default=time.monotonic())

    async def ask(self, function: Callable[[], V]) -> V:
        """What ``function`` returns."""
        token = object()
        self._asked[token] = time.monotonic()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function)
        finally:
            del self._asked[token]

    def close(self) -> None:
        """Begin nothing more; a share that does not answer keeps nobody waiting."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def look(folder: Path) -> tuple[dict[str, Stamp], tuple[int, int]]:
    """The images of a folder by name; and which folder it is: one mounted anew is another. Raises ``OSError``."""
    status = os.stat(folder)
    return dict(_files(folder)), (status.st_dev, status.st_ino)


def _files(folder: Path) -> Iterator[tuple[str, Stamp]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(HIDDEN) or os.path.splitext(entry.name)[1].lower() not in SUFFIXES:
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # taken away since
                continue
            if stat.S_ISREG(status.st_mode):
                yield entry.name, _stamped(status)


def stamp_of(path: Path) -> Stamp | None:
    """Of the file at ``path``; None where there is none. Raises ``OSError``."""
    try:
        return _stamped(path.lstat())
    except FileNotFoundError:
        return None


def _stamped(status: os.stat_result) -> Stamp:
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns)


def read_whole(path: Path, stamp: Stamp) -> bytes | None:
    """The bytes of the file with this stamp; None where it was changed, replaced or taken away. Raises ``OSError``."""
    try:
        with path.open("rb") as file:
            body = file.read(stamp.size + 1)
    except FileNotFoundError:
        return None
    return body if len(body) == stamp.size and stamp_of(path) == stamp else None


def plain(name: str) -> str:
    """A file's name as it can be stored and lengthened: UTF-8, at most ``LONGEST_NAME`` bytes, another for another."""
    raw = os.fsencode(name)
    text = raw.decode("utf-8", "backslashreplace")
    if len(text.encode()) <= LONGEST_NAME:
        return text
    stem, suffix = os.path.splitext(text)
    tail = f"~{hashlib.sha256(raw).hexdigest()[:8]}{suffix}"
    return stem.encode()[: LONGEST_NAME - len(tail.encode())].decode("utf-8", "ignore") + tail
