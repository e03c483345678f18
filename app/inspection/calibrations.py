"""Calibration records of versions, the last few used kept in memory: a version never changes."""

from __future__ import annotations

import threading
from operator import attrgetter

from cachetools import LRUCache, cachedmethod

from app.inspection.registry import Registry
from app.store.schema import Version
from app.store.store import Store
from core.bank import CalibrationRecord, load_record, record_of

KEPT = 64


class Calibrations:
    """Of the versions in ``registry`` from memory, of others from their files. Safe to share between threads."""

    def __init__(self, registry: Registry, store: Store) -> None:
        self._registry, self._store = registry, store
        self._known: LRUCache[str, CalibrationRecord] = LRUCache(KEPT)
        self._lock = threading.Lock()

    @cachedmethod(attrgetter("_known"), key=lambda self, version: version.sha256, lock=attrgetter("_lock"))
    def of(self, version: Version) -> CalibrationRecord:
        """Raises BlobMissing, BlobCorrupt, BankError."""
        loaded = self._registry.peek((version.bank, version.number))
        if loaded is not None:
            return record_of(loaded.engine.bank)
        with self._store.blobs.as_file(version.sha256) as path:
            return load_record(path)
