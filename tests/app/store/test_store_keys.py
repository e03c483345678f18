"""API keys: shown once, stored as digests, rotated with an overlap."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.lifecycle.keys import allows
from app.store.errors import AlreadyExists, IllegalId, IllegalValue, KeyConflict, KeyRefused, NotFound
from app.store.key_text import FORM
from app.store.keys import RANK, Keys
from app.store.scope import Scope
from app.store.store import Store

ADMITTED = "nominal_0123456789ab_" + "s" * 43


def test_a_new_key_is_verified_and_its_secret_is_nowhere_in_the_database(store: Store) -> None:
    key_text, key = store.keys.create("line 1", "inspect", actor="cli")
    assert FORM.fullmatch(key_text)
    assert store.keys.verify(key_text).id == key.id
    secret = key_text.split("_", 2)[2]
    assert len(secret) >= 43  # 256 bits
    with store.database.read() as session:
        for table in ("api_keys", "audit"):
            assert secret not in repr(session.execute(text(f"SELECT * FROM {table}")).all())


def test_two_keys_never_share_an_id_or_a_secret(store: Store) -> None:
    made = [store.keys.create("same", "read", actor="cli")[0].split("_", 2) for _ in range(5)]
    assert len({id for _, id, _ in made}) == len({secret for *_, secret in made}) == 5


def test_any_other_text_is_refused_alike(store: Store) -> None:
    key_text, key = store.keys.create("line 1", "read", actor="cli")
    wrong = [
        "",
        key.id,
        key_text[:-1],
        key_text + "x",
        key_text[:-1] + ("A" if key_text[-1] != "A" else "B"),
        key_text.upper(),
        " " + key_text,
        key_text + "\n",
        ADMITTED,
        f"nominal_{key.id}_{key.secret_sha256}",
        "ä" * 60,
        "\0",
    ]
    refusals = set()
    for each in wrong:
        with pytest.raises(KeyRefused) as caught:
            store.keys.verify(each)
        refusals.add(str(caught.value))
    assert len(refusals) == 1


def test_a_revoked_key_is_refused_at_once(store: Store) -> None:
    key_text, key = store.keys.create("line 1", "read", actor="cli")
    revoked_at = store.keys.revoke(key.id, actor="cli").revoked_at
    with pytest.raises(KeyRefused):
        store.keys.verify(key_text)
    assert store.keys.revoke(key.id, actor="cli").revoked_at == revoked_at


def test_a_key_is_refused_from_the_moment_it_expires(store: Store, time: Any) -> None:
    key_text, _ = store.keys.create("visitor", "read", actor="cli", days=1)
    time.pass_time(86399)
    assert store.keys.verify(key_text).name == "visitor"
    time.pass_time(1)
    with pytest.raises(KeyRefused):
        store.keys.verify(key_text)


def test_both_keys_of_a_rotation_are_valid_until_the_overlap_ends(store: Store, time: Any) -> None:
    old_text, old = store.keys.create("line 1", "inspect", actor="cli")
    new_text, new = store.keys.rotate(old.id, actor="cli", overlap_seconds=3600)
    assert (new.name, new.role) == ("line 1", "inspect")
    assert {store.keys.verify(old_text).id, store.keys.verify(new_text).id} == {old.id, new.id}
    time.pass_time(3600)
    assert store.keys.verify(new_text).id == new.id
    with pytest.raises(KeyRefused):
        store.keys.verify(old_text)


def test_rotating_does_not_prolong_a_key_that_expires_sooner(store: Store, time: Any) -> None:
    old_text, old = store.keys.create("visitor", "read", actor="cli", days=1)
    store.keys.rotate(old.id, actor="cli", overlap_seconds=7 * 86400)
    time.pass_time(86400)
    with pytest.raises(KeyRefused):
        store.keys.verify(old_text)


def test_roles_are_ordered() -> None:
    ordered = ["read", "inspect", "admin"]
    assert sorted(RANK, key=RANK.__getitem__) == ordered
    for held in RANK:
        for needed in RANK:
            assert allows(held, needed) == (ordered.index(held) >= ordered.index(needed))


def test_a_rotated_key_keeps_its_end_and_its_limits(store: Store, time: Any) -> None:
    scope = Scope.of(["caps"], ["line-3"])
    old = store.keys.create("visitor", "inspect", actor="cli", days=1, scope=scope)[1]
    text, new = store.keys.rotate(old.id, actor="k1", overlap_seconds=60)
    assert (new.expires_at, new.banks, new.stations) == (old.expires_at, ["caps"], ["line-3"])
    time.pass_time(86400)
    with pytest.raises(KeyRefused):
        store.keys.verify(text)


def test_a_rotation_is_audited_as_one_and_makes_no_other_entry(store: Store) -> None:
    old = store.keys.create("line 1", "read", actor="cli")[1]
    new = store.keys.rotate(old.id, actor="k1", overlap_seconds=60)[1]
    rotated, created = store.audit.page().items
    assert (rotated.action, rotated.target, rotated.actor) == ("key.rotate", f"key:{old.id}", "k1")
    assert rotated.detail["successor"] == new.id
    assert created.action == "key.create"


def test_a_revoked_or_expired_key_is_not_brought_back_by_rotating_it(store: Store, time: Any) -> None:
    ends = store.keys.create("visitor", "read", actor="cli", days=1)[1]
    revoked = store.keys.create("line 1", "read", actor="cli")[1]
    store.keys.revoke(revoked.id, actor="cli")
    time.pass_time(86400)
    for key, why in ((ends, "expired"), (revoked, "revoked")):
        with pytest.raises(KeyConflict, match=why):
            store.keys.rotate(key.id, actor="cli", overlap_seconds=60)
    assert len(store.keys.all()) == 2


def test_once_a_key_existed_one_is_needed_whatever_becomes_of_it(store: Store, time: Any) -> None:
    assert not store.keys.needed()
    ended = store.keys.create("visitor", "admin", actor="cli", days=1)[1]
    assert store.keys.needed()
    time.pass_time(86400)
    assert store.keys.needed()
    store.keys.revoke(ended.id, actor="cli")
    with store.database.write() as session:
        session.execute(text("DELETE FROM api_keys"))
        session.execute(text("DELETE FROM audit"))
    assert not store.keys.any_valid()
    assert store.keys.needed()


def test_a_store_is_opened_only_while_no_key_is_valid_and_the_next_key_closes_it(store: Store) -> None:
    store.keys.open(actor="cli")
    assert store.audit.page().items == []
    key = store.keys.create("line 1", "read", actor="cli")[1]
    with pytest.raises(KeyConflict, match="1 valid"):
        store.keys.open(actor="cli")
    store.keys.revoke(key.id, actor="cli")
    store.keys.open(actor="cli")
    assert not store.keys.needed()
    assert store.audit.page().items[0].action == "keys.open"
    store.keys.create("line 2", "read", actor="cli")
    assert store.keys.needed()


def test_with_a_greatest_lifetime_every_new_key_expires(store: Store, tmp_path: Path) -> None:
    endless = store.keys.create("before", "read", actor="cli")[1]
    keys = Keys(store.database, store.clock, store.time, most_days=90)
    now, most = store.clock.now(), timedelta(days=90)
    (tmp_path / "keys").write_text(f"admin operator {ADMITTED}\n")
    made = [
        keys.create("line 1", "read", actor="cli")[1],
        keys.admit_file(tmp_path / "keys", actor="start")[0],
        keys.rotate(endless.id, actor="cli", overlap_seconds=60)[1],
    ]
    assert [key.expires_at for key in made] == [now + most] * 3
    assert keys.create("short", "read", actor="cli", days=7)[1].expires_at == now + timedelta(days=7)
    with pytest.raises(IllegalValue, match="at most 90 days"):
        keys.create("long", "read", actor="cli", days=91)


@pytest.mark.parametrize(
    ("banks", "stations"), [(["Caps"], None), (None, [""]), (None, ["x" * 129]), (["a"] * 201, None)]
)
def test_a_key_is_limited_only_to_what_can_be_a_bank_or_a_station(banks: Any, stations: Any) -> None:
    with pytest.raises((IllegalId, IllegalValue)):
        Scope.of(banks, stations)


def test_whether_any_key_is_valid(store: Store) -> None:
    assert not store.keys.any_valid()
    key = store.keys.create("line 1", "read", actor="cli")[1]
    assert store.keys.any_valid()
    store.keys.revoke(key.id, actor="cli")
    assert not store.keys.any_valid()
    assert [each.id for each in store.keys.all()] == [key.id]


def test_a_file_of_keys_is_admitted_as_often_as_it_is_read(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# keys of the line\n\nadmin operator {ADMITTED}\n")
    for _ in range(2):
        store.keys.admit_file(file, actor="start")
    assert [(key.name, key.role) for key in store.keys.all()] == [("operator", "admin")]
    assert store.keys.verify(ADMITTED).role == "admin"


def test_a_file_that_changes_a_known_key_is_refused(store: Store, tmp_path: Path) -> None:
    store.keys.admit(ADMITTED, "operator", "read", actor="start")
    for role, key_text in (("admin", ADMITTED), ("read", ADMITTED[:-1] + "t")):
        (tmp_path / "keys").write_text(f"{role} operator {key_text}\n")
        with pytest.raises(AlreadyExists):
            store.keys.admit_file(tmp_path / "keys", actor="start")
    assert store.keys.verify(ADMITTED).role == "read"


@pytest.mark.parametrize(
    "line", ["admin operator", f"root operator {ADMITTED}", "admin operator hunter2-short"]
)
def test_a_file_in_another_form_is_refused_without_repeating_it(
    store: Store, tmp_path: Path, line: str
) -> None:
    (tmp_path / "keys").write_text(line + "\n")
    with pytest.raises(IllegalValue) as caught:
        store.keys.admit_file(tmp_path / "keys", actor="start")
    assert "hunter2" not in str(caught.value)
    assert store.keys.all() == []


def test_a_keys_file_that_is_absent_or_binary_is_refused_by_name(store: Store, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    for path in (tmp_path / "absent", tmp_path / "binary"):
        with pytest.raises(IllegalValue, match="keys file"):
            store.keys.admit_file(path, actor="start")


def test_an_unknown_key_is_not_found(store: Store) -> None:
    for ask in (
        lambda: store.keys.revoke("nothing", actor="cli"),
        lambda: store.keys.rotate("nothing", actor="cli", overlap_seconds=1),
    ):
        with pytest.raises(NotFound):
            ask()


def test_a_clock_that_goes_back_revives_no_key_or_link_until_an_operator_trusts_it(
    store: Store, time: Any
) -> None:
    text, key = store.keys.create("visitor", "read", actor="cli", days=1)
    lasting = store.keys.create("line 1", "inspect", actor="cli")[1]
    link = store.links.make(lasting.id, actor="cli", minutes=10)[0]
    time.pass_time(2 * 86400)
    store.time.look()
    time.jump(-30 * 86400)
    for refused in (
        lambda: store.keys.verify(text),
        lambda: store.keys.valid(key.id),
        lambda: store.links.take(link),
    ):
        with pytest.raises(KeyRefused):
            refused()
    with pytest.raises(KeyConflict, match="has expired"):
        store.keys.rotate(key.id, actor="cli", overlap_seconds=60)
    short = store.keys.create("while it is wrong", "read", actor="cli", days=1)[0]
    assert store.keys.verify(short).name == "while it is wrong"
    store.time.trust("cli")
    assert store.keys.verify(text).id == key.id
