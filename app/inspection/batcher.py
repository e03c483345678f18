"""Inspections for one bank joined into batches, computed by one thread that owns the cores, in turns by lane.

A batch forms while the thread is busy, so an idle server runs an inspection at once. When several callers
have just been answered they are about to send again: the next batch of their key waits for as many as they
were, the window at most. A batch holds images of one priority. While a line inspects, batches of lower priority are
short, so that an image of the line waits for one such at most. All state lives on the event loop; only ``run`` is
called on the thread, so nothing is locked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar, cast

from app.inspection.lanes import BACKGROUND, LINE, FairQueue, Lane, Turns
from app.inspection.waiting import (
    BatchObserver,
    BatchSizes,
    Call,
    Entry,
    Load,
    Refusals,
    Served,
    ServiceTimes,
    answer_each,
)

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
R = TypeVar("R")
V = TypeVar("V")

CALLS = Lane(rank=BACKGROUND)  # of other work on the thread, where nobody says whose it is

log = logging.getLogger(__name__)


class Batcher(Generic[K, T, R]):
    """``run(key, items)`` answers every item in order; a batch it fails on is tried again item by item.

    queue_size: items waiting at most. batch_size: items of one ``run`` at most. window: seconds. clock: monotonic s.
    An async context manager; leaving it refuses what still waits.
    """

    def __init__(
        self,
        run: Callable[[K, Sequence[T]], Sequence[R]],
        *,
        queue_size: int = 256,
        batch_size: int = 16,
        window: float = 0.003,
        observer: BatchObserver[K] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run, self._observer, self._clock = run, observer, clock
        self._refuse = Refusals(observer, lambda: self._seconds(self._queue.counts()))
        self._queue_size, self._batch_size, self._window = queue_size, batch_size, window
        self._turns = Turns(clock)
        self._queue: FairQueue[K | Call, Entry[K, T, R]] = FairQueue(queue_size, self._turns)
        self._running: list[Entry[K, T, R]] = []
        self._started = 0.0
        self._times: ServiceTimes[K] = ServiceTimes()
        self._sizes = BatchSizes(batch_size, self._times, clock)
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

    async def submit(
        self, key: K, item: T, *, lane: Lane | None = None, deadline: float | None = None
    ) -> Served[R]:
        """The item's answer; cancelling the call takes it out of the queue. ``deadline`` is clock time.

        lane: whose it is; by default each key has its own. Raises
        ``QueueFull``, ``DeadlineExceeded``, ``Draining``, or what ``run`` raised for this item only.
        """
        entry = self._admit(key, item, lane or Lane(str(key)), deadline)
        try:
            async with asyncio.timeout(None if deadline is None else deadline - self._clock()) as limit:
                return await entry.answer
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._refuse.late(key, "none when it passed") from None
        finally:
            self._queue.remove(key, entry.lane, entry)

    async def call(self, function: Callable[[], V], lane: Lane = CALLS) -> V:
        """What ``function`` gives on the inference thread, by itself, in the lane's turn. Raises ``Draining``."""
        if not self._accepting:
            raise self._refuse.shut()
        call = cast("K", Call(function))
        answer = asyncio.get_running_loop().create_future()
        entry = Entry[K, T, R](call, lane, cast("T", None), self._clock(), None, answer)
        self._queue.push(call, lane, entry, always=True)
        self._arrived(lane)
        try:
            return cast("V", (await entry.answer).result)
        finally:
            self._queue.remove(call, lane, entry)

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
            entry.fail(self._refuse.shut() if isinstance(entry.key, Call) else self._refuse.closed(entry.key))
        self._thread.shutdown(wait=False, cancel_futures=True)

    # Admission

    def _admit(self, key: K, item: T, lane: Lane, deadline: float | None) -> Entry[K, T, R]:
        if not self._accepting:
            raise self._refuse.closed(key)
        now = self._clock()
        if deadline is not None and (now >= deadline or now + self._seconds_to_answer(key, lane) > deadline):
            raise self._refuse.late(key, f"{max(0.0, deadline - now):.3f} s left, which is too little")
        entry = Entry[K, T, R](key, lane, item, now, deadline, asyncio.get_running_loop().create_future())
        dropped = self._queue.push(key, lane, entry)
        if dropped is entry:
            raise self._refuse.full(key, f"{self._queue_size} images")
        if dropped is not None:
            dropped.fail(self._refuse.full(dropped.key, f"{self._queue_size} images"))
        self._arrived(lane)
        return entry

    def _arrived(self, lane: Lane) -> None:
        self._sizes.came(lane)
        self._idle.clear()
        self._changed.set()

    def _seconds_to_answer(self, key: K, lane: Lane) -> float:
        """For an item that came now; 0 on an idle server, which refuses nothing and so is measured again."""
        counts: dict[K | Call, int] = self._queue.counts(lane.rank)
        if not counts and not self._running:
            return 0.0
        in_turns = (counts.get(key, 0) // self._batch_size + 1) * self._batch_size
        before = {other: min(count, in_turns) for other, count in counts.items()}
        return self._seconds({**before, key: counts.get(key, 0) + 1})

    def _seconds(self, counts: Mapping[K | Call, int]) -> float:
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
            soonest, counts = None, self._queue.counts()
            for key, _, rank in self._queue.order():
                seconds = 0.0 if rank == LINE else self._seconds_to_gather(key, counts[key])
                if seconds <= 0:
                    await self._answer(key, self._take(key, rank))
                    break
                soonest = seconds if soonest is None else min(soonest, seconds)
            else:
                if soonest is None:
                    self._idle.set()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(soonest):
                        await self._changed.wait()

    def _seconds_to_gather(self, key: K | Call, waiting: int) -> float:
        """How long the key's batch may still wait for callers who were just answered."""
        if waiting >= min(self._batch_size, self._times.callers(key)) or not self._accepting:
            return 0.0
        return self._times.ended(key) + self._window - self._clock()

    def _take(self, key: K | Call, rank: int) -> list[Entry[K, T, R]]:
        now, batch = self._clock(), []
        for _, entry in self._queue.take(key, rank, self._sizes.most(key, rank)):
            if entry.deadline is not None and entry.deadline <= now:
                entry.fail(self._refuse.late(entry.key, "none when it passed"))
            elif not entry.answer.done():
                batch.append(entry)
        return batch

    async def _answer(self, key: K | Call, batch: list[Entry[K, T, R]]) -> None:
        if not batch:
            return
        try:
            if isinstance(key, Call):
                await self._run_call(key, batch[0])
            else:
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
        outcomes, seconds = await self._on_thread(lambda: self._timed(key, [entry.item for entry in batch]))
        waiting = self._queue.counts().get(key, 0)
        self._times.measure(key, items=len(batch), seconds=seconds, waiting=waiting, now=self._clock())
        for entry, outcome, waited in zip(batch, outcomes, queued, strict=True):
            self._turns.charge(entry.lane, seconds / len(batch))
            if isinstance(outcome, Exception):
                entry.fail(outcome)
            elif not entry.answer.done():
                entry.answer.set_result(Served(outcome, waited, seconds, len(batch)))
        if self._observer is not None:
            self._observer.batch_computed(key, queued, seconds)

    async def _run_call(self, call: Call, entry: Entry[K, T, R]) -> None:
        started = self._clock()
        try:
            found = await self._on_thread(call.function)
        except Exception as error:
            entry.fail(error)
        else:
            if not entry.answer.done():
                entry.answer.set_result(Served(found, started - entry.arrived, self._clock() - started, 1))
        finally:
            self._turns.charge(entry.lane, self._clock() - started)

    async def _on_thread(self, function: Callable[[], V]) -> V:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    def _timed(self, key: K, items: Sequence[T]) -> tuple[list[R | Exception], float]:
        """On the inference thread."""
        started = self._clock()
        outcomes = answer_each(self._run, key, items)
        return outcomes, self._clock() - started
