"""Numbers and times as people read them: English, digits grouped, short; and round numbers for an axis."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from app.console.words import WORDS

UNITS = ("B", "kB", "MB", "GB", "TB")


def percent(share: float) -> str:
    """A share as per cent with as many digits as it needs: 0.01 -> 1 %."""
    return f"{share * 100:.3g}\N{NO-BREAK SPACE}%"


def size(count: float) -> str:
    """Bytes in units of 1,000."""
    unit = 0
    while count >= 999.5 and unit < len(UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.3g}\N{NO-BREAK SPACE}{UNITS[unit]}"


def score(value: float) -> str:
    """A score or threshold, three decimals."""
    return f"{value:.3f}"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours."""
    whole = round(seconds)
    if whole < 60:
        return WORDS.seconds.format(n=f"{seconds:.1f}" if seconds < 10 else whole)
    if whole < 3600:
        return WORDS.minutes.format(m=whole // 60, s=whole % 60)
    return WORDS.hours.format(h=whole // 3600, m=whole % 3600 // 60)


def moment(time: datetime) -> str:
    """UTC, to the minute."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def age(time: datetime, now: datetime | None = None) -> str:
    """How long ago."""
    minutes = int(((now or datetime.now(UTC)) - time).total_seconds() // 60)
    if minutes < 1:
        return WORDS.now
    if minutes < 60:
        return WORDS.minutes_ago(minutes)
    return WORDS.hours_ago(minutes // 60) if minutes < 48 * 60 else WORDS.days_ago(minutes // 1440)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between ``low`` and ``high``, about ``most`` of them."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [round(i * step, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
