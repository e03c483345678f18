"""API keys: shown once, stored as digests, rotated with an overlap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.lifecycle.keys import allows
from app.store.errors import AlreadyExists, IllegalValue, KeyRefused, NotFound
from app.store.keys import FORM, RANK
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
