"""What is seen of an application's requests: metrics, those in flight, the problems answered last."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from app.ops.metrics import Metrics
from app.ops.recent import RecentProblems


class InFlight:
    """How many requests are being answered now; shared by the middleware and whoever drains."""

    def __init__(self) -> None:
        self.count = 0
        self._none = asyncio.Event()
        self._none.set()

    def __enter__(self) -> None:
        self.count += 1
        self._none.clear()

    def __exit__(self, *error: object) -> None:
        self.count -= 1
        if self.count == 0:
            self._none.set()

    async def wait_until_none(self, seconds: float) -> bool:
        """Whether all were answered within ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._none.wait()
        except TimeoutError:
            return False
        return True


@dataclass(frozen=True, eq=False)
class Observed:
    """Made with the application, before its service is opened."""

    metrics: Metrics = field(default_factory=Metrics)
    in_flight: InFlight = field(default_factory=InFlight)
    problems: RecentProblems = field(default_factory=RecentProblems)
