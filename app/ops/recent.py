"""The problems answered last, for people to look at: bounded, in memory, secrets masked."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

from app.ops.logs import mask
from app.problems.problem import problem_of

MOST = 100  # different ones
LONGEST = 500  # characters of a text


@dataclass(frozen=True)
class Seen:
    """A problem: where it was answered, what it said, how often and when last."""

    where: str
    status: int
    type: str
    detail: str
    times: int
    last: datetime
    request_id: str | None


class RecentProblems:
    """Newest last; one that comes again is counted and becomes the newest. Safe from any thread."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._seen: OrderedDict[tuple[str, str, str], Seen] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, where: str, status: int, type: str, detail: str, request_id: str | None = None) -> None:
        """Note one; the one seen longest ago leaves when there are too many."""
        where, detail = mask(where)[:LONGEST], mask(detail)[:LONGEST]
        with self._lock:
            before = self._seen.pop((where, type, detail), None)
            times = before.times + 1 if before else 1
            self._seen[where, type, detail] = Seen(
                where, status, type, detail, times, datetime.now(UTC), request_id
            )
            if len(self._seen) > self._most:
                self._seen.popitem(last=False)

    def note(self, where: str, error: Exception) -> None:
        """Note what ``error`` would be answered as."""
        problem = problem_of(error)
        self.add(where, problem.type.status, problem.type.slug, problem.detail)

    def latest(self) -> list[Seen]:
        """Newest first."""
        with self._lock:
            return [*reversed(self._seen.values())]
