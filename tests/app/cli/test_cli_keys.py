"""``nominal keys`` and ``nominal store``: the store of the settings, without a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.settings import Settings
from app.store.errors import ClockJumped, KeyRefused
from app.store.ids import Clock
from app.store.images import NewImage
from app.store.store import open_store

pytest_plugins = ("command_line",)

Run = Callable[..., Any]  # of command_line.Ended


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A store of its own."""
    monkeypatch.setenv("NOMINAL_DATA_DIR", str(tmp_path / "data"))
    return Settings(data_dir=tmp_path / "data")


def test_a_key_is_given_a_priority_and_quotas_which_can_be_changed_and_taken_back(
    nominal: Run, data: Settings
) -> None:
    made = nominal("keys", "create", "line 3", "--priority", "line", "--share", 0.3, "--in-flight", 8)
    with open_store(data) as store:
        row = store.keys.verify(made.out.strip())
    assert row.limits == {"priority": "line", "share": 0.3, "in_flight": 8}
    changed = nominal(
        "keys", "limit", row.id, "--requests-per-minute", 60, "--no", "in-flight", "--no", "share"
    )
    assert changed.out == f"{row.id} (line 3): priority line, requests_per_minute 60\n"
    [listed] = nominal("keys", "list", "--json").json["keys"]
    assert listed["limits"]["requests_per_minute"] == 60
    assert nominal("keys", "limit", row.id).status == 1
    assert "in-flight" in nominal("keys", "limit", row.id, "--no", "speed").err


def test_a_key_is_made_listed_replaced_and_revoked(nominal: Run, data: Settings) -> None:
    made = nominal("keys", "create", "line 3", "--role", "inspect", "--days", 30)
    text = made.out.strip()
    assert "It is not shown again." in made.err
    with open_store(data) as store:
        row = store.keys.verify(text)
    assert (row.name, row.role, row.created_by) == ("line 3", "inspect", "cli")

    newer = nominal("keys", "rotate", row.id, "--overlap-seconds", 0).out.strip()
    with open_store(data) as store:
        id = store.keys.verify(newer).id
        with pytest.raises(KeyRefused):
            store.keys.verify(text)
    assert nominal("keys", "revoke", id).out == f"Revoked {id} (line 3)\n"
    with open_store(data) as store, pytest.raises(KeyRefused):
        store.keys.verify(newer)

    listed = nominal("keys", "list", "--json")
    assert [key["id"] for key in listed.json["keys"]] == [row.id, id]
    assert text not in listed.out
    assert "line 3" in nominal("keys", "list").out


def test_a_sign_in_link_is_printed_for_people(nominal: Run, data: Settings) -> None:
    nominal("keys", "create", "line 3")
    with open_store(data) as store:
        id = store.keys.all()[0].id
    made = nominal("keys", "link", id, "--url", "https://plant.example/nominal/")
    assert "Signs in as line 3, once, until" in made.err
    path, _, text = made.out.strip().partition("#")
    assert path == "https://plant.example/nominal/console/sign-in/link"
    assert nominal("keys", "link", id).out.startswith("http://127.0.0.1:8000/console/sign-in/link#")
    with open_store(data) as store:
        assert store.links.take(text).id == id
    assert nominal("keys", "link", "nobody").err.startswith("NotFound: ")
    assert nominal("keys", "link", id, "--minutes", 2000).status == 2


def test_a_limited_key_is_listed_with_its_limits_and_only_the_command_line_opens_the_service_again(
    nominal: Run, data: Settings
) -> None:
    nominal("keys", "create", "line 3", "--bank", "caps", "--bank", "lids", "--station", "left")
    [key] = nominal("keys", "list", "--json").json["keys"]
    assert (key["banks"], key["stations"]) == (["caps", "lids"], ["left"])
    refused = nominal("keys", "open")
    assert refused.status == 1
    assert refused.err.startswith("KeyConflict: ")
    nominal("keys", "revoke", key["id"])
    assert nominal("keys", "rotate", key["id"]).status == 1
    assert nominal("keys", "open").status == 0
    with open_store(data) as store:
        assert not store.keys.needed()


def test_a_greatest_lifetime_holds_on_the_command_line(
    nominal: Run, data: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOMINAL_KEY_MAX_DAYS", "30")
    assert nominal("keys", "create", "long", "--days", 31).err.startswith("IllegalValue: ")
    nominal("keys", "create", "line 3")
    [key] = nominal("keys", "list", "--json").json["keys"]
    assert key["expires_at"] is not None


def test_an_unknown_key_is_a_plain_message(nominal: Run, data: Settings) -> None:
    ended = nominal("keys", "revoke", "0123456789ab")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("NotFound: The API key must exist")


def test_the_audit_log_is_proven_and_a_removed_entry_named(nominal: Run, data: Settings) -> None:
    nominal("keys", "create", "line 3")
    nominal("keys", "create", "line 4")
    assert nominal("audit", "verify").out.startswith("2 entries, each follows")
    with open_store(data) as store, store.database.write() as session:
        session.execute(text("DELETE FROM audit WHERE number = 1"))
    ended = nominal("audit", "verify")
    assert ended.status == 1
    assert ended.err.startswith("AuditBroken: ")


def test_a_clock_that_jumped_is_trusted_from_the_command_line(nominal: Run, data: Settings) -> None:
    with open_store(data, Clock(now=lambda: datetime.now(UTC) + timedelta(days=400))) as store:
        store.time.look()
    with open_store(data) as store, pytest.raises(ClockJumped):
        store.time.look().refuse()
    assert nominal("store", "trust-clock").out.startswith("Trusted: it is ")
    with open_store(data) as store:
        store.time.look().refuse()


def test_a_store_that_lost_its_database_is_restored_or_begun_anew(
    nominal: Run, data: Settings, tmp_path: Path
) -> None:
    nominal("keys", "create", "line 3")
    assert nominal("store", "backup", tmp_path / "all.tar").status == 0

    def lose() -> None:
        for path in data.data_dir.glob("nominal.db*"):
            path.unlink()

    lose()
    refused = nominal("keys", "list")
    assert refused.status == 1
    assert refused.err.startswith("DatabaseLost: ")
    assert nominal("store", "restore", tmp_path / "all.tar").status == 0
    assert "line 3" in nominal("keys", "list").out
    lose()
    assert nominal("store", "begin-anew").out.startswith("The store begins anew.")
    assert nominal("keys", "list", "--json").json["keys"] == []


def test_a_lost_file_is_named_left_out_of_the_backup_and_healed(
    nominal: Run, data: Settings, tmp_path: Path
) -> None:
    with open_store(data) as store:
        store.banks.create("caps", title="Caps", config={}, actor="cli")
        sha256 = store.blobs.put([b"image"], limit=9, media_type="image/png").sha256
        store.images.add("caps", [NewImage(sha256, "a.png", 5, 4, 4)], actor="cli")
        store.blobs.files.delete(sha256)
    found = nominal("store", "verify", "--json")
    assert found.status == 1
    told = json.loads(found.out)
    assert told["faults"] == {"missing": 1}
    assert told["findings"][0]["used_by"] == ["nominal image a.png of caps"]
    assert "nominal image a.png of caps" in nominal("store", "verify").out
    saved = nominal("store", "backup", tmp_path / "all.tar")
    assert (saved.status, saved.out.startswith("Wrote ")) == (1, True)
    assert f"{sha256} missing" in saved.err
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "other.png").write_bytes(b"egami")
    still = nominal("store", "heal", tmp_path / "from")
    assert (still.status, still.out) == (1, "0 files are whole again, 1 are still lost\n")
    (tmp_path / "from" / "same.png").write_bytes(b"image")
    assert nominal("store", "heal", tmp_path / "from").out == "1 files are whole again, 0 are still lost\n"
    assert nominal("store", "verify").status == 0
    assert nominal("store", "backup", tmp_path / "all.tar").status == 0


def test_the_store_moves_by_one_file(
    nominal: Run,
    data: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with open_store(data) as store:
        store.banks.create("caps", title="Caps", config={}, actor="cli")
    saved = nominal("store", "backup", tmp_path / "all.tar")
    assert saved.status == 0
    assert "1 banks" in saved.out
    full = nominal("store", "restore", tmp_path / "all.tar")
    assert full.status == 1
    assert full.err.startswith("StoreNotEmpty: ")
    monkeypatch.setenv("NOMINAL_DATA_DIR", str(tmp_path / "other"))
    assert nominal("store", "restore", tmp_path / "all.tar").status == 0
    with open_store(Settings(data_dir=tmp_path / "other")) as store:
        assert store.banks.get("caps").title == "Caps"


def test_a_backup_that_is_none_is_a_plain_message(nominal: Run, data: Settings, tmp_path: Path) -> None:
    (tmp_path / "all.tar").write_bytes(b"no tar")
    ended = nominal("store", "restore", tmp_path / "all.tar")
    assert ended.status == 1
    assert ended.err.startswith("BackupCorrupt: ")
