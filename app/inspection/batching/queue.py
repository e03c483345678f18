"""A bounded queue whose keys take turns, so that one busy bank cannot starve the others.

Round robin in service, longest queue drop when full (Suter et al. 1998): the newest entry of the longest key
makes way for an entry of a key that has fewer. What waits, its answer and who hears of it are here too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from app.errors import Overloaded

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)
T = TypeVar("T")
R = TypeVar("R")


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


E = TypeVar("E")


class FairQueue(Generic[K, E]):
    """Entries in arrival order within a key; keys in the order of their turns."""

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
