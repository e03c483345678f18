"""What waits for the inference thread: items, their answers, and how long they take."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from cachetools import FIFOCache

from app.errors import DeadlineExceeded, Draining, Overloaded, QueueFull
from app.inspection.lanes import LINE, Lane

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)
T = TypeVar("T")
R = TypeVar("R")

WEIGHT = 0.2  # of the newest batch
KEYS_REMEMBERED = 256
SLICE = 0.03  # seconds of a batch below the line's priority, while a line inspects; one image may take longer
LINE_SECONDS = 10.0  # since its last image, in which a line is taken to inspect
SHUT = "the server must not be shutting down", "a request while it is"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Served(Generic[R]):
    """An item's answer. Seconds: queue from submission to its batch's start; compute of the whole batch."""

    result: R
    queue_seconds: float
    compute_seconds: float
    batch: int


@dataclass(frozen=True)
class Load:
    """Items queued and running; seconds an item (None before the first batch) and until all are answered."""

    queued: int
    running: int
    seconds_per_item: float | None
    seconds: float


class BatchObserver(Protocol[K_contra]):
    """Hears of batches and refusals, on the event loop."""

    def batch_computed(
        self, key: K_contra, queue_seconds: Sequence[float], compute_seconds: float
    ) -> None: ...
    def batch_refused(self, key: K_contra, error: Overloaded) -> None: ...


@dataclass(eq=False)
class Entry(Generic[K, T, R]):
    """An item that waits for its answer. arrived, deadline: seconds by the batcher's clock."""

    key: K
    lane: Lane
    item: T
    arrived: float
    deadline: float | None
    answer: asyncio.Future[Served[R]]

    def fail(self, error: Exception) -> None:
        """Answers by ``error``, unless there is an answer or nobody waits for one."""
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(eq=False, frozen=True)
class Call:
    """Other work for the thread, in place of a key: it waits for its turn and runs by itself."""

    function: Callable[[], Any]


class Refusals(Generic[K]):
    """What a batcher refuses by, heard by its observer. seconds: until all that waits is answered."""

    def __init__(self, observer: BatchObserver[K] | None, seconds: Callable[[], float]) -> None:
        self._observer, self._seconds = observer, seconds

    def full(self, key: K, bound: str) -> Overloaded:
        """No place."""
        return self._refusal(QueueFull, key, f"at most {bound} may wait", "one more")

    def late(self, key: K, received: str) -> Overloaded:
        """No answer in time."""
        return self._refusal(DeadlineExceeded, key, "the answer must come by the deadline", received)

    def closed(self, key: K) -> Overloaded:
        """Nothing new is begun."""
        return self._refusal(Draining, key, *SHUT)

    def shut(self) -> Overloaded:
        """The same of other work."""
        return Draining.within(self._seconds(), *SHUT)

    def _refusal(self, kind: type[Overloaded], key: K, requirement: str, received: str) -> Overloaded:
        error = kind.within(self._seconds(), requirement, received)
        if self._observer is not None:
            self._observer.batch_refused(key, error)
        return error


@dataclass
class _Pace:
    seconds: float = 0.0  # an item
    callers: int = 1  # items of the last batch and those waiting at its end
    ended: float = float("-inf")


class ServiceTimes(Generic[K]):
    """Measured batch by batch (EWMA). Knows the ``KEYS_REMEMBERED`` keys measured last; others take 0 s."""

    def __init__(self) -> None:
        self._paces: FIFOCache[object, _Pace] = FIFOCache(KEYS_REMEMBERED)

    def measure(self, key: K, *, items: int, seconds: float, waiting: int, now: float) -> None:
        """A batch of ``items`` took ``seconds`` and ended ``now``, while ``waiting`` more of its key wait."""
        pace = self._pace(key)
        each = seconds / items
        pace.seconds = pace.seconds + WEIGHT * (each - pace.seconds) if pace.seconds else each
        pace.callers, pace.ended = items + waiting, now
        self._paces[key] = pace  # now the last to leave

    def seconds(self, counts: Mapping[Any, int]) -> float:
        """For so many items of each key."""
        return sum(self._pace(key).seconds * count for key, count in counts.items())

    def callers(self, key: object) -> int:
        """How many are about to send again, had the key's last batch just ended."""
        return self._pace(key).callers

    def ended(self, key: object) -> float:
        """When the key's last batch ended, by the caller's clock; minus infinity before the first."""
        return self._pace(key).ended

    def mean(self) -> float | None:
        """Seconds an item over all keys; None before the first batch."""
        return sum(pace.seconds for pace in self._paces.values()) / len(self._paces) if self._paces else None

    def _pace(self, key: object) -> _Pace:
        return self._paces.get(key) or _Pace()


class BatchSizes:
    """How many items a batch may have: few below the line's priority, while a line inspects. clock: seconds."""

    def __init__(self, most: int, times: ServiceTimes[Any], clock: Callable[[], float]) -> None:
        self._most, self._times, self._clock = most, times, clock
        self._line_seen = float("-inf")

    def came(self, lane: Lane) -> None:
        """An item of this lane."""
        if lane.rank == LINE:
            self._line_seen = self._clock()

    def most(self, key: object, rank: int) -> int:
        """Of the next batch at most."""
        if rank == LINE or self._clock() - self._line_seen > LINE_SECONDS:
            return self._most
        seconds = self._times.seconds({key: 1})
        return max(1, min(self._most, int(SLICE / seconds))) if seconds else 1


@dataclass(eq=False)
class Deadline:
    """When an answer must be there, monotonic seconds; ``doing`` is what happens to the image now."""

    at: float
    doing: str = "it was received"

    @property
    def passed(self) -> bool:
        """Whether it is too late."""
        return time.monotonic() >= self.at

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Ends the block when it passes. Raises ``DeadlineExceeded``, which says what was done then."""
        if self.passed:
            raise self.missed()
        try:
            async with asyncio.timeout(self.at - time.monotonic()) as limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise self.missed() from None

    def missed(self) -> DeadlineExceeded:
        """The refusal."""
        return DeadlineExceeded.within(
            1.0, "the answer must come by the deadline", f"none when it passed, while {self.doing}"
        )


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
