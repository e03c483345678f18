"""Parts of one array computation side by side, each on one thread.

Threads within every operation would meet at barriers thousands of times a second: where anything else runs on
the cores, each of them waits for its turn at each barrier (measured on two cores shared with others: 40 s
instead of 9 s).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

_POLL_SECONDS = 0.05

Part = TypeVar("Part")
Result = TypeVar("Result")


def run_parts(
    work: Callable[[Part], Result], parts: Iterable[Part], between: Callable[[], None] = lambda: None
) -> list[Result]:
    """``work`` of each part, in order, on as many threads as torch may use here.

    ``between`` is called on the calling thread after each part, and every 50 ms where there are several threads;
    what it raises ends the work.
    """
    threads = torch.get_num_threads()
    parts = list(parts)
    if threads == 1 or len(parts) == 1:
        return [_then(work(part), between) for part in parts]
    futures = [_pool(threads).submit(work, part) for part in parts]
    try:
        return [_then(_wait(future, between), between) for future in futures]
    finally:
        for future in futures:
            future.cancel()


def run_alone(work: Callable[[], Result]) -> Result:
    """``work`` on one thread, from a thread whose own operations would wake all of torch's."""
    threads = torch.get_num_threads()
    return work() if threads == 1 else _pool(threads).submit(work).result()


def _then(result: Result, between: Callable[[], None]) -> Result:
    between()
    return result


def _wait(future: Future[Result], between: Callable[[], None]) -> Result:
    while True:
        try:
            return future.result(_POLL_SECONDS)
        except TimeoutError:
            if future.done():
                raise
            between()


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that torch computes on alone; made once."""
    started = threading.Barrier(threads + 1)

    def start() -> None:
        torch.get_num_threads()  # the first question of a thread resets it to the number of all
        torch.set_num_threads(1)  # of this thread, and what threads that first ask later begin with
        started.wait()

    pool = ThreadPoolExecutor(threads, "nominal-parts", start)
    for _ in range(threads):
        pool.submit(int)
    started.wait()
    torch.set_num_threads(threads)  # gives later threads their number back
    return pool
