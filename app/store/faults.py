"""What a driver's exception means: SQLite's error codes and PostgreSQL's SQLSTATEs as store errors."""

from __future__ import annotations

import errno
import sqlite3

from sqlalchemy.exc import DBAPIError, SQLAlchemyError, TimeoutError

from app.store.errors import (
    DatabaseBusy,
    DatabaseUnavailable,
    IllegalValue,
    ReferenceGone,
    StorageFull,
    StoreError,
)

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
    return IllegalValue(
        requirement="values must fit their column", received=received, remedy="Send a smaller value."
    )


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
