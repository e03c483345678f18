"""Items made on a thread of their own, a few before they are asked for: stages of a build at work side by side."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import NamedTuple, TypeVar

_POLL_SECONDS = 0.05

Item = TypeVar("Item")
Source = TypeVar("Source")


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
    thread.start()
    try:
        while not isinstance(item := _next(waiting, between), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        left.set()
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
