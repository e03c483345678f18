"""Transactions on SQLite (WAL) or PostgreSQL: short, durable once they return, their faults named.

Durability: SQLite runs with synchronous=FULL, so a commit returns after its fsync; PostgreSQL's
synchronous_commit is switched on where a server has it off. Waiting: writers of this process queue for
SQLite at a lock, which is fair and does not poll; other processes meet in BEGIN IMMEDIATE and its busy
timeout.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import URL, Connection, Engine, Insert, Select, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler

from app.store.columns import Insertion
from app.store.errors import DatabaseBusy, DatabaseUnsupported, NotFound, named, out_of_range
from app.store.schema import Base

if TYPE_CHECKING:
    from app.store.outbox import Outbox

JOURNAL_LIMIT_BYTES = 64 << 20
MIGRATION_WAIT_MINUTES = 10
IMMEDIATE = "BEGIN IMMEDIATE"
AT_END = "at_end"  # in a session: done last in a ``write``; what it returns is called once that is durable


Row = TypeVar("Row")
Ask = Callable[[str], Sequence[Any]]
"""Gives the rows of a query without parameters, read in the transaction that asks."""
Rows = Sequence[Mapping[str, Any] | Base]
Late = Callable[[Ask], tuple[Insertion, Rows, Callable[[], None]] | None]
"""Rows known only within the transaction; what is called last once they are durable."""


def present(row: Row | None, requirement: str, received: str, remedy: str) -> Row:
    """``row``, unless there is none. Raises ``NotFound``."""
    if row is None:
        raise NotFound(requirement, received, remedy)
    return row


def parse_url(text: str) -> URL:
    """A database URL with its driver, else ``DatabaseUnsupported``, which does not repeat a password."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise _unsupported("text that is not a URL") from None
    backend = url.get_backend_name()
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and url.database and url.database != ":memory:" and not url.query:
        return url.set(drivername="sqlite+pysqlite")
    raise _unsupported(f"a {backend} URL" if backend != "sqlite" else "SQLite in memory or with options")


class Database:
    """Read and write transactions over one pool. Safe to share between threads."""

    def __init__(self, url: URL, *, pool: int = 16, wait_seconds: float = 10) -> None:
        self.url, self.wait_seconds = url, wait_seconds
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._turn = threading.Lock() if self.is_sqlite else None
        make = _sqlite_engine if self.is_sqlite else _postgresql_engine
        self.engine = make(url, pool, wait_seconds)
        self._writer = self.engine.execution_options(immediate=True)
        self.audited: Callable[[Sequence[Any]], None] | None = None
        """Is told of audit entries (app/store/audit.py) once they are durable."""
        self.outbox: Outbox | None = None
        """Where transactions note events (app/store/outbox.py)."""

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: committed and durable when the block ends, rolled back if it raises."""
        with (
            self._named_faults(),
            self._in_turn(),
            self._new_session(self._writer) as session,
            session.begin(),
        ):
            yield session
            durable = [work() for work in session.info.get(AT_END, ())]
        for told in durable:
            told()

    def append(self, *added: tuple[Insertion, Rows], late: Late | None = None) -> None:
        """``write`` for rows that every inspection adds, by the driver: SQLAlchemy takes longer than the disk."""
        values = [
            (insertion.sql, [insertion.values(row) for row in rows]) for insertion, rows in added if rows
        ]
        with self._named_faults(), self._in_turn(), self._cursor(added[0][0].sql) as cursor:
            if self.is_sqlite:
                cursor.execute(IMMEDIATE)
            for sql, rows in values:
                cursor.executemany(sql, rows)
            more = late(lambda sql: cursor.execute(sql).fetchall()) if late is not None else None
            if more is not None:
                insertion, new, _ = more
                cursor.executemany(insertion.sql, [insertion.values(row) for row in new])
            cursor.connection.commit()
        if more is not None:
            more[2]()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One read transaction; rows stay usable after it."""
        with self._named_faults(), self._new_session(self.engine) as session:
            yield session

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """One read past the session, for what every inspection asks: building objects takes longer than reading."""
        with self._named_faults(), self.engine.connect() as connection:
            yield connection

    def insertion(self, statement: Insert, named: Sequence[str] | None = None) -> Insertion:
        """An INSERT of whole rows, or of the ``named`` columns, for ``append``."""
        return Insertion(statement, self.engine.dialect, named)

    def compiled(self, query: Select[Any]) -> SQLCompiler:
        """A query for ``driver_row``, in this database's words."""
        made = query.compile(self.engine)
        assert isinstance(made, SQLCompiler)
        return made

    def driver_row(self, compiled: SQLCompiler, **values: Any) -> tuple[Any, ...] | None:
        """A query's one row as the driver gives it, to see whether it has changed: sooner than ``look`` can.

        Nothing is converted, values to look for as little as those found.
        """
        named_values = compiled.construct_params(values)
        given = (
            [named_values[name] for name in compiled.positiontup or ()]
            if compiled.positional
            else named_values
        )
        with self._named_faults(), self._cursor(compiled.string) as cursor:
            cursor.execute(compiled.string, given)
            row: tuple[Any, ...] | None = cursor.fetchone()
            return row

    @contextmanager
    def _cursor(self, sql: str) -> Iterator[Any]:
        """The driver's own cursor, on a connection of the pool; what was not committed is rolled back."""
        driver: Any = self.engine.dialect.loaded_dbapi
        connection = self.engine.raw_connection()
        try:
            yield connection.cursor()
        except driver.Error as error:
            connection.invalidate(error)
            raise DBAPIError.instance(sql, None, error, driver.Error) from error
        finally:
            connection.close()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection whose every statement sees the same moment (SQLite's WAL does so by itself)."""
        level: dict[str, Any] = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with self._named_faults(), self.engine.connect() as connection:
            yield connection.execution_options(**level)

    @contextmanager
    def migration(self) -> Iterator[Connection]:
        """One transaction in which tables may change; waits long for another process that does the same."""
        with self._named_faults(), self._in_turn(), self._writer.connect() as connection:
            self._prepare_migration(connection)
            try:
                with connection.begin():
                    yield connection
            finally:
                connection.invalidate()  # its settings were only for this

    def insert(self, table: type[Base]) -> Any:
        """An INSERT that knows ``on_conflict_do_nothing`` and ``..._update``, as both databases do."""
        return (sqlite if self.is_sqlite else postgresql).insert(table.__table__)

    def _new_session(self, engine: Engine) -> Session:
        return Session(engine, expire_on_commit=False, info={"database": self})

    def close(self) -> None:
        self.engine.dispose()

    def _prepare_migration(self, connection: Connection) -> None:
        """Outside any transaction, the only place where SQLite heeds the pragma: its table copies must not cascade."""
        driver: Any = connection.connection.driver_connection
        if self.is_sqlite:
            driver.execute("PRAGMA foreign_keys=OFF")
        else:
            driver.execute(f"SET lock_timeout = '{MIGRATION_WAIT_MINUTES}min'")
            driver.commit()

    @contextmanager
    def _named_faults(self) -> Iterator[None]:
        try:
            yield
        except OverflowError as error:  # SQLite's driver, before SQLAlchemy sees it
            raise out_of_range(str(error)) from error
        except SQLAlchemyError as error:
            if (fault := named(error)) is error:
                raise
            raise fault from error

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=self.wait_seconds):
            raise DatabaseBusy(
                requirement="a write must get its turn",
                received=f"{self.wait_seconds:g} s of waiting behind other writes",
                remedy="Try again; raise NOMINAL_DATABASE_WAIT_SECONDS if this lasts.",
            )
        try:
            yield
        finally:
            self._turn.release()


def _sqlite_engine(url: URL, pool: int, wait_seconds: float) -> Engine:
    engine = create_engine(
        url,
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": wait_seconds},
        **_pooled(pool, wait_seconds),
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA journal_size_limit={JOURNAL_LIMIT_BYTES}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql(IMMEDIATE if immediate else "BEGIN")

    return engine


def _postgresql_engine(url: URL, pool: int, wait_seconds: float) -> Engine:
    engine = create_engine(
        url,
        connect_args={"connect_timeout": max(2, round(wait_seconds))},
        pool_pre_ping=True,
        **_pooled(pool, wait_seconds),
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {round(wait_seconds * 1000)}")
            if cursor.execute("SHOW synchronous_commit").fetchone() == ("off",):
                cursor.execute("SET synchronous_commit = on")
        connection.commit()

    return engine


def _pooled(size: int, wait_seconds: float) -> dict[str, Any]:
    return {"pool_size": size, "max_overflow": 0, "pool_timeout": wait_seconds, "hide_parameters": True}


def _unsupported(received: str) -> DatabaseUnsupported:
    return DatabaseUnsupported(
        requirement="the database must be SQLite in a file or PostgreSQL",
        received=received,
        remedy="Set NOMINAL_DATABASE_URL to sqlite:////path/to/file or postgresql://user:password@host/name.",
    )
