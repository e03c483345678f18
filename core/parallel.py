"""Work on threads of its own: parts of one computation side by side with the same bits, and items made ahead.

Threads within every operation would meet at barriers thousands of times a second: where anything else runs on
the cores, each of them waits for its turn at each barrier (measured on two cores shared with others: 40 s
instead of 9 s). So each part is computed on one thread.
"""

from __future__ import annotations

import functools
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import NamedTuple, TypeVar

import torch

_POLL_SECONDS = 0.05

Part = TypeVar("Part")
Result = TypeVar("Result")
Item = TypeVar("Item")
Source = TypeVar("Source")


def run_parts(
    work: Callable[[Part], Result], parts: Iterable[Part], between: Callable[[], None] = lambda: None
) -> list[Result]:
    """``work`` of each part, in order, on as many threads as torch may use here.

    ``between`` is called on the calling thread after each part, and every 50 ms where there are several threads;
    what it raises ends the work.
    """
    threads = torch.get_num_threads()
    parts = list(parts)
    if threads == 1:
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
    """Threads that only torch computes on; made once."""
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


class _End(NamedTuple):
    """The last thing in the queue, with what ended the items early."""

    error: BaseException | None


def ahead(
    items: Generator[Item, None, None], depth: int = 1, between: Callable[[], None] = lambda: None
) -> Generator[Item, None, None]:
    """The same items in the same order; up to ``depth`` of them wait, while one more is being made.

    What making an item raises is raised here in its place. ``between`` is called many times a second while an
    item is waited for; what it raises ends the work. Closing waits for the item being made, then closes
    ``items`` on their thread.
    """
    waiting: queue.Queue[Item | _End] = queue.Queue(depth)
    left = threading.Event()
    thread = threading.Thread(target=_make, args=(items, waiting, left), name="nominal-ahead", daemon=True)
    try:
        thread.start()
        while not isinstance(item := _next(waiting, between), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        left.set()
        if thread.is_alive():  # not where an interrupt came while it started: it ends of itself
            thread.join()


def read_ahead(
    read: Callable[[Source], Item], sources: Iterable[Source], threads: int = 2
) -> Generator[Item, None, None]:
    """``read`` of each source, in order; as many are read ahead of the one asked for as there are threads.

    For reading that waits, for a disk or a network. What ``read`` raises is raised here in its place.
    """
    pool = ThreadPoolExecutor(threads, "read-ahead")
    pending = deque[Future[Item]]()
    try:
        for source in sources:
            pending.append(pool.submit(read, source))
            if len(pending) > threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _make(
    items: Generator[Item, None, None], waiting: queue.Queue[Item | _End], left: threading.Event
) -> None:
    error = None
    try:
        with closing(items):
            for item in items:
                if not _put(waiting, item, left):
                    break
    except BaseException as raised:  # carried over to the other thread, whatever it is
        error = raised
    _put(waiting, _End(error), left)


def _put(waiting: queue.Queue[Item | _End], item: Item | _End, left: threading.Event) -> bool:
    """Whether there was room before the other side left."""
    while not left.is_set():
        try:
            waiting.put(item, timeout=_POLL_SECONDS)
            return True
        except queue.Full:
            continue
    return False


def _next(waiting: queue.Queue[Item | _End], between: Callable[[], None]) -> Item | _End:
    while True:
        try:
            return waiting.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            between()
