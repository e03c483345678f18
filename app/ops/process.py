"""The process: whether it is ready or draining, the cores it computes on, the threads beside its event loop, its end.

One owner of the cores: a single number of compute threads for torch, OpenVINO, FAISS and the decoders. It is the
setting ``threads``, else OMP_NUM_THREADS, else the cores that this process may use: those of its affinity, within its
control group's quota, whatever the machine has. torch carries it to every thread; FAISS takes torch's number at each
call (core/search), OpenVINO is given it where a network is compiled (models).

OpenBLAS is held to the calling thread. After each product it keeps its other threads busy waiting for the next, for
tens of milliseconds, and the only products here that reach it are the small ones of a heatmap; measured on two cores,
an inspection cost 80 ms of processor time with those threads and 22 ms without, and was no slower.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, Self, TypeVar

import torch
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from app.errors import Draining

V = TypeVar("V")

BACKGROUND_THREADS = 8
UPLOAD_THREADS = 2
KEEPER_THREADS = 2
CGROUP = Path("/sys/fs/cgroup")
PULSE_SECONDS, LATE_PULSES = 0.5, 6
FEWEST_DECODERS, CORES_A_DECODER = 2, 8


@dataclass(eq=False)
class Life:
    """``ready`` is a latch: once true it stays. Made on the event loop.

    drain_seconds: what shutting down may take. at_drain: called once, when draining begins, on the caller's thread.
    faults: what runs in the background and failed last time, name -> reason. pulse: when the loop last turned.
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
    pulse: float = field(default_factory=time.monotonic)

    async def beat(self) -> None:
        """As long as the event loop turns, ``pulse`` is of this moment."""
        while True:
            self.pulse = time.monotonic()
            await asyncio.sleep(PULSE_SECONDS)

    def inspects(self) -> bool:
        """Whether the server is ready, not shutting down, and its event loop turns. From any thread."""
        late = time.monotonic() - self.pulse > LATE_PULSES * PULSE_SECONDS
        return self.ready and not self.draining and not late

    def refuse_draining(self) -> None:
        """Raises ``Draining`` once the server shuts down."""
        if self.draining:
            raise Draining.within(
                self.drain_seconds, "the server must not be shutting down", "a request while it is"
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

    def __init__(self) -> None:
        self._closing = ExitStack()
        self._keepers = self._threads(KEEPER_THREADS, "keeper")
        self._background = self._threads(BACKGROUND_THREADS, "background")
        self._uploads = self._threads(UPLOAD_THREADS, "upload")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.close()

    async def keeper(self, function: Callable[[], V]) -> V:
        """What ``function`` returns from a thread that only writes inspected images to the disk."""
        return await asyncio.get_running_loop().run_in_executor(self._keepers, function)

    async def background(self, function: Callable[[], V]) -> V:
        """What ``function`` returns from a background thread: for the store, and work of seconds."""
        return await asyncio.get_running_loop().run_in_executor(
            self._background, copy_context().run, function
        )

    async def upload(self, function: Callable[[], V]) -> V:
        """What ``function`` returns from an upload thread: for files on their way in, which may take minutes."""
        return await asyncio.get_running_loop().run_in_executor(self._uploads, copy_context().run, function)

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


def own_cores(asked: int | None = None) -> int:
    """Have everything in this process compute on so many threads, ``default_threads()`` where None; that number."""
    count = asked or default_threads()
    ThreadpoolController().select(user_api="openmp").limit(limits=count)
    quiet_blas()
    torch.set_num_threads(count)
    return count


def quiet_blas() -> None:
    """Hold OpenBLAS's own threads to one in this process. Harmless where there is none."""
    ThreadpoolController().select(threading_layer="pthreads").limit(limits=1)


def default_threads() -> int:
    """OMP_NUM_THREADS where it is a number above 0, else ``available_cores()``."""
    named = os.environ.get("OMP_NUM_THREADS", "")
    return int(named) if named.isdecimal() and int(named) > 0 else available_cores()


def available_cores() -> int:
    """Cores that this process may keep busy; a quota of two and a half is two."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, int(_quota() or allowed)))


def decoders(threads: int) -> int:
    """Threads that decode images beside those that compute: two, on many cores an eighth of them, never more."""
    return min(threads, max(FEWEST_DECODERS, threads // CORES_A_DECODER))


def _quota() -> float | None:
    """Cores' worth of time that the control group grants, of version 2 or 1; None without a limit."""
    try:
        if (file := CGROUP / "cpu.max").exists():
            granted, period = file.read_text().split()
        else:
            granted, period = (
                (CGROUP / "cpu" / f"cpu.cfs_{of}_us").read_text() for of in ("quota", "period")
            )
        return max(1.0, float(granted) / float(period)) if float(granted) > 0 else None
    except (OSError, ValueError):  # no control groups, or "max"
        return None
