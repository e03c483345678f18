"""What waits for the inference thread: requests let in, items in turns, their answers, and how long they take."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from cachetools import FIFOCache

from app.errors import Draining, Overloaded, QueueFull, WarmingUp

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)
T = TypeVar("T")
R = TypeVar("R")
E = TypeVar("E")

WEIGHT = 0.2  # of the newest batch
KEYS_REMEMBERED = 256
MEMORY_IN_FLIGHT = 1 << 30  # bytes of bodies, and of decoded images that wait


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
    """An item that waits for its answer. size: bytes; arrived, deadline: seconds by the batcher's clock."""

    key: K
    item: T
    size: int
    arrived: float
    deadline: float | None
    answer: asyncio.Future[Served[R]]

    def fail(self, error: Exception) -> None:
        """Answers by ``error``, unless there is an answer or nobody waits for one."""
        if not self.answer.done():
            self.answer.set_exception(error)


class FairQueue(Generic[K, E]):
    """Bounded; entries in arrival order within a key, keys in the order of their turns: no bank starves the others.

    Round robin in inspecting, longest queue drop when full (Suter et al. 1998): the newest entry of the longest key
    makes way for an entry of a key that has fewer.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._keys: dict[K, deque[E]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._keys.values()))

    def __iter__(self) -> Iterator[E]:
        return (entry for entries in self._keys.values() for entry in entries)

    def counts(self) -> dict[K, int]:
        """Entries of every key that has any, in the order of their turns."""
        return {key: len(entries) for key, entries in self._keys.items()}

    def push(self, key: K, entry: E) -> E | None:
        """Puts ``entry`` last of its key. Returns the entry that found no place, which may be this one."""
        dropped = None
        if len(self) >= self._size:
            longest = max(self._keys, key=lambda k: len(self._keys[k]), default=key)
            if len(self._keys.get(longest, ())) <= len(self._keys.get(key, ())) + 1:
                return entry
            dropped = self._keys[longest].pop()
        self._keys.setdefault(key, deque()).append(entry)
        return dropped

    def take(self, key: K, count: int) -> list[E]:
        """The oldest ``count`` entries of ``key`` at most; what is left of it goes to the end of the turn."""
        entries = self._keys.pop(key, deque())
        taken = [entries.popleft() for _ in range(min(count, len(entries)))]
        if entries:
            self._keys[key] = entries
        return taken

    def remove(self, key: K, entry: E) -> None:
        """Takes ``entry`` out, if it is still in."""
        entries = self._keys.get(key, deque())
        if entry in entries:
            entries.remove(entry)
            if not entries:
                del self._keys[key]


@dataclass
class _Pace:
    seconds: float = 0.0  # an item
    callers: int = 1  # items of the last batch and those waiting at its end
    ended: float = float("-inf")


class ServiceTimes(Generic[K]):
    """Measured batch by batch (EWMA). Knows the ``KEYS_REMEMBERED`` keys measured last; others take 0 s."""

    def __init__(self) -> None:
        self._paces: FIFOCache[K, _Pace] = FIFOCache(KEYS_REMEMBERED)

    def measure(self, key: K, *, items: int, seconds: float, waiting: int, now: float) -> None:
        """A batch of ``items`` took ``seconds`` and ended ``now``, while ``waiting`` more of its key wait."""
        pace = self._pace(key)
        each = seconds / items
        pace.seconds = pace.seconds + WEIGHT * (each - pace.seconds) if pace.seconds else each
        pace.callers, pace.ended = items + waiting, now
        self._paces[key] = pace  # now the last to leave

    def seconds(self, counts: Mapping[K, int]) -> float:
        """For so many items of each key."""
        return sum(self._pace(key).seconds * count for key, count in counts.items())

    def callers(self, key: K) -> int:
        """How many are about to send again, had the key's last batch just ended."""
        return self._pace(key).callers

    def ended(self, key: K) -> float:
        """When the key's last batch ended, by the caller's clock; minus infinity before the first."""
        return self._pace(key).ended

    def mean(self) -> float | None:
        """Seconds an item over all keys; None before the first batch."""
        return sum(pace.seconds for pace in self._paces.values()) / len(self._paces) if self._paces else None

    def _pace(self, key: K) -> _Pace:
        return self._paces.get(key) or _Pace()


class Pass:
    """One request's share of the memory."""

    def __init__(self, gate: Gate) -> None:
        self._gate, self.bytes = gate, 0

    def grow(self, count: int) -> None:
        """Take ``count`` bytes more. Raises ``QueueFull``."""
        self._gate.take(count)
        self.bytes += count


class Gate:
    """How much is held in memory for callers: requests and bytes in flight, refused past their bounds.

    Lives on the event loop. ``retry_after`` gives the seconds after which to try again.
    """

    def __init__(self, requests: int, bytes_: int, retry_after: Callable[[], float]) -> None:
        self._most_requests, self._most_bytes, self._retry_after = requests, bytes_, retry_after
        self.requests, self.bytes = 0, 0
        self._opened, self._closed = False, False

    def open(self) -> None:
        """Let inspections in from now on: the server has inspected something itself."""
        self._opened = True

    def close(self) -> None:
        """Let nobody in any more."""
        self._closed = True

    @contextmanager
    def enter(self) -> Iterator[Pass]:
        """Holds a place while the block lasts. Raises ``WarmingUp``, ``QueueFull`` or ``Draining``."""
        if not self._opened:
            raise WarmingUp(
                requirement="the server must be warm before it inspects",
                received="a request while it warms up",
                remedy="Wait for /readyz to answer 200.",
                retry_after=1.0,
            )
        if self._closed:
            raise self._refusal(Draining, "the server must not be shutting down", "a request while it is")
        if self.requests >= self._most_requests:
            raise self._refusal(
                QueueFull, f"at most {self._most_requests} inspections may be under way", "one more"
            )
        self.requests += 1
        mine = Pass(self)
        try:
            yield mine
        finally:
            self.requests -= 1
            self.bytes -= mine.bytes

    def take(self, count: int) -> None:
        """Count bytes held; none are refused while nothing else is held, so every legal image passes."""
        if self.bytes and self.bytes + count > self._most_bytes:
            raise self._refusal(
                QueueFull, f"at most {self._most_bytes} bytes of images may be under way", "more"
            )
        self.bytes += count

    def _refusal(
        self, kind: type[QueueFull | Draining], requirement: str, received: str
    ) -> QueueFull | Draining:
        return kind.within(self._retry_after(), requirement, received)
