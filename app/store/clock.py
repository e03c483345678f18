"""The clocks of the store: UTC for what people read, monotonic for every decision that must survive a jump.

A wall clock is stepped by NTP, by a person, or by a dead battery. So no lease is judged by it
(app/store/leases.py counts heartbeats against the monotonic clock), ids keep rising when it falls
(app/store/ids.py), and deletion by age stops once it has moved otherwise than the monotonic clock did
(``ClockGuard``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from app.store.errors import ClockJumped

TOLERATED_DRIFT_SECONDS = 3600.0


@dataclass(frozen=True)
class Clock:
    """``now`` gives an aware UTC time, ``monotonic`` seconds since any start; tests pass their own."""

    now: Callable[[], datetime] = field(default=partial(datetime.now, UTC))
    monotonic: Callable[[], float] = time.monotonic


class ClockGuard:
    """Tells whether the wall clock has jumped since the guard was made."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall, self._monotonic = clock.now(), clock.monotonic()

    def check(self) -> None:
        """Raises ``ClockJumped`` if the two clocks have parted by more than an hour."""
        drift = (self._clock.now() - self._wall).total_seconds() - (self._clock.monotonic() - self._monotonic)
        if abs(drift) > TOLERATED_DRIFT_SECONDS:
            raise ClockJumped(
                requirement="deleting by age needs a wall clock that runs steadily",
                received=f"a jump of {drift:+.0f} s since the store was opened",
                remedy="Check the machine's date; restart the service once it is right.",
            )
