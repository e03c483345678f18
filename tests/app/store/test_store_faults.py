"""What the machine may refuse: a locked database, a full one, a lost connection; each by its name."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy.exc import InvalidRequestError
from store_backends import BACKENDS, NO_SERVICES, SERVICES, fresh_settings

from app.settings import Settings
from app.store import errors
from app.store.errors import DatabaseBusy, DatabaseUnavailable, StorageFull, StoreError, named
from app.store.store import Store


def test_a_database_that_another_process_has_locked_is_busy_and_then_works(tmp_path: Path) -> None:
    with fresh_settings("sqlite", tmp_path, database_wait_seconds=0.05) as settings:
        store = Store(settings)
        other = sqlite3.connect(tmp_path / "nominal.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy, match="NOMINAL_DATABASE_WAIT_SECONDS"):
            store.banks.create("screws", title="", config={}, actor="cli")
        assert store.banks.page().items == []  # readers are not kept waiting
        other.execute("ROLLBACK")
        other.close()
        assert store.banks.create("screws", title="", config={}, actor="cli").revision == 1
        store.close()


def test_a_row_that_another_transaction_holds_is_busy(tmp_path: Path) -> None:
    with fresh_settings("postgres", tmp_path, database_wait_seconds=0.05) as settings:
        store = Store(settings)
        store.banks.create("screws", title="", config={}, actor="cli")
        with store.database.engine.begin() as other:
            other.exec_driver_sql("SELECT * FROM banks FOR UPDATE")
            with pytest.raises(DatabaseBusy, match="55P03"):
                store.banks.update("screws", actor="cli", title="New")
        assert store.banks.update("screws", actor="cli", title="New").revision == 2
        store.close()


def test_writers_past_the_wait_for_their_turn_are_told_busy(tmp_path: Path) -> None:
    with fresh_settings("sqlite", tmp_path, database_wait_seconds=0.05) as settings:
        store = Store(settings)
        with store.database.write(), pytest.raises(DatabaseBusy, match="waiting behind other writes"):
            run_in_thread(lambda: store.banks.create("screws", title="", config={}, actor="cli"))
        store.close()


def test_no_free_connection_is_busy(tmp_path: Path) -> None:
    with fresh_settings("sqlite", tmp_path, database_pool=1, database_wait_seconds=0.05) as settings:
        store = Store(settings)
        with store.database.read() as session:
            session.connection()
            with pytest.raises(DatabaseBusy, match="no free connection"):
                store.banks.page()
        store.close()


def test_a_full_database_is_named_and_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    with fresh_settings("sqlite", tmp_path, database_pool=1) as settings:
        store = Store(settings)
        with store.database.read() as session:
            pages = session.connection().exec_driver_sql("PRAGMA page_count").scalar_one()
            session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages + 8}")
        made = 0

        def create_many() -> None:
            nonlocal made
            for made in range(1000):
                store.banks.create(f"b{made}", title="x" * 200, config={"pad": "y" * 2000}, actor="cli")

        with pytest.raises(StorageFull, match="Free disk space"):
            create_many()
        assert made > 0
        assert len(store.banks.page(limit=1000).items) == made
        with store.database.read() as session:
            assert session.connection().exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        store.close()


def test_a_database_damaged_while_it_is_open_is_unavailable(tmp_path: Path) -> None:
    with fresh_settings("sqlite", tmp_path) as settings:
        Store(settings).close()
        data = bytearray((tmp_path / "nominal.db").read_bytes())
        data[4096:] = b"\xff" * (len(data) - 4096)
        (tmp_path / "nominal.db").write_bytes(data)
        with pytest.raises(DatabaseUnavailable, match="SQLITE_CORRUPT"):
            Store(settings).banks.page()


def test_connections_that_the_server_ends_are_made_anew(tmp_path: Path) -> None:
    with fresh_settings("postgres", tmp_path) as settings:
        store = Store(settings)
        store.banks.create("screws", title="", config={}, actor="cli")
        with store.database.engine.begin() as admin:
            admin.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert store.banks.get("screws").id == "screws"
        store.close()


def test_a_connection_that_ends_within_a_transaction_is_named_unavailable(tmp_path: Path) -> None:
    with fresh_settings("postgres", tmp_path) as settings:
        store = Store(settings)
        with pytest.raises(DatabaseUnavailable), store.database.write() as session:
            session.connection().exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
        assert store.banks.page().items == []
        store.close()


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.BlobsUnavailable, match="NOMINAL_DATA_DIR"):
        Store(Settings(data_dir=tmp_path / "file" / "data"))


def test_these_tests_run_on_postgresql_and_s3_too() -> None:
    if not SERVICES:
        pytest.skip(NO_SERVICES)
    assert BACKENDS == ["sqlite", "postgres"]


def test_a_fault_of_the_program_is_not_dressed_up() -> None:
    error = InvalidRequestError("a bug")
    assert named(error) is error


def test_durability_is_switched_on_whatever_the_server_says(tmp_path: Path) -> None:
    with fresh_settings("sqlite", tmp_path) as settings:
        store = Store(settings)
        with store.database.read() as session:
            for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
                assert session.connection().exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value
        store.close()


def test_postgresql_acknowledges_durably_also_where_the_server_would_not(tmp_path: Path) -> None:
    with fresh_settings("postgres", tmp_path) as settings:
        store = Store(settings)
        with store.database.engine.connect() as connection:
            name = connection.engine.url.database
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
            connection.commit()
        store.close()  # new connections take the database's setting
        with store.database.read() as session:
            assert session.connection().exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"
        store.close()


def test_every_error_of_the_store_explains_itself_and_is_made_somewhere() -> None:
    sources = "".join(path.read_text() for path in Path(errors.__file__).parents[1].rglob("*.py"))
    tree = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, StoreError)]
    for each in tree:
        assert each.__doc__
        assert (
            each is StoreError
            or f"{each.__name__}(\n" in sources
            or f"{each.__name__}(requirement" in sources
        )
    assert len(tree) > 25


def run_in_thread(work: object) -> None:
    """Run ``work`` in a thread; raises what it raised."""
    caught: list[BaseException] = []

    def run() -> None:
        try:
            work()  # type: ignore[operator]
        except StoreError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if caught:
        raise caught[0]
