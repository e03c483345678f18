"""Whether a version can be served: damaged for everybody, or unfit on this server only.

Damage is a fact of the stored bytes. It counts once a second read confirms it while the storage is in place, is kept
with the version in the store, and every server refuses the version until one of them reads it whole. Weights that are
absent, a runtime or processor that scores differently are facts of a server and a version: they are kept in the
server's memory, and the other servers go on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Self

from app.inspection.backbones import UNUSABLE_HERE
from app.store import schema
from app.store.errors import BlobCorrupt, BlobMissing, VersionUnusable
from app.store.schema import Inspection, Version
from app.store.store import Store
from app.store.versions import quarantined

DAMAGE = (BlobCorrupt, BlobMissing)
UNFIT = (*UNUSABLE_HERE, *DAMAGE)
"""What is wrong with a version, not with the moment."""
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3600.0  # seconds between two tries of a version, doubled each time

log = logging.getLogger(__name__)


class Key(NamedTuple):
    """A version: its bank and its number, by which the store finds it, and its file's digest, which is what it is."""

    bank: str
    number: int
    sha256: str

    @classmethod
    def of(cls, version: Version) -> Self:
        return cls(version.bank, version.number, version.sha256)

    @classmethod
    def active(cls, bank: schema.Bank) -> Self | None:
        """What the bank's row serves; None for nothing."""
        if bank.active_version is None or bank.active_sha256 is None:
            return None
        return cls(bank.id, bank.active_version, bank.active_sha256)

    @classmethod
    def that_made(cls, inspection: Inspection) -> Self:
        """By the digest that was recorded, which is empty where none was, and then no version's."""
        return cls(inspection.bank, inspection.version, inspection.digests.get("bank", ""))


class Fitness:
    """Of the versions of a store on this server. Safe to share between threads."""

    def __init__(self, store: Store, now: Callable[[], float] = time.monotonic) -> None:
        self._store, self._now = store, now
        self._unfit: dict[Key, str] = {}
        self._blamed: set[Key] = set()  # this server found their files damaged
        self._due: dict[Key, tuple[float, float]] = {}  # when to try again, and the pause after that
        self._lock = threading.Lock()

    def reason(self, version: Version) -> str | None:
        """Why it cannot be served here; None where nothing is known against it."""
        if version.state == "quarantined":
            return version.reason
        return self._unfit.get(Key.of(version))

    def unfit(self) -> dict[Key, str]:
        """The versions that only this server cannot serve, with the reasons."""
        with self._lock:
            return dict(self._unfit)

    def refuse(self, version: Version) -> None:
        """Raises ``VersionUnusable`` where it cannot be served here."""
        if (reason := self.reason(version)) is not None:
            raise (
                quarantined(version) if version.state == "quarantined" else unfit_here(version.number, reason)
            )

    def set_aside(self, key: Key, error: Exception) -> VersionUnusable:
        """Write down why a version cannot be served, for everybody or for this server; the refusal to raise."""
        log.error("version set aside", extra={"bank": key.bank, "version": key.number, "reason": str(error)})
        reason = str(error)[:4000]
        if isinstance(error, DAMAGE) and self._concerns_all(key):
            self._blamed.add(key)
            versions = self._store.versions
            return quarantined(versions.quarantine(key.bank, key.number, reason=reason, actor="server"))
        with self._lock:
            known = self._unfit.get(key)
            self._unfit[key] = reason
        if known != reason:
            self._store.versions.note_unfit(key.bank, key.number, reason=reason, actor="server")
        return unfit_here(key.number, reason)

    def _concerns_all(self, key: Key) -> bool:
        """Not where the storage is gone from here only, nor where another server read it whole since we did not."""
        if not self._store.blobs.files.held():
            return False
        return (
            key not in self._blamed or self._store.versions.get(key.bank, key.number).state == "quarantined"
        )

    def clear(self, version: Version) -> None:
        """It was loaded and proven: nothing is against it any more, neither here nor, if its bytes were, anywhere."""
        with self._lock:
            self._unfit.pop(Key.of(version), None)
            self._blamed.discard(Key.of(version))
            self._due.pop(Key.of(version), None)
        if version.state == "quarantined":
            self._store.versions.release(version.bank, version.number, actor="server")

    def is_due(self, key: Key) -> bool:
        """Whether to try it again now; the next time is later, each pause twice the one before."""
        with self._lock:
            at, pause = self._due.get(key, (0.0, FIRST_PAUSE))
            if self._now() < at:
                return False
            self._due[key] = self._now() + pause, min(LONGEST_PAUSE, 2 * pause)
            return True


def unfit_here(number: int, reason: str) -> VersionUnusable:
    """The refusal of a version that other servers may serve."""
    return VersionUnusable(
        requirement="a version must be one that this server can serve",
        received=f"version {number}, quarantined on this server: {reason}",
        remedy="Mend the cause on this server, which tries again by itself, or activate another version.",
    )
