"""Audit entries sent to a file or to syslog as JSON lines, by the standard library's handlers, once they are durable.

What cannot be delivered is logged, and stays in the store: work does not stop for it.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Sequence
from logging.handlers import SysLogHandler, WatchedFileHandler
from pathlib import Path
from urllib.parse import urlsplit

from app.errors import StartRefused
from app.store.audit import as_json
from app.store.schema import AuditEntry

LOCAL = "/dev/log"
PORT = 514
log = logging.getLogger(__name__)


class _File(WatchedFileHandler):
    """A file that only its owner reads, opened again once it was rotated."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        _not_delivered()

    def _open(self):  # type: ignore[no-untyped-def]  # as the base class says
        os.close(os.open(self.baseFilename, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        return super()._open()


class _Syslog(SysLogHandler):
    """Syslog's facility for what concerns security."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        _not_delivered()


class Shipping:
    """Where entries go; ``close`` gives it back."""

    def __init__(self, destination: str | None) -> None:
        """Raises ``StartRefused`` for one that cannot be opened."""
        try:
            self._handler = None if destination is None else _handler(destination)
        except (OSError, ValueError) as error:
            raise StartRefused(
                requirement="NOMINAL_AUDIT_LOG must be a file, syslog:, syslog://host:port or syslog+tcp://host:port",
                received=f"{destination!a:.80}: {error}",
                remedy="Correct it, or start what listens there.",
            ) from None

    def send(self, entries: Sequence[AuditEntry]) -> None:
        """In the order of the chain; returns once each was handed over."""
        if self._handler is None:
            return
        for entry in entries:
            said = json.dumps(as_json(entry), ensure_ascii=True)
            self._handler.handle(logging.LogRecord("audit", logging.INFO, "", 0, said, None, None))

    def close(self) -> None:
        """Give the file or socket back."""
        if self._handler is not None:
            self._handler.close()


def _handler(destination: str) -> logging.Handler:
    scheme = destination.partition(":")[0]
    if scheme not in ("syslog", "syslog+tcp"):
        return _File(Path(destination).absolute(), encoding="ascii", delay=False)
    at = urlsplit(destination)
    address = LOCAL if at.hostname is None else (at.hostname, at.port or PORT)
    kind = socket.SOCK_STREAM if scheme == "syslog+tcp" else None
    handler = _Syslog(address, SysLogHandler.LOG_AUTHPRIV, kind)
    handler.ident = "nominal: "
    if kind is not None:  # a stream's messages end with a line
        handler.append_nul = False
        handler.setFormatter(logging.Formatter("%(message)s\n"))
    return handler


def _not_delivered() -> None:
    log.error("an audit entry could not be sent to NOMINAL_AUDIT_LOG", exc_info=True)
