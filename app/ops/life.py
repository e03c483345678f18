"""Whether the process is warm, draining or well: the state that every request asks about."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.errors import Draining, WarmingUp


@dataclass(eq=False)
class Life:
    """``ready`` is a latch: once true it stays. Made on the event loop.

    drain_seconds: what shutting down may take. at_drain: called once, when draining begins, on the caller's thread.
    faults: what runs in the background and failed last time, name -> reason.
    """

    drain_seconds: float
    ready: bool = False
    draining: bool = False
    drained_by: float = 0.0
    at_drain: list[Callable[[], None]] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.monotonic)
    faults: dict[str, str] = field(default_factory=dict)

    def refuse_unready(self) -> None:
        """Raises ``WarmingUp`` until the server has inspected something itself."""
        if not self.ready:
            raise WarmingUp(
                requirement="the server must be warm before it inspects",
                received="a request while it warms up",
                remedy="Wait for /readyz to answer 200.",
                retry_after=1.0,
            )

    def refuse_draining(self) -> None:
        """Raises ``Draining`` once the server shuts down."""
        if self.draining:
            raise Draining(
                requirement="the server must not be shutting down",
                received="a request while it is",
                remedy="Try again after the seconds that Retry-After says.",
                retry_after=self.drain_seconds,
            )

    def begin_drain(self) -> None:
        """From now on: not ready, nothing new is begun, endless answers end. What is in flight goes on."""
        if not self.draining:
            self.draining = True
            self.drained_by = time.monotonic() + self.drain_seconds
            self.loop.call_soon_threadsafe(self.stopping.set)
            for told in self.at_drain:
                told()

    def seconds_to_drain(self) -> float:
        """What is left of the time to shut down in."""
        return max(0.0, self.drained_by - time.monotonic()) if self.draining else self.drain_seconds
