"""Items made ahead: order, errors, bounds, and threads that end with their taker."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import closing

import pytest

from core.parallel import ahead, read_ahead


def counting(made: list[int], closed: list[str] | None = None) -> Generator[int, None, None]:
    """0, 1, 2 and so on; notes what was made, and the thread that closed it."""
    try:
        for i in range(1000):
            made.append(i)
            yield i
    finally:
        if closed is not None:
            closed.append(threading.current_thread().name)


def test_items_come_whole_and_in_order():
    assert list(ahead(counting([]))) == list(range(1000))


def test_no_more_items_are_made_than_may_wait():
    made: list[int] = []
    with closing(ahead(counting(made), depth=2)) as items:
        assert next(items) == 0
        time.sleep(0.3)
        assert made == [0, 1, 2, 3]  # one taken, two waiting, one made


def test_items_are_made_while_the_one_before_is_in_use():
    ready = threading.Event()

    def making() -> Generator[int, None, None]:
        yield 0
        ready.set()
        yield 1

    with closing(ahead(making())) as items:
        next(items)
        assert ready.wait(5)


def test_an_error_comes_in_the_place_of_its_item():
    def failing() -> Generator[int, None, None]:
        yield 1
        raise KeyError("no second")

    items = ahead(failing())
    assert next(items) == 1
    with pytest.raises(KeyError, match="no second"):
        next(items)


def test_leaving_early_closes_the_items_on_their_thread_and_ends_it():
    closed: list[str] = []
    before = threading.active_count()
    with closing(ahead(counting([], closed))) as items:
        next(items)
    assert closed == ["nominal-ahead"]
    assert threading.active_count() == before


def test_an_interrupt_while_the_thread_starts_ends_it_too(monkeypatch):
    closed: list[str] = []
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(ahead(counting([], closed)))
    assert closed == ["nominal-ahead"]


def test_what_is_raised_between_ends_a_long_wait():
    asked = threading.Event()

    def slow() -> Generator[int, None, None]:
        asked.wait(30)
        yield 1

    def stop() -> None:
        asked.set()
        raise InterruptedError("stop")

    started = time.monotonic()
    with pytest.raises(InterruptedError, match="stop"):
        next(ahead(slow(), between=stop))
    assert time.monotonic() - started < 10


def test_sources_are_read_in_order_and_only_a_few_ahead():
    read: list[int] = []
    with closing(read_ahead(lambda i: read.append(i) or i * i, range(1000))) as items:
        assert [next(items) for _ in range(3)] == [0, 1, 4]
        assert len(read) <= 5
    assert list(read_ahead(lambda i: i * i, range(1000))) == [i * i for i in range(1000)]
    assert list(read_ahead(lambda i: i, [])) == []


def test_what_reading_raises_is_raised_in_its_place_and_no_thread_stays():
    def read(i: int) -> int:
        if i == 3:
            raise OSError("unreadable")
        return i

    taken: list[int] = []
    with pytest.raises(OSError, match="unreadable"):
        taken.extend(read_ahead(read, range(9)))
    assert taken == [0, 1, 2]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]
