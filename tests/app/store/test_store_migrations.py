"""Migrations: they make exactly the tables, once, and leave newer databases alone."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, insert, inspect, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.settings import Settings
from app.store import migrate
from app.store.errors import DatabaseUnavailable, DatabaseUnsupported, NewerDatabase
from app.store.ids import new_id
from app.store.schema import Bank, Base, Inspection, Review, ThresholdChange
from app.store.store import Store, open_database, open_store

SHA = "a" * 64


def test_migrations_make_exactly_the_tables_of_the_schema(store: Store) -> None:
    with store.database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": migrate.VERSION_TABLE, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_migrations_make_the_checks_and_cascades_that_alembic_does_not_compare(store: Store) -> None:
    found = inspect(store.database.engine)
    for table in Base.metadata.sorted_tables:
        checks = {str(each.name) for each in table.constraints if isinstance(each, CheckConstraint)}
        assert {each["name"] for each in found.get_check_constraints(table.name)} == checks
        cascades = {fk.constraint.name: fk.ondelete for fk in table.foreign_keys if fk.constraint}
        keys = found.get_foreign_keys(table.name)
        assert {each["name"]: each["options"].get("ondelete") for each in keys} == cascades


def test_one_active_job_of_a_kind_a_bank_is_kept_by_an_index_over_active_jobs_only(store: Store) -> None:
    indexes = {index["name"]: index for index in inspect(store.database.engine).get_indexes("jobs")}
    options = indexes["uq_jobs_active_bank"]["dialect_options"]
    condition = str(options.get("sqlite_where", options.get("postgresql_where")))
    assert indexes["uq_jobs_active_bank"]["unique"]
    assert indexes["uq_jobs_active_bank"]["column_names"] == ["bank", "kind"]
    assert "queued" in condition
    assert "failed" not in condition


def test_migrating_again_changes_nothing(store: Store) -> None:
    migrate.upgrade(store.database)
    with store.database.read() as session:
        assert migrate.current(session.connection()) == migrate.head()


@pytest.fixture
def ready() -> None:
    """These tests make the tables."""


@contextmanager
def store_of_revision(settings: Settings, revision: str) -> Iterator[Session]:
    """Writes into a new store as an earlier release left it."""
    settings.data_dir.mkdir(exist_ok=True)
    database = open_database(settings)
    migrate.upgrade(database, revision)
    with database.write() as session:
        yield session
    database.close()


def add_earlier(session: Session, *seen: Inspection) -> None:
    """Inspections as the first release wrote them."""
    later = {"location", "image_not_kept", "kind"}
    names = [column.name for column in Inspection.__table__.columns if column.name not in later]
    session.execute(
        insert(Inspection.__table__), [{name: getattr(each, name) for name in names} for each in seen]
    )


def test_a_store_of_the_first_release_keeps_its_rows_and_takes_what_is_new(
    settings: Settings, make_inspection: Callable[..., Inspection]
) -> None:
    seen, now = make_inspection(), datetime(2026, 1, 1, tzinfo=UTC)
    bank = {"title": "Screws", "config": {}, "created_at": now, "updated_at": now, "pinned": False}
    change = {"id": new_id(), "bank": "screws", "reject_threshold": 3.0, "actor": "cli", "created_at": now}
    review = {"inspection_id": seen.id, "revision": 1, "verdict": "false_alarm", "note": "", "actor": "cli"}
    with store_of_revision(settings, "0001") as session:
        add_earlier(session, seen)
        session.execute(insert(Bank.__table__), [bank | {"id": "screws", "last_version": 0, "revision": 1}])
        session.execute(insert(ThresholdChange.__table__), [change])
        session.execute(insert(Review.__table__), [review | {"created_at": now}])
        connection = session.connection()
        connection.exec_driver_sql(f"INSERT INTO blobs VALUES ('{SHA}', 9, 'image/png', '2026-01-01')")
        connection.exec_driver_sql(
            "INSERT INTO images (bank, sha256, name, bytes, width, height, source, added_at) "
            f"VALUES ('screws', '{SHA}', 'a.png', 9, 4, 3, 'upload', '2026-01-01')"
        )
    with open_store(settings) as store:
        kept = store.banks.threshold_changes("screws")
        assert [(each.reject_threshold, each.note) for each in kept] == [(3.0, None)]
        assert [each.verdict for each in store.reviews.all(seen.id)] == ["false_alarm"]
        assert store.images.get("screws", SHA).serial is None
        store.images.say_serials("screws", {SHA: "A-17"}, actor="cli")
        store.banks.update("screws", actor="cli", reject_threshold=4.0, note="glare")
        assert store.banks.threshold_changes("screws")[0].note == "glare"
        store.reviews.add(seen.id, "withdrawn", actor="cli")
        assert store.inspections.get(seen.id).verdict is None
        assert (store.inspections.get(seen.id).kind, store.descriptors.get(seen.id)) == (None, None)
        with pytest.raises(IntegrityError), store.database.write() as session:
            session.execute(update(Review.__table__).values(verdict="guess"))


def test_a_store_of_an_earlier_release_gives_no_number_again_that_an_inspection_has(
    settings: Settings, make_inspection: Callable[..., Inspection]
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    bank = {"title": "", "config": {}, "created_at": now, "updated_at": now, "pinned": False, "revision": 1}
    with store_of_revision(settings, "0004") as session:
        for name, last, active in (("again", 1, 1), ("ahead", 8, None)):
            row = bank | {"id": name, "last_version": last, "active_version": active}
            session.execute(insert(Bank.__table__), [row])
        add_earlier(session, *(make_inspection(bank=name, version=5) for name in ("again", "ahead", "gone")))
        connection = session.connection()
        connection.exec_driver_sql(f"INSERT INTO blobs VALUES ('{SHA}', 9, 'a', '2026-01-01')")
        connection.exec_driver_sql(
            "INSERT INTO versions (bank, number, sha256, bytes, summary, created_at, state) "
            f"VALUES ('again', 1, '{SHA}', 9, '{{}}', '2026-01-01', 'ok')"
        )
    with open_store(settings) as store:
        again = store.banks.get("again")
        assert (again.active_version, again.active_sha256, again.last_version) == (1, SHA, 5)
        assert (store.banks.get("ahead").last_version, store.banks.get("ahead").active_sha256) == (8, None)
        assert store.banks.create("gone", title="", config={}, actor="cli").last_version == 5


@pytest.mark.parametrize("left", ["a key", "only its audit entry", "nothing"])
def test_a_store_of_an_earlier_release_that_had_a_key_stays_closed(settings: Settings, left: str) -> None:
    with store_of_revision(settings, "0006") as session:
        key = "('0123456789ab', 'line', 'read', 'x', 'cli', '2026-01-01', NULL, NULL)"
        entry = "('1', 'cli', 'key.create', 'key:x', '{}', '2026-01-01')"
        if left == "a key":
            session.connection().exec_driver_sql(f"INSERT INTO api_keys VALUES {key}")
        if left == "only its audit entry":
            session.connection().exec_driver_sql(f"INSERT INTO audit VALUES {entry}")
    with open_store(settings) as store:
        assert store.keys.needed() is (left != "nothing")


def test_the_audit_log_of_an_earlier_release_is_chained_and_goes_on(settings: Settings) -> None:
    with store_of_revision(settings, "0006") as session:
        for i in range(3):
            detail = '{"share": 0.5, "name": "Ü"}'
            row = f"('{i}', 'cli', 'bank.update', 'bank:x', '{detail}', '2026-01-0{i + 1} 12:00:00.000001')"
            session.connection().exec_driver_sql(f"INSERT INTO audit VALUES {row}")
    with open_store(settings) as store:
        assert store.audit.verify().entries == 3
        store.audit.note("cli", "test", "x")
        assert store.audit.verify().entries == 4


def open_and_close(settings: Settings) -> None:
    Store(settings).close()


def test_processes_that_start_together_migrate_once(settings: Settings) -> None:
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=open_and_close, args=(settings,)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]


def test_a_database_of_a_newer_release_is_refused_and_left_alone(settings: Settings) -> None:
    Store(settings).close()
    database = open_database(settings)
    with database.write() as session:
        session.connection().exec_driver_sql(f"UPDATE {migrate.VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(NewerDatabase, match="revision 9999"):
        Store(settings)
    with database.read() as session:
        assert migrate.current(session.connection()) == "9999"
    database.close()


def test_a_migration_that_fails_leaves_no_table_behind(settings: Settings) -> None:
    settings.data_dir.mkdir()
    database = open_database(settings)

    def migrate_and_fail() -> None:
        with database.migration() as connection:
            Base.metadata.create_all(connection)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        migrate_and_fail()
    assert inspect(database.engine).get_table_names() == []
    database.close()


def test_references_are_enforced_again_after_a_migration(store: Store) -> None:
    if not store.database.is_sqlite:
        pytest.skip("PostgreSQL always enforces them")
    with store.database.read() as session:
        assert session.connection().exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "nominal.db").write_bytes(b"not a database, and longer than a header of one" * 100)
    with pytest.raises(DatabaseUnavailable, match="SQLITE_NOTADB"):
        Store(Settings(data_dir=tmp_path))


@pytest.mark.parametrize(
    "url", ["mysql://u:hunter2@host/db", "sqlite://", "sqlite:///:memory:", "sqlite:///x?mode=ro", "hunter2"]
)
def test_a_database_nominal_does_not_know_is_refused_without_repeating_its_url(
    tmp_path: Path, url: str
) -> None:
    with pytest.raises(DatabaseUnsupported) as caught:
        Store(Settings(data_dir=tmp_path, database_url=url))
    assert "hunter2" not in str(caught.value)


def test_a_server_that_is_not_there_is_named_unavailable_without_the_password(tmp_path: Path) -> None:
    url = "postgresql://u:hunter2@127.0.0.1:1/db"
    with pytest.raises(DatabaseUnavailable, match="Check that the server runs") as caught:
        Store(Settings(data_dir=tmp_path, database_url=url, database_wait_seconds=2))
    assert "hunter2" not in str(caught.value)
