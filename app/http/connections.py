"""How many connections there are, by address: places for those that are open, fewer than the system has descriptors.

When all places are taken, the oldest idle connection of the address that has most of them makes room. If none is idle,
a few places are left in which only probes are answered. So the database and stored images always have descriptors.
"""

from __future__ import annotations

import logging
import resource
import time
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from app.settings import Settings

DESCRIPTORS = 256  # that connections leave to the database, stored files and the worker
MOST_DESCRIPTORS = 1 << 16  # that are asked for: a connection that shakes hands for TLS has no place yet
SPARE = 32  # connections beyond the limit, for probes
COMPLAINT_SECONDS = 10.0  # between two lines of the log about one kind of refusal

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """Bytes and seconds of a request's head, seconds without a request, connections in all and by address."""

    head_bytes: int
    head_seconds: float
    idle_seconds: float
    connections: int
    by_address: int


def limits_of(settings: Settings) -> Limits:
    """The settings', within the files that the system lets this process open; asks it for as many as are needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(MOST_DESCRIPTORS, settings.max_connections + DESCRIPTORS + SPARE)
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    places = min(settings.max_connections, max(SPARE, soft - DESCRIPTORS - SPARE))
    if places < settings.max_connections:
        log.warning("at most %d connections: the system lets %d files be open (LimitNOFILE)", places, soft)
    return Limits(
        settings.max_head_bytes,
        settings.head_seconds,
        settings.idle_seconds,
        places,
        min(places, settings.max_connections_per_address),
    )


class Connection(Protocol):
    """One of them; ``spare`` where it has its place only for probes."""

    address: str
    spare: bool

    def cut(self) -> None:
        """Close it at once."""


class Connections:
    """All that are open, by address, and which of them are idle, oldest first. Used by the event loop only."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: Counter[str] = Counter()
        self._members: set[Connection] = set()
        self._idle: dict[str, dict[Connection, None]] = {}
        self._said: dict[str, float] = {}
        self._unsaid: Counter[str] = Counter()

    def enter(self, it: Connection) -> bool:
        """Whether there is a place for a new connection, perhaps after an idle one was closed for it."""
        if self._open[it.address] >= self.limits.by_address and not self._evict(it.address):
            self.complain("too many connections of one address", it.address)
            return False
        if len(self._members) >= self.limits.connections and not self._evict(self._crowd()):
            if len(self._members) >= self.limits.connections + SPARE:
                self.complain("too many connections", it.address)
                return False
            it.spare = True
        self._members.add(it)
        self._open[it.address] += 1
        self.rests(it)
        return True

    def leave(self, it: Connection) -> None:
        """Its place is free; harmless when it had none."""
        self.works(it)
        if it in self._members:
            self._members.remove(it)
            self._open[it.address] -= 1
            if not self._open[it.address]:
                del self._open[it.address]

    def rests(self, it: Connection) -> None:
        """It has no request that is being answered."""
        self._idle.setdefault(it.address, {})[it] = None

    def works(self, it: Connection) -> None:
        """It has one, or is gone."""
        idle = self._idle.get(it.address, {})
        idle.pop(it, None)
        if not idle:
            self._idle.pop(it.address, None)

    def complain(self, what: str, address: str) -> None:
        """In the log, once in a while: an attack must not fill the disk."""
        self._unsaid[what] += 1
        now = time.monotonic()
        if now - self._said.get(what, -COMPLAINT_SECONDS) >= COMPLAINT_SECONDS:
            self._said[what] = now
            log.warning(what, extra={"client": address, "times": self._unsaid.pop(what)})

    def crowded(self) -> bool:
        """Whether more are open than there are places for requests."""
        return len(self._members) > self.limits.connections

    def _crowd(self) -> str:
        """The address that has most connections, of those with an idle one."""
        return max(self._idle, key=lambda address: self._open[address], default="")

    def _evict(self, address: str) -> bool:
        oldest = next(iter(self._idle.get(address, ())), None)
        if oldest is None:
            return False
        self.leave(oldest)
        oldest.cut()
        return True
