"""Calibration records of versions, the last few used kept in memory: a version never changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from core.bank import CalibrationRecord

KEPT = 64


class Calibrations:
    """By the sha256 of the bank file. Safe to share between threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, CalibrationRecord] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, sha256: str, read: Callable[[], CalibrationRecord]) -> CalibrationRecord:
        """The record, read at first."""
        with self._lock:
            if (known := self._known.get(sha256)) is not None:
                self._known.move_to_end(sha256)
                return known
        record = read()
        with self._lock:
            self._known[sha256] = record
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return record
