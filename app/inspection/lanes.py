"""Whose turn it is: lanes by priority, bank and key, each served by what it has used before the others.

Start-time fair queueing (Goyal et al., SIGCOMM 1996): a lane's tag grows by the seconds that it used, and the lowest
tag goes next. A lane that comes back after a pause starts where the others are, so that a pause earns nothing. The one
scheme serves decoders and inference.

Priorities are strict, with two exceptions: what has waited in the background for ``PATIENCE`` goes as normal, so that
it ends; and a lane whose bank or key has had less than its guaranteed share of the last seconds goes as the line, and
first.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

from cachetools import LRUCache

K = TypeVar("K", bound=Hashable)

Priority = Literal["line", "normal", "background"]
LINE, NORMAL, BACKGROUND = range(3)
RANKS: dict[str, int] = {"line": LINE, "normal": NORMAL, "background": BACKGROUND}
PATIENCE = 0.5  # seconds after which what waits in the background goes as normal
REMEMBERED = 4096  # lanes, and banks and keys with a share
SPAN = 10.0  # seconds over which a share is looked at: what was used fades with this time constant


class Lane(NamedTuple):
    """Who waits: a bank's work for a key. Shares are guaranteed parts of the time, 0 to 1."""

    bank: str = ""
    key: str = ""
    rank: int = NORMAL
    bank_share: float = 0.0
    key_share: float = 0.0

    def lower(self) -> Lane:
        """The same, one priority lower: for many images at once, between which others may pass."""
        return self._replace(rank=min(self.rank + 1, BACKGROUND))

    def background(self) -> Lane:
        """The same, at the lowest priority and without a share: for what nobody at the line waits for."""
        return Lane(self.bank, self.key, BACKGROUND)


ANYBODY = Lane()


@dataclass(frozen=True)
class Rules:
    """What a bank or a key is given: a priority, None for the other's or normal, and a guaranteed share, 0 to 1."""

    priority: str | None = None
    share: float = 0.0


NO_RULES = Rules()


def lane_of(bank: str, key: str, of_bank: Rules = NO_RULES, of_key: Rules = NO_RULES) -> Lane:
    """The lane of a key's inspections for a bank: the key's own priority, else the bank's, else normal."""
    rank = RANKS[of_key.priority or of_bank.priority or "normal"]
    return Lane(bank, key, rank, of_bank.share, of_key.share)


class Turns:
    """What each lane has used. clock: monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tags: LRUCache[Hashable, float] = LRUCache(REMEMBERED)
        self._served: LRUCache[Hashable, int] = LRUCache(REMEMBERED)
        self._used: LRUCache[str, tuple[float, float]] = LRUCache(REMEMBERED)
        self._virtual = [0.0, 0.0, 0.0]  # the tag that was served last, by rank
        self._count = 0

    def rank(self, lane: Lane, arrived: float) -> int:
        """The rank that a lane has now, whose oldest entry came at ``arrived``."""
        if lane.rank != LINE and self._is_short(lane):
            return LINE
        if lane.rank == BACKGROUND and self._clock() - arrived >= PATIENCE:
            return NORMAL
        return lane.rank

    def order(self, lane: Lane, arrived: float) -> tuple[int, float, int]:
        """Sorts lanes: the least goes next; of two that used as much, the one served longer ago."""
        if self._is_short(lane):
            return LINE, -1.0, self._served.get(lane, 0)
        behind = self._tag(lane) - self._virtual[lane.rank]
        return self.rank(lane, arrived), behind, self._served.get(lane, 0)

    def serve(self, lane: Lane) -> None:
        """It is the lane's turn."""
        self._count += 1
        self._served[lane] = self._count
        self._tags[lane] = self._virtual[lane.rank] = self._tag(lane)

    def charge(self, lane: Lane, seconds: float) -> None:
        """The lane used so many seconds."""
        self._tags[lane] = self._tag(lane) + seconds
        for name in ("", *_accounts(lane)):
            self._used[name] = self._faded(name) + seconds, self._clock()

    def _tag(self, lane: Lane) -> float:
        return max(self._tags.get(lane, 0.0), self._virtual[lane.rank])

    def _is_short(self, lane: Lane) -> bool:
        """Whether its bank or its key had less than its share."""
        return any(self._faded(name) < share * self._faded("") for name, share in _accounts(lane).items())

    def _faded(self, name: str) -> float:
        seconds, at = self._used.get(name, (0.0, 0.0))
        return seconds * math.exp((at - self._clock()) / SPAN) if seconds else 0.0


def _accounts(lane: Lane) -> dict[str, float]:
    shares = {f"bank:{lane.bank}": lane.bank_share, f"key:{lane.key}": lane.key_share}
    return {name: share for name, share in shares.items() if share}


class Waiting(Protocol):
    """What may wait; ``arrived`` is monotonic seconds."""

    @property
    def arrived(self) -> float: ...


E = TypeVar("E", bound=Waiting)


class FairQueue(Generic[K, E]):
    """Entries in arrival order within a lane and what they are for, ``K``; bounded, but for those pushed ``always``.

    When full the longest queue is dropped from (Suter et al., INFOCOM 1998), of the lowest priority first: its newest
    entry makes way for one of a higher priority, or of a lane that has fewer.
    """

    def __init__(self, size: int, turns: Turns) -> None:
        self._size, self._turns = size, turns
        self._queues: dict[tuple[K, Lane], deque[E]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def __iter__(self) -> Iterator[E]:
        return (entry for entries in self._queues.values() for entry in entries)

    def counts(self, up_to: int = BACKGROUND) -> dict[K, int]:
        """Entries of every ``K`` that has any, of lanes whose rank now is ``up_to`` or above."""
        found: dict[K, int] = {}
        for (key, lane), entries in self._queues.items():
            if up_to == BACKGROUND or self._turns.rank(lane, entries[0].arrived) <= up_to:
                found[key] = found.get(key, 0) + len(entries)
        return found

    def order(self) -> list[tuple[K, Lane, int]]:
        """(what for, lane, rank now) of all that wait, in the order of their turns."""
        if len(self._queues) == 1:
            ((key, lane), entries) = next(iter(self._queues.items()))
            return [(key, lane, self._turns.rank(lane, entries[0].arrived))]
        keyed = [(self._turns.order(at[1], entries[0].arrived), at) for at, entries in self._queues.items()]
        keyed.sort(key=lambda each: each[0])
        return [(key, lane, order[0]) for order, (key, lane) in keyed]

    def push(self, key: K, lane: Lane, entry: E, always: bool = False) -> E | None:
        """Puts ``entry`` last of its lane. Returns the entry that found no place, which may be this one."""
        dropped = None
        if not always and len(self) >= self._size:
            longest = max(self._queues, key=lambda at: (at[1].rank, len(self._queues[at])), default=None)
            if longest is None or not self._gives_way(longest, key, lane):
                return entry
            dropped = self._queues[longest].pop()
            self._tidy(longest)
        self._queues.setdefault((key, lane), deque()).append(entry)
        return dropped

    def take(self, key: K, rank: int, count: int) -> list[tuple[Lane, E]]:
        """The next entries for ``key`` of a rank, ``count`` at most: one of each lane in turn."""
        lanes = [lane for at, lane, now in self.order() if at == key and now == rank]
        taken: list[tuple[Lane, E]] = []
        for lane in lanes[:1]:
            self._turns.serve(lane)
        while lanes and len(taken) < count:
            for lane in lanes[: count - len(taken)]:
                taken.append((lane, self._queues[key, lane].popleft()))
                self._tidy((key, lane))
            lanes = [lane for lane in lanes if (key, lane) in self._queues]
        return taken

    def remove(self, key: K, lane: Lane, entry: E) -> None:
        """Takes ``entry`` out, if it is still in."""
        entries = self._queues.get((key, lane))
        if entries and entry in entries:
            entries.remove(entry)
            self._tidy((key, lane))

    def _gives_way(self, longest: tuple[K, Lane], key: K, lane: Lane) -> bool:
        if longest[1].rank != lane.rank:
            return longest[1].rank > lane.rank
        return len(self._queues[longest]) > len(self._queues.get((key, lane), ())) + 1

    def _tidy(self, at: tuple[K, Lane]) -> None:
        if not self._queues[at]:
            del self._queues[at]
