"""The threads that decode, shared in turns by lane. One stays for small images while others decode large ones.

An idle thread takes a job at once. Who waits may leave: a job that nobody waits for is not begun.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from app.errors import QueueFull
from app.inspection.lanes import ANYBODY, LINE, FairQueue, Lane, Turns

V = TypeVar("V")

WAITING = 4096  # jobs at most


@dataclass(eq=False)
class Job(Generic[V]):
    """What a thread is to do, and for whom. arrived, begun: monotonic seconds."""

    lane: Lane
    function: Callable[[], V]
    large: bool
    answer: asyncio.Future[V]
    arrived: float
    begun: float = 0.0


class Decoders:
    """Lives on the event loop; ``close`` it at the end."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, "decoder", _compute_alone)
        self._most, self._most_large = threads, max(1, threads - 1)
        self._running = self._running_large = 0
        self._turns = Turns(time.monotonic)
        self._queue: FairQueue[bool, Job[Any]] = FairQueue(WAITING, self._turns)

    @property
    def waiting(self) -> int:
        """Jobs that wait for a thread."""
        return len(self._queue)

    async def run(self, function: Callable[[], V], lane: Lane = ANYBODY, large: bool = False) -> V:
        """What ``function`` gives on one of the threads. Raises what it raises, and ``QueueFull``.

        large: whether it is about an image of more than ``engine.SMALL_PIXELS``.
        """
        job: Job[V] = Job(lane, function, large, asyncio.get_running_loop().create_future(), time.monotonic())
        if not self._queue and self._has_thread(lane, large):
            self._begin(job)
        else:
            dropped = self._queue.push(large, lane, job)
            if dropped is not None and not dropped.answer.done():
                dropped.answer.set_exception(_full())
            self._fill()
        try:
            return await job.answer
        finally:
            if not job.begun:
                self._queue.remove(large, lane, job)

    def turn(self, lane: Lane) -> Callable[[Callable[[], V], bool], V]:
        """``run`` for a thread that may wait: what it gets waits for the lane's turn. To be called on the loop."""
        loop = asyncio.get_running_loop()
        return lambda function, large: asyncio.run_coroutine_threadsafe(
            self.run(function, lane, large), loop
        ).result()

    def close(self) -> None:
        """Begin no more, and wait for what runs."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _has_thread(self, lane: Lane, large: bool) -> bool:
        free = self._running < self._most
        return free and (not large or lane.rank == LINE or self._running_large < self._most_large)

    def _fill(self) -> None:
        """Begin what may begin, in the order of turns."""
        while self._queue and self._running < self._most:
            for large, lane, rank in self._queue.order():
                if self._has_thread(lane, large):
                    for _, job in self._queue.take(large, rank, 1):
                        if not job.answer.done():
                            self._begin(job)
                    break
            else:
                return

    def _begin(self, job: Job[Any]) -> None:
        job.begun = time.monotonic()
        self._running += 1
        self._running_large += job.large
        done = asyncio.get_running_loop().run_in_executor(self._threads, job.function)
        done.add_done_callback(lambda future: self._end(job, future))

    def _end(self, job: Job[Any], future: asyncio.Future[Any]) -> None:
        self._running -= 1
        self._running_large -= job.large
        self._turns.charge(job.lane, time.monotonic() - job.begun)
        if not future.cancelled():
            error = future.exception()
            if not job.answer.done():
                job.answer.set_result(future.result()) if error is None else job.answer.set_exception(error)
        elif not job.answer.done():
            job.answer.cancel()
        self._fill()


def _compute_alone() -> None:
    """In each thread: what it resizes it does on one core, beside the threads that compute."""
    torch.get_num_threads()  # torch sets a thread's number when it first asks, and then no more
    ThreadpoolController().select(user_api="openmp").limit(limits=1)


def _full() -> QueueFull:
    return QueueFull.within(1.0, f"at most {WAITING} images may wait to be decoded", "one more")
