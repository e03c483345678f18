"""A bounded queue whose keys take turns, so that one busy bank cannot starve the others.

Round robin in inspecting, longest queue drop when full (Suter et al. 1998): the newest entry of the longest key
makes way for an entry of a key that has fewer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
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
