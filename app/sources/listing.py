"""Which files of a watched folder wait, and which of them are whole.

A file is whole when size, time of change and inode have stayed the same for its folder's settle time, by this machine's
monotonic clock, because a NAS has a clock of its own; and when it decodes. One that does not decode waits until nobody
can still be writing to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.sources.share import Stamp

QUIET = 30  # settle times after which what cannot be read as an image is given up
SLOWEST = 300.0  # seconds between two tries of one file at most


@dataclass(eq=False)
class Waiting:
    """A file that is not settled. since: first seen so; due: when it may be tried (monotonic); tries: that failed.

    error: what is wrong with it, where that is worth a look.
    """

    stamp: Stamp
    since: float
    due: float
    tries: int = 0
    error: str | None = None

    def later(self, error: str | None, seconds: float | None = None) -> None:
        """Try it again after ``seconds``, by default after longer pauses each time."""
        self.tries, self.error = self.tries + 1, error
        self.due = time.monotonic() + (min(2.0**self.tries, SLOWEST) if seconds is None else seconds)


class Listing:
    """The files of one folder that wait, and those settled: a few hundred bytes for each."""

    def __init__(self, settle_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._settle, self._clock = settle_seconds, clock
        self.waiting: dict[str, Waiting] = {}
        self._settled: dict[str, Stamp] = {}

    def note(self, found: Mapping[str, Stamp]) -> list[str]:
        """Take in what is in the folder now; the names of those that are new or changed."""
        now, new = self._clock(), []
        for gone in self.waiting.keys() - found.keys():
            del self.waiting[gone]
        for gone in self._settled.keys() - found.keys():
            del self._settled[gone]
        for name, stamp in found.items():
            before = self.waiting.get(name)
            if self._settled.get(name) == stamp or (before is not None and before.stamp == stamp):
                continue
            self._settled.pop(name, None)
            self.waiting[name] = Waiting(stamp, now, now + self._settle)
            new.append(name)
        return new

    def settle(self, name: str, stamp: Stamp | None) -> None:
        """Nothing is left to do for the file that has this stamp; None for one that was moved."""
        held = self.waiting.get(name)
        if held is not None and (stamp is None or held.stamp == stamp):
            del self.waiting[name]
        if stamp is not None:
            self._settled[name] = stamp

    def ready(self, most: int) -> list[tuple[str, Waiting]]:
        """Those that may be tried now: by the time of their last change, then by name."""
        now = self._clock()
        found = [(name, each) for name, each in self.waiting.items() if each.due <= now]
        return sorted(found, key=lambda pair: (pair[1].stamp.mtime_ns, pair[0]))[:most]

    def until_quiet(self, each: Waiting) -> float:
        """Seconds to the moment from which nobody can still be writing to it; none are left when it is past."""
        return each.since + QUIET * max(self._settle, 0.01) - self._clock()

    def seconds(self, most: float) -> float:
        """Until the next one may be tried, ``most`` at most."""
        due = min((each.due for each in self.waiting.values()), default=float("inf"))
        return max(0.0, min(due - self._clock(), most))
