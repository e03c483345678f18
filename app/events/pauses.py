"""How long a sink or a bank waits after failures, and what became of a window of events."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from app.errors import SinkUnreachable
from app.store.outbox import Refused

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0


@dataclass
class Pauses:
    """How long to wait after how many failures in a row."""

    failures: int = 0
    until: float = 0.0

    def failed(self) -> None:
        """Wait longer than the time before."""
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.failures, 20))
        self.failures += 1
        self.until = time.monotonic() + pause * random.uniform(0.5, 1.0)

    @property
    def left(self) -> float:
        """Seconds."""
        return max(0.0, self.until - time.monotonic())


@dataclass
class Outcome:
    """What became of a window."""

    delivered: list[int] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    held: str | None = None
    down: SinkUnreachable | None = None
