"""The process: whether it is ready or draining, the threads beside its event loop, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn, Self, TypeVar

from app.errors import Draining

V = TypeVar("V")

BACKGROUND_THREADS = 8
UPLOAD_THREADS = 2


@dataclass(eq=False)
class Life:
    """``ready`` is a latch: once true it stays. Made on the event loop.

    drain_seconds: what shutting down may take. at_drain: called once, when draining begins, on the caller's thread.
    faults: what runs in the background and failed last time, name -> reason.
    """

    drain_seconds: float
    ready: bool = False
    draining: bool = False
    drained_by: float = 0.0
    at_drain: list[Callable[[], None]] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.monotonic)
    faults: dict[str, str] = field(default_factory=dict)

    def refuse_draining(self) -> None:
        """Raises ``Draining`` once the server shuts down."""
        if self.draining:
            raise Draining(
                requirement="the server must not be shutting down",
                received="a request while it is",
                remedy="Try again after the seconds that Retry-After says.",
                retry_after=self.drain_seconds,
            )

    def begin_drain(self) -> None:
        """From now on: not ready, nothing new is begun, endless answers end. What is in flight goes on."""
        if not self.draining:
            self.draining = True
            self.drained_by = time.monotonic() + self.drain_seconds
            self.loop.call_soon_threadsafe(self.stopping.set)
            for told in self.at_drain:
                told()

    def seconds_to_drain(self) -> float:
        """What is left of the time to shut down in."""
        return max(0.0, self.drained_by - time.monotonic()) if self.draining else self.drain_seconds


class Pools:
    """A context manager; leaving it ends the threads once their work is done."""

    def __init__(self, decoders: int) -> None:
        self._closing = ExitStack()
        self.decoders = self._threads(decoders, "decoder")
        self._background = self._threads(BACKGROUND_THREADS, "background")
        self._uploads = self._threads(UPLOAD_THREADS, "upload")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.close()

    async def decoder(self, function: Callable[[], V]) -> V:
        """What ``function`` returns from a decoder thread: for work of milliseconds on images."""
        return await asyncio.get_running_loop().run_in_executor(self.decoders, function)

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


def leave(status: int = 0) -> NoReturn:
    """Exit now, with what was logged and printed; taking apart an interpreter with torch in it takes seconds.

    For after the store is closed and every answer sent: nothing registered to run at the exit runs.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
