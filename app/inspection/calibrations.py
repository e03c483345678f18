"""Calibration records of versions, the last few used kept in memory: a version never changes."""

from __future__ import annotations

import threading
from collections import OrderedDict

from app.inspection.registry import Registry
from app.store.schema import Version
from app.store.store import Store
from core.bank import CalibrationRecord, load_record, record_of

KEPT = 64


class Calibrations:
    """Of the versions in ``registry`` from memory, of others from their files. Safe to share between threads."""

    def __init__(self, registry: Registry, store: Store) -> None:
        self._registry, self._store = registry, store
        self._known: OrderedDict[str, CalibrationRecord] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, version: Version) -> CalibrationRecord:
        """Raises BlobMissing, BlobCorrupt, BankError."""
        with self._lock:
            if (known := self._known.get(version.sha256)) is not None:
                self._known.move_to_end(version.sha256)
                return known
        record = self._read(version)
        with self._lock:
            self._known[version.sha256] = record
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return record

    def _read(self, version: Version) -> CalibrationRecord:
        loaded = self._registry.peek((version.bank, version.number))
        if loaded is not None:
            return record_of(loaded.engine.bank)
        with self._store.blobs.as_file(version.sha256) as path:
            return load_record(path)
