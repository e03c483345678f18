"""What a key may ask for: requests and bytes within a minute, and requests at once. Past it 429 with Retry-After.

A bucket of each fills evenly and holds a minute's worth (token bucket; Turner, IEEE Communications 1986). Each of
several servers counts for itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from cachetools import LRUCache

from app.errors import QuotaExceeded
from app.store.key_limits import KeyLimits

MINUTE = 60.0
REMEMBERED = 4096  # keys


@dataclass(eq=False)
class Bucket:
    """What is left of a minute's worth; below 0 once more was used. at: monotonic seconds of the last look."""

    left: float
    at: float

    def fill(self, most: int, now: float) -> None:
        """By what came since the last look."""
        self.left = min(most, self.left + (now - self.at) * most / MINUTE)
        self.at = now

    def seconds_until(self, needed: float, most: int) -> float:
        """Until there is so much; 0 where there is."""
        return max(0.0, (needed - self.left) * MINUTE / most)


@dataclass(eq=False)
class Account:
    """What one key uses."""

    requests: Bucket
    bytes: Bucket
    in_flight: int = 0


class Quotas:
    """Lives on the event loop. clock: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._accounts: LRUCache[str, Account] = LRUCache(REMEMBERED)

    def begin(self, key: str, limits: KeyLimits, declared: int) -> Callable[[int], None]:
        """Count a request of a key whose body says to have ``declared`` bytes, 0 where it does not say.

        Returns what to call at its end, with the bytes that came. Raises ``QuotaExceeded``.
        """
        now = self._clock()
        account = self._accounts.get(key) or Account(Bucket(float("inf"), now), Bucket(float("inf"), now))
        self._accounts[key] = account
        if limits.in_flight is not None and account.in_flight >= limits.in_flight:
            raise _exceeded(1.0, f"{limits.in_flight} requests at once", "one more")
        _refuse_empty(account.requests, limits.requests_per_minute, "requests", now, 1.0)
        _refuse_empty(account.bytes, limits.bytes_per_minute, "bytes", now, 0.0)
        account.requests.left -= 1
        account.bytes.left -= declared
        account.in_flight += 1

        def end(came: int) -> None:
            account.in_flight -= 1
            account.bytes.left -= max(0, came - declared)

        return end


def _refuse_empty(bucket: Bucket, most: int | None, what: str, now: float, needed: float) -> None:
    """Raises ``QuotaExceeded`` where less than ``needed`` is left: of bytes, where more were used than came."""
    if most is None:
        bucket.left, bucket.at = float("inf"), now
        return
    bucket.fill(most, now)
    if (seconds := bucket.seconds_until(needed, most)) > 0:
        raise _exceeded(seconds, f"{most} {what} a minute", "more")


def _exceeded(seconds: float, quota: str, received: str) -> QuotaExceeded:
    return QuotaExceeded(
        requirement=f"this key may ask for {quota}",
        received=received,
        remedy="Try again after the seconds that Retry-After says, or have an administrator raise the key's quota.",
        retry_after=max(1.0, seconds),
    )
