"""Ids that sort by time, slugs, and the clock that time is read from."""

from __future__ import annotations

import re
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from app.store.errors import IllegalId


@dataclass(frozen=True)
class Clock:
    """``now`` gives an aware UTC time, ``monotonic`` seconds since any start; tests pass their own."""

    now: Callable[[], datetime] = field(default=partial(datetime.now, UTC))
    monotonic: Callable[[], float] = time.monotonic


SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
SHA256 = re.compile(r"[0-9a-f]{64}")


def check_slug(text: str) -> str:
    """``text`` if it may name a bank, else ``IllegalId``."""
    if SLUG.fullmatch(text):
        return text
    raise IllegalId(
        requirement="an id must be 1 to 63 of a-z, 0-9, '_' and '-', and start with a letter or digit",
        received=shown(text),
        remedy="Choose such an id; the title may hold any text.",
    )


def shown(text: str) -> str:
    """``text`` as an error message may repeat it: quoted, escaped, at most 80 characters."""
    return ascii(text if len(text) <= 80 else text[:77] + "...")


class SortableIds:
    """UUIDs of version 7 that only ever rise within a process, also when the wall clock falls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0  # 122 bits: 48 of milliseconds, 74 of chance

    def __call__(self) -> str:
        fresh = (time.time_ns() // 1_000_000 << 74) | secrets.randbits(74)
        with self._lock:
            if fresh >> 74 <= self._last >> 74:  # same millisecond, or the clock fell
                fresh = self._last + 1 + secrets.randbits(32)
            self._last = fresh
        return str(uuid.UUID(int=_with_version(fresh)))


def _with_version(bits: int) -> int:
    """Insert version 7 after the first 48 bits and variant 0b10 after the next 12 (RFC 9562, section 5.7)."""
    milliseconds, a, b = bits >> 74, bits >> 62 & 0xFFF, bits & (1 << 62) - 1
    return milliseconds << 80 | 7 << 76 | a << 64 | 0b10 << 62 | b


new_id = SortableIds()
