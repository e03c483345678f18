"""Every error the store can raise, as one tree, and which of them a driver's exception means.

The latter by SQLite's error codes and PostgreSQL's SQLSTATEs.
"""

from __future__ import annotations

import errno
import sqlite3

from sqlalchemy.exc import DBAPIError, DontWrapMixin, SQLAlchemyError, TimeoutError

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
    """The bank has a job of this kind queued or running, and may have one at a time."""


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


class LinkRefused(KeyRefused):
    """A sign-in link that does not sign in; ``reason`` is unknown, used or expired."""

    reason: str = "unknown"


class SignInRefused(KeyRefused):
    """Signing in at the OpenID provider came to nothing; ``reason`` is denied, stale, no_role or provider."""

    reason: str = "provider"


class KeyConflict(StoreError):
    """The keys are not in a state for this: one that ended cannot be replaced, a store with valid ones not opened."""


class AuditBroken(StoreError):
    """An entry of the audit log was changed or is gone."""


class SerialConflict(StoreError):
    """An image is said to show one part and then another."""


class LabelConflict(StoreError):
    """An image of a check set is said to be of one kind and then of another."""


class CheckSetFull(StoreError):
    """A check set holds as many images as it may, or a bank as many check sets."""


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


class DatabaseLost(StoreError):
    """The database has no row although files or keys were kept beside it."""


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


NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

BUSY = {"SQLITE_BUSY", "SQLITE_LOCKED", "55P03", "40P01", "40001", "57014", "53300"}
REFERENCE = {"SQLITE_CONSTRAINT_FOREIGNKEY", "23503"}
FULL = {"SQLITE_FULL", "53100", "53200"}


def named(error: SQLAlchemyError) -> StoreError | SQLAlchemyError:
    """The store's error for a driver's one; the error itself if it is a fault of this program."""
    if isinstance(error, TimeoutError):
        return _busy("no free connection")
    if not isinstance(error, DBAPIError):
        return error
    code = _code(error.orig)
    if code in BUSY or code.startswith("SQLITE_BUSY"):
        return _busy(code)
    if code in REFERENCE:
        return ReferenceGone(
            requirement="what a row refers to must be in the store",
            received="a reference to a blob, or another row, that is not there or is no longer there",
            remedy="Send the file again.",
        )
    if code in FULL:
        return storage_full("the database must have free space", code)
    if code.startswith("22"):  # PostgreSQL's data exceptions: number out of range, bad text
        return out_of_range(code)
    if _is_programming_fault(error, code):
        return error
    return DatabaseUnavailable(
        requirement="the database must be reachable and intact",
        received=f"{code or 'no connection'} ({type(error.orig).__name__})",
        remedy="Check that the server runs, its disk and its permissions; then try again.",
    )


def out_of_range(received: str) -> IllegalValue:
    """For numbers no column holds."""
    return IllegalValue("values must fit their column", received, "Send a smaller value.")


def storage_full(where: str, received: str) -> StorageFull:
    """The one way to say that space ran out."""
    return StorageFull(
        requirement=where,
        received=received,
        remedy="Free disk space, shorten retention, or move the data; what was acknowledged is safe.",
    )


def _busy(received: str) -> DatabaseBusy:
    return DatabaseBusy(
        requirement="a transaction must get its locks within the wait",
        received=received,
        remedy="Try again; raise NOMINAL_DATABASE_WAIT_SECONDS if this lasts.",
    )


def _code(orig: BaseException | None) -> str:
    if isinstance(orig, sqlite3.Error):
        return getattr(orig, "sqlite_errorname", "")
    return getattr(orig, "sqlstate", None) or ""


def _is_programming_fault(error: DBAPIError, code: str) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        return code.startswith("SQLITE_CONSTRAINT") or code in {
            "SQLITE_ERROR",
            "SQLITE_MISMATCH",
            "SQLITE_RANGE",
        }
    return bool(code) and code[:2] in {"23", "42", "0A", "26", "34", "25"}
