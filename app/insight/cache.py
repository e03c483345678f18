"""Calibration records of versions, the last few used kept in memory: a version never changes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cachetools import LRUCache, cached

from core.bank import CalibrationRecord

KEPT = 64


class Calibrations:
    """By the sha256 of the bank file. Safe to share between threads."""

    def __init__(self) -> None:
        known: LRUCache[str, CalibrationRecord] = LRUCache(KEPT)
        self._get = cached(known, key=lambda sha256, read: sha256, lock=threading.Lock())(_read)

    def get(self, sha256: str, read: Callable[[], CalibrationRecord]) -> CalibrationRecord:
        """The record, read at first."""
        return self._get(sha256, read)


def _read(sha256: str, read: Callable[[], CalibrationRecord]) -> CalibrationRecord:
    return read()
