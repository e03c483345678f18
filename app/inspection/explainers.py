"""Networks that explain scores, and the turn they work by: one explanation at a time, few waiting, the rest refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from cachetools import LRUCache

from app.errors import QueueFull
from core.explain import Network
from models.backbone import Backbone

V = TypeVar("V")

WAITING = 4  # explanations, the one that is made among them
KEPT = 2  # networks in memory
_USUAL = 0.5  # seconds, before the first


class Explainers:
    """Lives on the event loop; ``network`` is for the thread whose turn it is."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._asked = 0
        self._seconds = _USUAL
        self._networks: LRUCache[str, Network] = LRUCache(KEPT)

    async def in_turn(self, work: Callable[[], Awaitable[V]]) -> V:
        """What the work gives in its turn; it keeps the turn to its end where nobody waits any more.

        Raises ``QueueFull`` where as many were asked for as may wait.
        """
        if self._asked >= WAITING:
            raise QueueFull.within(
                self._asked * self._seconds, f"at most {WAITING} explanations may wait", "one more"
            )
        self._asked += 1
        return await asyncio.shield(asyncio.create_task(self._done(work)))

    def network(self, backbone: Backbone) -> Network:
        """A backbone in float32 with gradients, read from its file at first. Raises WeightsRefused."""
        if (found := self._networks.get(backbone.digest)) is None:
            found = self._networks[backbone.digest] = Network(backbone.module())
        return found

    async def _done(self, work: Callable[[], Awaitable[V]]) -> V:
        try:
            async with self._turn:
                started = time.monotonic()
                try:
                    return await work()
                finally:
                    self._seconds = time.monotonic() - started
        finally:
            self._asked -= 1
