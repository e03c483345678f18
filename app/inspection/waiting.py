"""What goes through the batcher: items that wait in turns, their answers, and how long a key's items take."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from cachetools import FIFOCache

from app.errors import Overloaded

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)
T = TypeVar("T")
R = TypeVar("R")
E = TypeVar("E")

WEIGHT = 0.2  # of the newest batch
KEYS_REMEMBERED = 256


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
