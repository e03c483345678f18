"""What advice may cost, in readings: one image read at the settings given, with its features.

Counted, not timed: the same set and settings have the same trials tried, however busy the machine. A plain build of n
images costs about PLAIN n readings in CPU seconds, advice BUILDS times that at most. With a time by the clock there are
as many readings as fit into it, and nothing begins once it is over. What a machine does once for an input size, such as
compiling a network for it, does not count: a build in that size does it too, and the machine keeps it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.declared import require

BUILDS = 3.0  # plain builds that advice may cost
PLAIN = 2.0  # readings that a build costs per image, with its coreset and calibration; measured 1.9 to 2.2
JUDGED = 0.75  # readings that banks and scores cost per image read, at the settings given


@dataclass
class Budget:
    """images: of the set. whole: readings that may be spent. within: seconds by the clock, if they are bounded."""

    images: int
    whole: float
    within: float | None = None
    used: float = 0.0
    image: float = 0.0  # CPU seconds of a reading, once it is measured
    _cpu: float = field(default_factory=time.process_time)
    _clock: float = field(default_factory=time.monotonic)
    _uncounted: float = 0.0

    @property
    def plain(self) -> float:
        """CPU seconds of a plain build, about."""
        return PLAIN * self.images * self.image

    @property
    def cpu(self) -> float:
        """CPU seconds so far."""
        return time.process_time() - self._cpu - self._uncounted

    @property
    def seconds(self) -> float:
        """By the clock, so far."""
        return time.monotonic() - self._clock

    def allows(self, readings: float) -> bool:
        """Whether so many more may be spent."""
        return self.used + readings <= self.whole and not self.over()

    def over(self) -> bool:
        """Whether the time by the clock is up."""
        return self.within is not None and self.seconds > self.within

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """What runs inside is not in ``cpu``."""
        before = time.process_time()
        try:
            yield
        finally:
            self._uncounted += time.process_time() - before


def readings_of_builds(images: int) -> float:
    """What may be spent on a set without a time by the clock."""
    return BUILDS * PLAIN * images


def check_within(within: float | None) -> None:
    """Raises ConfigError for a time that is none."""
    require(
        within is None or within >= 1,
        "the time for advice must be at least one second",
        within,
        "name more seconds, or leave it out: it then takes at most three plain builds",
    )
