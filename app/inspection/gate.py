"""Who is let in, and the one budget of memory for what is in flight: counted before it is taken, refused past it.

Counted are bodies, decoded pixels, inputs that wait, maps, pictures and files on their way in, whoever sent them; not
the loaded banks, which have a budget of their own. Some of both places and bytes is left to the line, and once most are
taken a key that has many gets no more, so that one client cannot take them all.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from app.errors import Draining, MemoryFull, Overloaded, QueueFull, WarmingUp
from app.inspection.lanes import ANYBODY, LINE, Lane
from app.settings import PARTS

Refused = TypeVar("Refused", bound=Overloaded)

PATIENCE = 20.0  # seconds that an upload waits for memory
LOOK_SECONDS = 0.05
CROWD = 4  # in the last one of so many, a key that has one of them gets no more


class Memory:
    """Bytes held and the most that may be. Safe from any thread."""

    def __init__(self, budget: int) -> None:
        self.budget, self.used, self.peak = budget, 0, 0
        self._keys: Counter[str] = Counter()
        self.lock = threading.RLock()

    def take(self, count: int, lane: Lane) -> None:
        """Count ``count`` bytes as held. Raises ``MemoryFull`` where they do not fit."""
        with self.lock:
            self._refuse_past(count, lane)
            self.used += count
            self.peak = max(self.peak, self.used)
            self._keys[lane.key] += count

    def give(self, count: int, lane: Lane) -> None:
        """They are held no more."""
        with self.lock:
            self.used -= count
            self._keys[lane.key] -= count
            if not self._keys[lane.key]:
                del self._keys[lane.key]

    @contextmanager
    def hold(self, lane: Lane = ANYBODY) -> Iterator[Pass]:
        """What is taken by the pass is held while the block lasts."""
        mine = Pass(self, lane)
        try:
            yield mine
        finally:
            mine.close()

    @contextmanager
    def waiting_for(self, count: int, lane: Lane, seconds: float = PATIENCE) -> Iterator[None]:
        """``count`` bytes while the block lasts, for threads that may wait for them. Raises ``MemoryFull``."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.take(count, lane)
                break
            except MemoryFull:
                if time.monotonic() > end:
                    raise
                time.sleep(LOOK_SECONDS)
        try:
            yield
        finally:
            self.give(count, lane)

    def _refuse_past(self, count: int, lane: Lane) -> None:
        left, own = self.budget - self.used - count, self._keys[lane.key]
        if left >= 0 and (not own or lane.rank == LINE or not _is_crowded(left, own, self.budget)):
            return
        raise MemoryFull.within(
            1.0,
            f"what is in flight may take {self.budget:,} bytes of memory (NOMINAL_MEMORY_BYTES)",
            f"{count:,} more than the {self.used:,} that are taken",
        )


class Pass:
    """One request's share of the memory. Safe from any thread; what a thread takes after its end is not counted."""

    def __init__(self, memory: Memory, lane: Lane = ANYBODY) -> None:
        self._memory, self.lane = memory, lane
        self.bytes, self._closed = 0, False

    def grow(self, count: int) -> None:
        """Take ``count`` bytes more. Raises ``MemoryFull``."""
        with self._memory.lock:
            if not self._closed:
                self._memory.take(count, self.lane)
                self.bytes += count

    def close(self) -> None:
        """Give back what was taken."""
        with self._memory.lock:
            self._closed = True
            self._memory.give(self.bytes, self.lane)

    @contextmanager
    def holding(self, count: int) -> Iterator[None]:
        """``count`` bytes more while the block lasts. Raises ``MemoryFull``."""
        self._memory.take(count, self.lane)
        try:
            yield
        finally:
            self._memory.give(count, self.lane)


class Gate:
    """How many requests are in flight, refused past their bound. Lives on the event loop.

    ``retry_after`` gives the seconds after which to try again.
    """

    def __init__(self, requests: int, memory: Memory, retry_after: Callable[[], float]) -> None:
        self._most, self.memory, self._retry_after = requests, memory, retry_after
        self.requests = 0
        self._keys: Counter[str] = Counter()
        self._opened, self._closed = False, False

    def open(self) -> None:
        """Let inspections in from now on: the server has inspected something itself."""
        self._opened = True

    def close(self) -> None:
        """Let nobody in any more."""
        self._closed = True

    @contextmanager
    def enter(self, lane: Lane = ANYBODY) -> Iterator[Pass]:
        """Holds a place while the block lasts. Raises ``WarmingUp``, ``QueueFull`` or ``Draining``."""
        self._admit(lane)
        self.requests += 1
        self._keys[lane.key] += 1
        try:
            with self.memory.hold(lane) as mine:
                yield mine
        finally:
            self.requests -= 1
            self._keys[lane.key] -= 1
            if not self._keys[lane.key]:
                del self._keys[lane.key]

    def _admit(self, lane: Lane) -> None:
        if not self._opened:
            raise WarmingUp(
                requirement="the server must be warm before it inspects",
                received="a request while it warms up",
                remedy="Wait for /readyz to answer 200.",
                retry_after=1.0,
            )
        if self._closed:
            raise self._refusal(Draining, "the server must not be shutting down", "a request while it is")
        left, own = self._most - self.requests - 1, self._keys[lane.key]
        if left < 0:
            raise self._refusal(QueueFull, f"at most {self._most} inspections may be under way", "one more")
        if lane.rank != LINE and _is_crowded(left, own, self._most):
            raise self._refusal(
                QueueFull, "most places for inspections are taken", "one more of a key that has many"
            )

    def _refusal(self, kind: type[Refused], requirement: str, received: str) -> Refused:
        return kind.within(self._retry_after(), requirement, received)


def _is_crowded(left: int, own: int, whole: int) -> bool:
    """Whether what is left is not for one who has ``own``: the line's, or another key's."""
    return left < whole // PARTS or (left < whole // CROWD and own >= whole // CROWD)
