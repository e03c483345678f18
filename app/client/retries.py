"""When a call is sent again: only where that is safe, as late as the server asks, never past the caller's time.

An answer of 429 or 503 with Retry-After says that nothing was done, so any call may be repeated. A connection that
broke off says nothing, so only repeatable calls are. Pauses of the client's own choice double, with chance in them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.client.errors import ClientError, ConnectionFailed, ProblemError

REFUSED = (429, 503)
AWAY = (502, 503, 504)  # said by proxies too, perhaps after the work was done


@dataclass(frozen=True)
class Retries:
    """At most ``attempts`` within ``seconds`` from the first on; no pause above ``longest_pause`` is waited for."""

    attempts: int = 5
    seconds: float = 60.0
    first_pause: float = 0.2
    longest_pause: float = 20.0


DEFAULT = Retries()


class Attempts:
    """One call's attempts. ``within`` takes the place of the policy's seconds where it is shorter."""

    def __init__(
        self,
        retries: Retries,
        repeatable: bool,
        within: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._retries, self._repeatable, self._clock = retries, repeatable, clock
        self._end = clock() + min(retries.seconds, retries.seconds if within is None else within)
        self._made = 0

    def pause_after(self, error: ClientError) -> float | None:
        """Seconds to wait before the next attempt; None where there may be none."""
        self._made += 1
        pause = self._wanted(error)
        if pause is None or self._made >= self._retries.attempts or pause > self._retries.longest_pause:
            return None
        return pause if self._clock() + pause <= self._end else None

    def _wanted(self, error: ClientError) -> float | None:
        match error:
            case ProblemError() if error.status in REFUSED and error.retry_after is not None:
                return error.retry_after * random.uniform(1, 1.2)  # those refused together come apart
            case ProblemError() if error.status in AWAY and self._repeatable:
                return self._own()
            case ConnectionFailed() if self._repeatable or not error.sent:
                return self._own()
        return None

    def _own(self) -> float:
        longest = self._retries.first_pause * 2.0 ** (self._made - 1)
        return min(longest, self._retries.longest_pause) * random.uniform(0.5, 1)
