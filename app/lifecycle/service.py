"""The running service: its parts, and the state every request asks about."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from app.errors import Draining, WarmingUp
from app.http.middleware import InFlight
from app.imaging.decode import ImageLimits
from app.insight.cache import Calibrations
from app.inspection.backbones import Backbones
from app.inspection.batching import Batcher
from app.inspection.engine import Inspection
from app.inspection.gate import Gate
from app.inspection.ledger import Ledger
from app.inspection.registry import Key, Registry
from app.ops.metrics import Metrics
from app.ops.recent import RecentProblems
from app.settings import Settings
from app.store.schema import Decision
from app.store.store import Store

if TYPE_CHECKING:
    from app.http.auth import Admission
    from app.inspection.inspect import Work
    from app.learning.supervisor import Supervisor

V = TypeVar("V")


@dataclass(eq=False)
class Service:
    """Made by ``app.lifecycle.opening.open_service`` and by nothing else. ``ready`` is a latch: once true it stays."""

    settings: Settings
    store: Store
    backbones: Backbones
    batcher: Batcher[Key, Work, Inspection]
    registry: Registry
    ledger: Ledger
    gate: Gate
    admission: Admission
    metrics: Metrics
    in_flight: InFlight
    supervisor: Supervisor | None
    decoders: ThreadPoolExecutor
    background: ThreadPoolExecutor
    uploads: ThreadPoolExecutor
    ready: bool = False
    draining: bool = False
    drained_by: float = 0.0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    problems: RecentProblems = field(default_factory=RecentProblems)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.monotonic)
    faults: dict[str, str] = field(default_factory=dict)
    """What runs in the background and failed last time: name -> reason."""
    calibrations: Calibrations = field(default_factory=Calibrations)
    comparing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while versions are compared, one pair at a time."""

    @property
    def image_limits(self) -> ImageLimits:
        """What one image may ask for."""
        return self.settings.image_limits

    def keeps(self, decision: Decision) -> bool:
        """Whether the policy keeps the image of an inspection decided so."""
        keep = self.settings.image_keep
        return keep == "all" or (keep == "rejected" and decision != "accept")

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
                retry_after=self.settings.drain_seconds,
            )

    def begin_drain(self) -> None:
        """From now on: not ready, nothing new is begun, endless answers end. What is in flight goes on."""
        if not self.draining:
            self.draining = self.gate.closed = True
            self.drained_by = time.monotonic() + self.settings.drain_seconds
            self.loop.call_soon_threadsafe(self.stopping.set)
            if self.supervisor is not None:
                self.supervisor.begin_stop()

    def seconds_to_drain(self) -> float:
        """What is left of the time to shut down in."""
        return max(0.0, self.drained_by - time.monotonic()) if self.draining else self.settings.drain_seconds

    async def in_decoder(self, function: Callable[[], V]) -> V:
        """What ``function`` returns from a decoder thread: for work of milliseconds on images."""
        return await asyncio.get_running_loop().run_in_executor(self.decoders, function)

    async def in_background(self, function: Callable[[], V]) -> V:
        """What ``function`` returns from a background thread: for the store, and work of seconds."""
        return await asyncio.get_running_loop().run_in_executor(self.background, function)

    async def in_upload(self, function: Callable[[], V]) -> V:
        """What ``function`` returns from an upload thread: for files on their way in, which may take minutes."""
        return await asyncio.get_running_loop().run_in_executor(self.uploads, function)
