"""The audit log: chained so that a changed or removed entry shows, from where, and sent elsewhere as well."""

from __future__ import annotations

import json
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from app.errors import StartRefused
from app.settings import Settings
from app.store.audit import START, caller
from app.store.errors import AlreadyExists, AuditBroken
from app.store.shipping import Shipping
from app.store.store import Store, open_store

Tamper = Callable[[Store, str], None]


def sql(store: Store, statement: str) -> None:
    with store.database.write() as session:
        session.execute(text(statement))


def filled(store: Store) -> None:
    """Five entries."""
    store.banks.create("screws", title="", config={}, actor="cli", reject_threshold=1e300)
    store.banks.update("screws", actor="k1", title="Ü", note="\u2028 ' \"")
    store.keys.create("line", "read", actor="cli", days=0.5)
    store.audit.note("k1", "version.download", "bank:screws", times=3, share=1e22, none=None, list=[1.0, 0.1])
    store.banks.delete("screws", actor="k1")


def test_an_empty_log_and_a_full_one_are_proven(store: Store) -> None:
    assert store.audit.verify() == store.audit.verify()
    assert (store.audit.verify().entries, store.audit.verify().digest) == (0, START)
    filled(store)
    chain = store.audit.verify()
    assert chain.entries == 5
    assert [entry.number for entry in store.audit.page().items] == [5, 4, 3, 2, 1]
    assert store.audit.page().items[0].digest == chain.digest


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM audit WHERE number = 3", "number 3"),
        ("DELETE FROM audit WHERE number = 5", "4 entries"),
        ("DELETE FROM audit", "0 entries"),
        ("UPDATE audit SET actor = 'somebody' WHERE number = 2", "entry 2"),
        ("UPDATE audit SET address = '192.0.2.1' WHERE number = 2", "entry 2"),
        ("UPDATE audit SET created_at = '2026-01-02' WHERE number = 1", "entry 1"),
        ("UPDATE audit SET detail = '{}' WHERE number = 4", "entry 4"),
        ("UPDATE audit SET number = NULL WHERE number = 5", "number 1"),
        ("UPDATE audit SET number = -number WHERE number IN (3, 4)", "number 1"),
        ("UPDATE marks SET value = '5:0' WHERE name = 'audit.last'", "5 entries"),
    ],
)
def test_what_is_changed_or_removed_shows(store: Store, statement: str, said: str) -> None:
    filled(store)
    sql(store, statement)
    with pytest.raises(AuditBroken, match=said):
        store.audit.verify()


def test_threads_that_write_at_once_make_one_chain(store: Store) -> None:
    def write(i: int) -> None:
        for j in range(5):
            store.audit.note(f"k{i}", "test", f"{j}")

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.audit.verify().entries == 40


def test_a_change_that_fails_leaves_no_entry_and_no_gap(store: Store) -> None:
    filled(store)
    store.banks.create("caps", title="", config={}, actor="cli")
    with pytest.raises(AlreadyExists):
        store.banks.create("caps", title="", config={}, actor="cli")
    store.banks.delete("caps", actor="cli")
    assert store.audit.verify().entries == 7


def test_an_entry_has_the_callers_address(store: Store) -> None:
    token = caller.set("192.0.2.7")
    store.audit.note("k1", "test", "x")
    caller.reset(token)
    store.audit.note("cli", "test", "x")
    assert [entry.address for entry in store.audit.page().items] == [None, "192.0.2.7"]


def test_a_restored_log_is_proven_and_goes_on(store: Store, settings: Settings, tmp_path: Path) -> None:
    filled(store)
    store.backup(tmp_path / "all.tar")
    assert stat.S_IMODE((tmp_path / "all.tar").stat().st_mode) == 0o600
    with open_store(Settings(data_dir=tmp_path / "other")) as other:
        other.restore(tmp_path / "all.tar")
        other.audit.note("cli", "test", "x")
        assert other.audit.verify().entries == 6


# Sent elsewhere


def test_entries_are_written_to_a_file_that_only_its_owner_reads_and_that_may_be_rotated(
    tmp_path: Path,
) -> None:
    file = tmp_path / "audit.jsonl"
    with open_store(Settings(data_dir=tmp_path / "data", audit_log=str(file))) as store:
        filled(store)
        first = [json.loads(line) for line in file.read_text().splitlines()]
        file.rename(tmp_path / "audit.1")
        store.audit.note("cli", "test", "100 %s")
        [last] = [json.loads(line) for line in file.read_text().splitlines()]
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [each["number"] for each in (*first, last)] == [1, 2, 3, 4, 5, 6]
        assert (last["target"], last["digest"]) == ("100 %s", store.audit.verify().digest)


@pytest.mark.parametrize("scheme", ["syslog", "syslog+tcp"])
def test_entries_go_to_syslog(tmp_path: Path, scheme: str) -> None:
    kind = socket.SOCK_DGRAM if scheme == "syslog" else socket.SOCK_STREAM
    with socket.socket(type=kind) as server:
        server.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            server.listen()
        log = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
        with open_store(Settings(data_dir=tmp_path / "data", audit_log=log)) as store:
            store.audit.note("k1", "test", "x")
            source = server.accept()[0] if kind == socket.SOCK_STREAM else server
            with source:
                source.settimeout(10)
                said = source.recv(9999).decode().rstrip("\0\n")
    assert said.startswith("<86>nominal: {")  # authpriv.info
    assert json.loads(said.partition("nominal: ")[2])["actor"] == "k1"


@pytest.mark.parametrize(
    "destination", ["/nowhere/audit.log", "syslog+tcp://127.0.0.1:9", "syslog://x:99999"]
)
def test_a_destination_that_cannot_be_opened_is_refused_at_start(destination: str) -> None:
    with pytest.raises(StartRefused, match="NOMINAL_AUDIT_LOG"):
        Shipping(destination)
