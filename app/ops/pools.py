"""The threads that work beside the event loop, by how long their work takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Self, TypeVar

V = TypeVar("V")

BACKGROUND_THREADS = 8
UPLOAD_THREADS = 2


class Pools:
    """A context manager; leaving it ends the threads once their work is done."""

    def __init__(self, decoders: int) -> None:
        self._closing = ExitStack()
        self._decoders = self._threads(decoders, "decoder")
        self._background = self._threads(BACKGROUND_THREADS, "background")
        self._uploads = self._threads(UPLOAD_THREADS, "upload")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.close()

    async def decoder(self, function: Callable[[], V]) -> V:
        """What ``function`` returns from a decoder thread: for work of milliseconds on images."""
        return await asyncio.get_running_loop().run_in_executor(self._decoders, function)

    async def background(self, function: Callable[[], V]) -> V:
        """What ``function`` returns from a background thread: for the store, and work of seconds."""
        return await asyncio.get_running_loop().run_in_executor(self._background, function)

    async def upload(self, function: Callable[[], V]) -> V:
        """What ``function`` returns from an upload thread: for files on their way in, which may take minutes."""
        return await asyncio.get_running_loop().run_in_executor(self._uploads, function)

    def _threads(self, count: int, name: str) -> ThreadPoolExecutor:
        pool = ThreadPoolExecutor(count, name)
        self._closing.callback(pool.shutdown, wait=True, cancel_futures=True)
        return pool
