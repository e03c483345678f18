"""What advice may cost: CPU seconds as a multiple of a plain build's, or seconds by the clock that a person gave.

What a machine does once for an input size, such as compiling a network for it, is not counted: a build in that size
does it too, and the machine keeps it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.declared import require

BUILDS = 3.0  # plain builds that advice may cost in CPU seconds
KEPT_BACK = 0.9  # of it is planned with: estimates are rough
PER_FEATURES = (
    2.0  # a plain build costs at least so many times what reading its images and their features costs
)


@dataclass
class Budget:
    """within: seconds by the clock, None for BUILDS plain builds. image: CPU seconds to read one image at the settings
    that trials begin with, once they are measured; images: of a plain build."""

    images: int
    within: float | None = None
    image: float = 0.0
    _cpu: float = field(default_factory=time.process_time)
    _clock: float = field(default_factory=time.monotonic)
    _uncounted: float = 0.0
    _since: float = field(default_factory=time.process_time)

    @property
    def plain(self) -> float:
        """CPU seconds of a plain build, by what was measured so far; rather too few."""
        return PER_FEATURES * self.images * self.image

    @property
    def spent(self) -> float:
        """CPU seconds so far."""
        return time.process_time() - self._cpu - self._uncounted

    @property
    def seconds(self) -> float:
        """By the clock."""
        return time.monotonic() - self._clock

    @property
    def whole(self) -> float:
        """CPU seconds that may be spent in all; of a time by the clock, at the pace so far."""
        if self.within is None:
            return KEPT_BACK * BUILDS * self.plain
        return self.within * max(self.spent, 1e-6) / max(self.seconds, 1e-6)

    def left(self) -> float:
        """CPU seconds."""
        return self.whole - self.spent

    def over(self) -> bool:
        """Whether the time by the clock is up."""
        return self.within is not None and self.seconds > self.within

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """What runs inside costs nothing."""
        before = time.process_time()
        try:
            yield
        finally:
            self._uncounted += time.process_time() - before

    def lap(self) -> float:
        """CPU seconds since the last lap."""
        now = time.process_time() - self._uncounted
        took, self._since = now - self._since, now
        return took


def check_within(within: float | None) -> None:
    """Raises ConfigError for a time that is none."""
    require(
        within is None or within >= 1,
        "the time for advice must be at least one second",
        within,
        "name more seconds, or leave it out: it then takes at most three plain builds",
    )
