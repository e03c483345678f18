"""Signals between the servers of one PostgreSQL (LISTEN and NOTIFY): what changed, said once it is durable.

A signal says no more than where to look; what it is about is read from the tables. So one that is lost, while a
connection is gone or behind a pool that passes none on, costs the time until the next look, which every server takes
anyway, and nothing else. SQLite has no signals: its servers only look.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, get_args

import psycopg
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.store.database import Database

CHANNEL = "nominal"
Kind = Literal["jobs", "keys", "sinks", "events", "warm"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ABOUT: dict[str, Kind] = {"job": "jobs", "key": "keys", "person": "keys", "sink": "sinks"}
"""Of what audited actions begin with."""
NOTIFY = text("SELECT pg_notify(:channel, :payload)")
TELL_SECONDS = 0.02  # between two that are told from outside of transactions
QUIET_SECONDS = 10.0  # after which the connection is asked whether it lives
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0  # seconds between two tries to connect
ALIVE = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "connect_timeout": 5}

Hear = Callable[[Kind, str], None]
log = logging.getLogger(__name__)


def signal(session: Session, kind: Kind, subject: str = "") -> None:
    """Tell all servers once the transaction of ``session`` is durable; nothing where there is no PostgreSQL."""
    database: Database = session.info["database"]
    if not database.is_sqlite:
        session.connection().execute(NOTIFY, {"channel": CHANNEL, "payload": f"{kind} {subject}"})


def signal_of(session: Session, action: str) -> None:
    """``signal`` what an audited action (``key.revoke``) changed, if others look for it."""
    noun, _, verb = action.partition(".")
    if noun in ABOUT and verb != "refused":
        signal(session, ABOUT[noun])


class Listener:
    """A thread with the one connection of a server that listens; it connects again by itself. None on SQLite.

    ``hear`` is called on that thread, with every kind and no subject whenever signals may have been missed.
    """

    def __init__(self, database: Database, hear: Hear) -> None:
        self._database, self._hear = database, hear
        self._told: set[tuple[Kind, str]] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self.connected = False

    def start(self) -> None:
        if not self._database.is_sqlite:
            self._thread.start()

    def stop(self) -> None:
        """Returns once the connection is closed."""
        self._stopping.set()
        self._look()
        if self._thread.is_alive():
            self._thread.join()
        self._wake.close()
        self._woken.close()

    def tell(self, kind: Kind, subject: str) -> None:
        """Signal from outside of a transaction, within ``TELL_SECONDS``; what is said again meanwhile is said once."""
        if self._database.is_sqlite:
            return
        with self._lock:
            self._told.add((kind, subject))
        self._look()

    def _look(self) -> None:
        with contextlib.suppress(OSError):  # it has ended
            self._wake.send(b"!")

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            try:
                with self._connected() as connection:
                    pause = FIRST_PAUSE
                    self._listen(connection)
            except (psycopg.Error, OSError) as error:
                if self.connected:
                    log.warning("the connection that listens is gone: %s", error)
                self.connected = False
                self._stopping.wait(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        arguments, options = self._database.engine.dialect.create_connect_args(self._database.url)
        with ExitStack() as stack:
            connection: psycopg.Connection[Any] = psycopg.connect(
                *arguments, **{**ALIVE, **options}, autocommit=True
            )
            stack.enter_context(contextlib.closing(connection))
            connection.add_notify_handler(self._heard)
            connection.execute(f"LISTEN {CHANNEL}")
            self.connected = True
            for kind in KINDS:
                self._hear(kind, "")
            yield connection

    def _listen(self, connection: psycopg.Connection[Any]) -> None:
        while not self._stopping.is_set():
            with self._lock:
                told, self._told = self._told, set()
            for kind, subject in sorted(told):
                connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{kind} {subject}"))
            if told:
                self._stopping.wait(TELL_SECONDS)
            waited: list[Any] = [connection.fileno(), self._woken]
            select.select(waited, [], [], QUIET_SECONDS)
            with contextlib.suppress(BlockingIOError):
                while self._woken.recv(1024):
                    pass
            connection.execute("SELECT 1")  # takes in what came; fails where the connection is gone

    def _heard(self, notification: psycopg.Notify) -> None:
        kind, _, subject = notification.payload.partition(" ")
        if kind in KINDS:
            self._hear(kind, subject)
