"""How long one item of a key takes, and how many callers a key has: measured batch by batch (EWMA)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from cachetools import FIFOCache

K = TypeVar("K", bound=Hashable)

WEIGHT = 0.2  # of the newest batch
KEYS_REMEMBERED = 256


@dataclass
class _Pace:
    seconds: float = 0.0  # an item
    callers: int = 1  # items of the last batch and those waiting at its end
    ended: float = float("-inf")


class ServiceTimes(Generic[K]):
    """The ``KEYS_REMEMBERED`` keys measured last are known; a key not yet measured takes 0 seconds."""

    def __init__(self) -> None:
        self._paces: FIFOCache[K, _Pace] = FIFOCache(KEYS_REMEMBERED)

    def measure(self, key: K, *, items: int, seconds: float, waiting: int, now: float) -> None:
        """A batch of ``items`` took ``seconds`` and ended ``now``, while ``waiting`` more of its key wait."""
        pace = self._pace(key)
        each = seconds / items
        pace.seconds = pace.seconds + WEIGHT * (each - pace.seconds) if pace.seconds else each
        pace.callers, pace.ended = items + waiting, now
        self._paces[key] = pace  # now the last to leave

    def seconds(self, counts: Mapping[K, int]) -> float:
        """For so many items of each key."""
        return sum(self._pace(key).seconds * count for key, count in counts.items())

    def callers(self, key: K) -> int:
        """How many are about to send again, had the key's last batch just ended."""
        return self._pace(key).callers

    def ended(self, key: K) -> float:
        """When the key's last batch ended, by the caller's clock; minus infinity before the first."""
        return self._pace(key).ended

    def mean(self) -> float | None:
        """Seconds an item over all keys; None before the first batch."""
        return sum(pace.seconds for pace in self._paces.values()) / len(self._paces) if self._paces else None

    def _pace(self, key: K) -> _Pace:
        return self._paces.get(key) or _Pace()
