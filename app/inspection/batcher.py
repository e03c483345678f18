"""Inspections for one bank joined into batches, computed by one thread that owns the cores.

A batch forms while the thread is busy, so an idle server runs an inspection at once. When several callers
have just been answered they are about to send again: the next batch of their key waits for as many as they
were, the window at most. All state lives on the event loop; only ``run`` is called on the thread, so nothing
is locked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

from app.errors import DeadlineExceeded, Draining, Overloaded, QueueFull
from app.inspection.waiting import BatchObserver, Entry, FairQueue, Load, Served, ServiceTimes

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
R = TypeVar("R")
V = TypeVar("V")

log = logging.getLogger(__name__)


class Batcher(Generic[K, T, R]):
    """``run(key, items)`` answers every item in order; a batch it fails on is tried again item by item.

    queue_size: items waiting at most. queue_bytes: their bytes by ``size_of`` at most; 0 for no bound.
    batch_size: items of one ``run`` at most. window: seconds. clock: monotonic seconds.
    An async context manager; leaving it refuses what still waits.
    """

    def __init__(
        self,
        run: Callable[[K, Sequence[T]], Sequence[R]],
        *,
        queue_size: int = 256,
        queue_bytes: int = 0,
        size_of: Callable[[T], int] = lambda item: 0,
        batch_size: int = 16,
        window: float = 0.003,
        observer: BatchObserver[K] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run, self._observer, self._clock = run, observer, clock
        self._queue_size, self._queue_bytes, self._size_of = queue_size, queue_bytes, size_of
        self._batch_size, self._window = batch_size, window
        self._queue: FairQueue[K, Entry[K, T, R]] = FairQueue(queue_size)
        self._running: list[Entry[K, T, R]] = []
        self._started = 0.0
        self._times: ServiceTimes[K] = ServiceTimes()
        self._thread = ThreadPoolExecutor(1, "inference")
        self._changed, self._idle = asyncio.Event(), asyncio.Event()
        self._accepting = False
        self._dispatcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._dispatcher = asyncio.create_task(self._dispatch())
        self._accepting = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drain(0)

    async def submit(self, key: K, item: T, *, deadline: float | None = None) -> Served[R]:
        """The item's answer; cancelling the call takes it out of the queue. ``deadline`` is clock time.

        Raises ``QueueFull``, ``DeadlineExceeded``, ``Draining``, or what ``run`` raised for this item only.
        """
        entry = self._admit(key, item, deadline)
        try:
            async with asyncio.timeout(None if deadline is None else deadline - self._clock()) as limit:
                return await entry.answer
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._late(key, "none when it passed") from None
        finally:
            self._queue.remove(key, entry)

    async def call(self, function: Callable[[], V]) -> V:
        """What ``function`` gives on the inference thread, between two batches; its time is not measured."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    def load(self) -> Load:
        """How much there is to do now."""
        return Load(
            len(self._queue), len(self._running), self._times.mean(), self._seconds(self._queue.counts())
        )

    async def drain(self, seconds: float) -> None:
        """Refuses new items, answers those waiting for ``seconds`` at most, refuses the rest and stops."""
        self._accepting = False
        self._changed.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        unanswered = [*self._running, *self._queue]
        if self._dispatcher is not None:
            self._dispatcher.cancel()
            await asyncio.wait([self._dispatcher])
        for entry in unanswered:
            entry.fail(self._closed(entry.key))
        self._thread.shutdown(wait=False, cancel_futures=True)

    # Admission

    def _admit(self, key: K, item: T, deadline: float | None) -> Entry[K, T, R]:
        if not self._accepting:
            raise self._closed(key)
        now, size = self._clock(), self._size_of(item)
        if deadline is not None and (now >= deadline or now + self._seconds_to_answer(key) > deadline):
            raise self._late(key, f"{max(0.0, deadline - now):.3f} s left, which is too little")
        if self._queue_bytes and self._queue and sum(e.size for e in self._queue) + size > self._queue_bytes:
            raise self._full(key, f"{self._queue_bytes} bytes")
        entry = Entry[K, T, R](key, item, size, now, deadline, asyncio.get_running_loop().create_future())
        dropped = self._queue.push(key, entry)
        if dropped is entry:
            raise self._full(key, f"{self._queue_size} images")
        if dropped is not None:
            dropped.fail(self._full(dropped.key, f"{self._queue_size} images"))
        self._idle.clear()
        self._changed.set()
        return entry

    def _seconds_to_answer(self, key: K) -> float:
        """For an item that came now; 0 on an idle server, which refuses nothing and so is measured again."""
        counts = self._queue.counts()
        if not counts and not self._running:
            return 0.0
        in_turns = (counts.get(key, 0) // self._batch_size + 1) * self._batch_size
        before = {other: min(count, in_turns) for other, count in counts.items()}
        return self._seconds({**before, key: counts.get(key, 0) + 1})

    def _seconds(self, counts: dict[K, int]) -> float:
        """Until the running batch and ``counts`` are answered, by measured service times."""
        left = 0.0
        if self._running:
            expected = self._times.seconds({self._running[0].key: len(self._running)})
            left = max(0.0, expected - (self._clock() - self._started))
        return left + self._times.seconds(counts)

    # The dispatcher: a task that hands one batch after another to the thread

    async def _dispatch(self) -> None:
        while True:
            self._changed.clear()
            waits = {key: self._seconds_to_gather(key, count) for key, count in self._queue.counts().items()}
            key = next((key for key, seconds in waits.items() if seconds <= 0), None)
            if key is not None:
                await self._answer(key, self._take(key))
                continue
            if not waits:
                self._idle.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(waits.values(), default=None)):
                    await self._changed.wait()

    def _seconds_to_gather(self, key: K, waiting: int) -> float:
        """How long the key's batch may still wait for callers who were just answered."""
        if waiting >= min(self._batch_size, self._times.callers(key)) or not self._accepting:
            return 0.0
        return self._times.ended(key) + self._window - self._clock()

    def _take(self, key: K) -> list[Entry[K, T, R]]:
        now, batch = self._clock(), []
        for entry in self._queue.take(key, self._batch_size):
            if entry.deadline is not None and entry.deadline <= now:
                entry.fail(self._late(key, "none when it passed"))
            elif not entry.answer.done():
                batch.append(entry)
        return batch

    async def _answer(self, key: K, batch: list[Entry[K, T, R]]) -> None:
        if not batch:
            return
        try:
            await self._compute(key, batch)
        except Exception as error:  # a fault of this module or its observer must not stop the dispatcher
            log.exception("a batch could not be answered")
            for entry in batch:
                entry.fail(error)
        finally:
            self._running = []

    async def _compute(self, key: K, batch: list[Entry[K, T, R]]) -> None:
        self._running, self._started = batch, self._clock()
        queued = [self._started - entry.arrived for entry in batch]
        outcomes, seconds = await self.call(lambda: self._timed(key, [entry.item for entry in batch]))
        waiting = self._queue.counts().get(key, 0)
        self._times.measure(key, items=len(batch), seconds=seconds, waiting=waiting, now=self._clock())
        for entry, outcome, waited in zip(batch, outcomes, queued, strict=True):
            if isinstance(outcome, Exception):
                entry.fail(outcome)
            elif not entry.answer.done():
                entry.answer.set_result(Served(outcome, waited, seconds, len(batch)))
        if self._observer is not None:
            self._observer.batch_computed(key, queued, seconds)

    def _timed(self, key: K, items: Sequence[T]) -> tuple[list[R | Exception], float]:
        """On the inference thread."""
        started = self._clock()
        outcomes = answer_each(self._run, key, items)
        return outcomes, self._clock() - started

    # Refusals

    def _full(self, key: K, bound: str) -> Overloaded:
        return self._refusal(QueueFull, key, f"at most {bound} may wait", "one more")

    def _late(self, key: K, received: str) -> Overloaded:
        return self._refusal(DeadlineExceeded, key, "the answer must come by the deadline", received)

    def _closed(self, key: K) -> Overloaded:
        return self._refusal(Draining, key, "the server must not be shutting down", "a request while it is")

    def _refusal(self, kind: type[Overloaded], key: K, requirement: str, received: str) -> Overloaded:
        error = kind.within(self._seconds(self._queue.counts()), requirement, received)
        if self._observer is not None:
            self._observer.batch_refused(key, error)
        return error


def answer_each(
    run: Callable[[K, Sequence[T]], Sequence[R]], key: K, items: Sequence[T]
) -> list[R | Exception]:
    """One answer or error an item; an image that ``run`` fails on does not fail its neighbours."""
    try:
        results = list(run(key, items))
        if len(results) != len(items):
            raise RuntimeError(f"{len(items)} items were given and {len(results)} answered")
        return [*results]
    except Exception as error:
        if len(items) > 1:
            log.warning("a batch of %d failed and is tried one by one", len(items), exc_info=True)
            return [outcome for item in items for outcome in answer_each(run, key, [item])]
        return [error if not isinstance(error, StopIteration) else RuntimeError("run stopped iterating")]
