"""The problems answered last, for people to look at: bounded, in memory, secrets masked."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime

from cachetools import FIFOCache
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.problems import problem_of
from app.ops.logs import mask

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
        self._seen: FIFOCache[tuple[str, str, str], Seen] = FIFOCache(most)
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

    def note(self, where: str, error: Exception) -> None:
        """Note what ``error`` would be answered as."""
        problem = problem_of(error)
        self.add(where, problem.type.status, problem.type.slug, problem.detail)

    def latest(self) -> list[Seen]:
        """Newest first."""
        with self._lock:
            return [*self._seen.values()][::-1]


class NoteProblems:
    """Pure ASGI: tells the service of the application of every problem that was answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        finally:
            state = scope.get("state", {})
            service = getattr(scope["app"].state, "service", None) if "app" in scope else None
            if (problem := state.get("answered")) is not None and service is not None:
                where = f"{scope['method']} {scope['path']}"
                status, slug = problem.type.status, problem.type.slug
                service.problems.add(where, status, slug, problem.detail, state.get("request_id"))
