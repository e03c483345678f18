"""How often health and metrics are answered: anybody may ask, so who asks without a pause waits a moment.

A bucket of answers fills evenly (token bucket). A monitor that asks once a second hardly waits; loops share what is
left, and their answers cost a lookup.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from cachetools import LRUCache

RATE = 20.0  # answers per second
BURST = 40  # at once
MOST_SECONDS = 1.0  # that one waits
TEXTS = 8  # of metrics, by what was accepted


class Pace:
    """Lives on the event loop. texts: metrics as rendered last, with their media types."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left, self._at = float(BURST), clock()
        self.texts: LRUCache[str, tuple[bytes, str]] = LRUCache(TEXTS)

    @property
    def hurried(self) -> bool:
        """Whether the answers of a burst are used up."""
        return self._left < 1

    async def turn(self) -> None:
        """Returns when it is one's turn, after ``MOST_SECONDS`` at the latest."""
        now = self._clock()
        self._left, self._at = min(BURST, self._left + (now - self._at) * RATE), now
        self._left = max(self._left - 1, -RATE * MOST_SECONDS)
        if self._left < 0:
            await asyncio.sleep(-self._left / RATE)
