"""The audit of what changes nothing: refused keys and sign-ins, exports, downloads; bounded, however often they happen.

The first of a kind by one actor from one address is written at once. What repeats it within the minute is counted, and
written as one entry at the minute's end; so is what comes from more addresses than ``MOST``.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import NamedTuple

from app.store.audit import Audit, caller
from app.store.errors import StoreError

SECONDS = 60.0  # of a minute
MOST = 200  # entries at once in a minute
NOBODY = "unknown"
OTHERS = "others"

log = logging.getLogger(__name__)


class Act(NamedTuple):
    """Who did what to what, from where."""

    actor: str
    action: str
    target: str
    address: str | None


class Trail:
    """Safe from any thread; ``flush`` is called once a minute and at the end."""

    def __init__(self, audit: Audit) -> None:
        self._audit, self._lock = audit, threading.Lock()
        self._seen: set[Act] = set()
        self._repeated: Counter[Act] = Counter()

    def refused(self, action: str, target: str) -> None:
        """Somebody without a valid key, from the address of the request."""
        if self.note(NOBODY, action, target):
            log.warning("refused: %s", action, extra={"client": caller.get()})

    def note(self, actor: str, action: str, target: str) -> bool:
        """Whether it was written at once. Raises StoreError where it could not be."""
        act = Act(actor, action, target, caller.get())
        with self._lock:
            if act in self._seen:
                self._repeated[act] += 1
                return False
            if len(self._seen) >= MOST:
                self._repeated[act._replace(actor=OTHERS, target=OTHERS, address=None)] += 1
                return False
            self._seen.add(act)
        try:
            self._audit.note(actor, action, target)
        except StoreError:
            with self._lock:
                self._repeated[act] += 1
            raise
        return True

    def flush(self) -> None:
        """Write what was only counted, and begin another minute."""
        with self._lock:
            repeated, self._repeated = self._repeated, Counter()
            self._seen.clear()
        try:
            for act in [*repeated]:
                self._write(act, repeated[act])
                del repeated[act]
        finally:
            with self._lock:
                self._repeated += repeated

    def _write(self, act: Act, times: int) -> None:
        token = caller.set(act.address)
        try:
            self._audit.note(act.actor, act.action, act.target, times=times)
        finally:
            caller.reset(token)
