"""Every error the store can raise, as one tree: each says requirement, received and remedy."""

from __future__ import annotations

from sqlalchemy.exc import DontWrapMixin

from app.errors import AppError


class StoreError(AppError):
    """Root of the store's errors."""


# What the caller asked for


class NotFound(StoreError):
    """No bank, image, version, job, inspection or key has this name."""


class AlreadyExists(StoreError):
    """The name is taken."""


class StaleRevision(StoreError):
    """The row changed since the caller read it (If-Match); nothing was written."""


class IllegalId(StoreError):
    """A new bank's id has other characters, or more, than ids may have."""


class IllegalValue(StoreError, DontWrapMixin):
    """A text or JSON value that no database here could give back: NUL, lone surrogates, NaN, or too long."""


class BuildAlreadyRunning(StoreError):
    """The bank has a job queued or running, and may have one at a time."""


class JobFinished(StoreError):
    """The job has ended and cannot be cancelled."""


class IdempotencyConflict(StoreError):
    """The Idempotency-Key was used for another request."""


class VersionUnusable(StoreError):
    """The version is quarantined and cannot be activated."""


class VersionInUse(StoreError):
    """The active version cannot be deleted."""


class ImageNotKept(StoreError):
    """The inspection's image was not kept, so it cannot join the nominal set."""


class NotAFalseAlarm(StoreError):
    """Only an inspection reviewed as a false alarm may join the nominal set."""


class KeyRefused(StoreError):
    """The API key is unknown, revoked or expired; which of these is not said."""


class ReferenceGone(StoreError):
    """A write refers to a blob that was never kept, or was collected before; nothing was written."""


# A worker's lease


class LeaseLost(StoreError):
    """The job was taken from this worker; its result must be dropped."""


# The machine


class StorageFull(StoreError):
    """The disk, quota or database is full; nothing was kept of the write."""


class DatabaseBusy(StoreError):
    """Another writer held the database longer than the wait; nothing was written, trying again is safe."""


class DatabaseUnavailable(StoreError):
    """The database cannot be reached, opened or trusted."""


class DatabaseUnsupported(StoreError):
    """The database URL names neither SQLite in a file nor PostgreSQL."""


class NewerDatabase(StoreError):
    """The database was migrated by a newer release; this one will not touch it."""


class ClockJumped(StoreError):
    """The wall clock moved otherwise than time did, so nothing may be deleted for its age."""


# Blobs


class BlobTooLarge(StoreError):
    """More bytes than the limit; nothing was kept."""


class BlobMissing(StoreError):
    """The blob's bytes are not where the database says."""


class BlobCorrupt(StoreError):
    """The blob's bytes do not have the digest that names them."""


class BlobsUnavailable(StoreError):
    """The blob folder or bucket cannot be reached, read or written."""


# Backup


class BackupCorrupt(StoreError):
    """The backup is truncated or edited, or no backup."""


class BackupOtherRelease(StoreError):
    """The backup's tables are of another release."""


class StoreNotEmpty(StoreError):
    """A backup is restored into an empty store only."""
