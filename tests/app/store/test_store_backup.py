"""Backup and restore: the same store again, also on the other backend; a damaged archive is refused whole."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from store_backends import BACKENDS, fresh_settings, overwrite

from app.settings import Settings
from app.store.backup import Manifest
from app.store.checks import NewLabelled
from app.store.errors import BackupCorrupt, BackupOtherRelease, BlobsUnavailable, StoreNotEmpty
from app.store.jobs import Idempotency
from app.store.leases import Progress
from app.store.schema import OF_SERVERS, Base, Descriptor, Inspection, Origin
from app.store.servers import Means
from app.store.store import Store


@pytest.fixture
def filled(
    store: Store,
    bank: str,
    put: Callable[[bytes], str],
    add_image: Callable[..., str],
    make_inspection: Callable[..., Inspection],
) -> Store:
    """At least one row in every table."""
    for data in (b"a", b"b", "ä".encode()):
        store.images.say_serials(bank, {add_image(bank, data, name=data.decode()): "Ü 1"}, actor="cli")
    store.banks.update(bank, actor="cli", reject_threshold=1 / 3, note="'glare', seit März")
    store.jobs.create(bank, request={}, actor="cli", idempotency=Idempotency("s", "k", "0" * 64))
    claimed = store.leases.claim("w1")
    assert claimed is not None
    store.leases.succeed(claimed[1], sha256=put(b"bank" * 1000), size=4000, summary={"loss": 1e-9, "n": 3})
    store.jobs.create(bank, kind="screening", request={}, actor="cli")
    claimed = store.leases.claim("w1")
    assert claimed is not None
    store.leases.screened(claimed[1], sha256=put(b"report"), set_sha256="1" * 64)
    labelled = NewLabelled(put(b"labelled"), "ä.png", 8, 640, 480, kind="Kratzer")
    store.checks.add(bank, "line", [labelled], actor="cli")
    store.jobs.create(bank, kind="check", request={"check": "line", "version": 1}, actor="cli")
    claimed = store.leases.claim("w1")
    assert claimed is not None
    store.leases.checked(claimed[1], sha256=put(b"scores"))
    store.jobs.create(bank, request={"note": "zweiter, 'quoted'"}, actor="cli")
    claimed = store.leases.claim("w1")
    assert claimed is not None
    store.leases.beat(claimed[1], Progress("features", 1, 3, 0.5))
    store.sessions.secret()
    store.sessions.end("0" * 16)
    store.proofs.keep(("a proof",), put(b"a"), 0.0)
    for server in ("a", "b"):
        store.servers.beat(server, "1", Means("tiny", "0" * 64, "float32", works=True), {})
    store.servers.ask_warm(bank, "0" * 64, 1, besides="a")
    store.sinks.create("mes", "webhook", {"url": "https://x/ü"}, actor="cli", secret="s", banks=[bank])
    seen = make_inspection(image_sha256=put(b"defect"), regions=[{"x": 1}], nearest=None)
    looks = Descriptor(inspection_id=seen.id, bank=bank, space="5" * 64, vector=b"\x00\xff\n" * 4)
    came = Origin(
        source="/in", name="ä.png", sha256="6" * 64, size=8, mtime_ns=1 << 60, inspection_id=seen.id
    )
    store.inspections.add([seen, make_inspection(score=0.1 + 0.2)], [looks], [came])
    store.reviews.add(seen.id, "missed_defect", actor="k1", note="line\nbreak")
    store.reviews.add(seen.id, "withdrawn", actor="k1")
    _, key = store.keys.create("line 1", "admin", actor="cli")
    store.links.make(key.id, actor="cli")
    store.people.signed_in("https://login.example", "7", "anna", "Änne", "inspect")
    store.banks.create("gone", title="", config={}, actor="cli")
    store.versions.add("gone", sha256=put(b"bank" * 1000), size=4000, summary={}, actor="cli")
    store.banks.delete("gone", actor="cli")
    put(b"loose")
    return store


def contents(manifest: Manifest) -> tuple[Any, Any]:
    return manifest["tables"], manifest["blobs"]


def test_the_fixture_fills_every_table(filled: Store, tmp_path: Path) -> None:
    tables = filled.backup(tmp_path / "backup.tar")["tables"]
    assert [table["name"] for table in tables] == [table.name for table in Base.metadata.sorted_tables]
    held_by_none = {"sink_secrets", *(table.name for table in OF_SERVERS)}
    assert {table["name"] for table in tables if table["rows"] == 0} == held_by_none


@pytest.mark.parametrize("target", BACKENDS)
def test_a_restored_store_backs_up_to_the_same_rows_and_blobs(
    filled: Store, tmp_path: Path, target: str
) -> None:
    manifest = filled.backup(tmp_path / "backup.tar")
    with fresh_settings(target, tmp_path / "other") as settings:
        other = Store(settings, filled.clock)
        other.restore(tmp_path / "backup.tar")
        assert contents(other.backup(tmp_path / "again.tar")) == contents(manifest)
        for sha256 in manifest["blobs"]:
            assert other.blobs.read(sha256) == filled.blobs.read(sha256)
        assert other.inspections.page().items[0].score == 0.1 + 0.2
        assert other.banks.threshold_changes("screws")[0].note == "'glare', seit März"
        assert other.jobs.page(state="running").items[0].owner == "w1"
        assert other.banks.create("gone", title="", config={}, actor="cli").last_version == 1
        other.close()


def test_bytes_that_nothing_refers_to_are_not_backed_up(filled: Store, tmp_path: Path) -> None:
    manifest = filled.backup(tmp_path / "backup.tar")
    assert sorted(manifest["blobs"].values()) == [1, 1, 2, 6, 6, 6, 8, 4000]
    assert next(table["rows"] for table in manifest["tables"] if table["name"] == "blobs") == 8


def test_nothing_is_left_of_a_backup_that_fails(filled: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    (folder / "backup.tar").mkdir(parents=True)
    with pytest.raises(BlobsUnavailable):
        filled.backup(folder / "backup.tar")
    assert [*folder.rglob("*")] == [folder / "backup.tar"]


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_lost_blob_does_not_hold_a_backup_up_and_is_named(
    filled: Store, tmp_path: Path, bank: str, fault: str
) -> None:
    lost = filled.images.page(bank).items[0].sha256
    filled.blobs.files.delete(lost)
    if fault == "damaged":
        overwrite(filled, lost, b"rust")
    manifest = filled.backup(tmp_path / "backup.tar")
    assert manifest["lost"] == {lost: fault}
    assert lost not in manifest["blobs"]
    with fresh_settings("sqlite", tmp_path / "other") as settings:
        other = Store(settings, filled.clock)
        assert other.restore(tmp_path / "backup.tar")["lost"] == {lost: fault}
        assert other.lost() == (1, filled.clock.now())
        assert len(other.images.page(bank).items) == 3
        [found] = other.verifier().findings()
        assert (found.sha256, found.fault) == (lost, "missing")
        other.close()


def test_a_store_with_rows_is_not_overwritten(filled: Store, tmp_path: Path) -> None:
    filled.backup(tmp_path / "backup.tar")
    before = contents(filled.backup(tmp_path / "before.tar"))
    with pytest.raises(StoreNotEmpty, match="banks"):
        filled.restore(tmp_path / "backup.tar")
    assert contents(filled.backup(tmp_path / "after.tar")) == before


def test_an_empty_store_backs_up_and_restores(store: Store, tmp_path: Path) -> None:
    manifest = store.backup(tmp_path / "backup.tar")
    assert manifest["blobs"] == {}
    assert store.restore(tmp_path / "backup.tar") == manifest


def test_a_store_that_was_only_open_is_empty_and_takes_the_time_of_the_backup(
    store: Store, settings: Settings, tmp_path: Path, time: Any
) -> None:
    store.time.look()
    manifest = store.backup(tmp_path / "backup.tar")
    time.pass_time(90 * 86400)
    assert store.time.look().off is None
    assert store.restore(tmp_path / "backup.tar") == manifest
    again = Store(settings, store.clock)
    assert again.time.look().off == timedelta(days=90)
    again.close()


# What can be wrong with an archive


def repack(path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Write ``path`` anew with its members changed."""
    with tarfile.open(path) as tar:
        members = {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]
    change(members)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def edit_manifest(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members["manifest.json"] = json.dumps(json.loads(members["manifest.json"]) | changes).encode()

    return change


def edit_row(members: dict[str, bytes]) -> None:
    members["tables/banks.jsonl"] = members["tables/banks.jsonl"].replace(b"Screws", b"Nutsss")


def edit_blob(members: dict[str, bytes]) -> None:
    name = next(name for name in members if name.startswith("blobs/"))
    members[name] = bytes(len(members[name]))


def drop_blob(members: dict[str, bytes]) -> None:
    del members[next(name for name in members if name.startswith("blobs/"))]


def add_path(members: dict[str, bytes]) -> None:
    members["../../etc/passwd"] = b"x"


ATTACKS: dict[str, Callable[[dict[str, bytes]], None]] = {
    "an edited row": edit_row,
    "an edited blob": edit_blob,
    "a missing blob": drop_blob,
    "a missing table": lambda members: members.pop("tables/banks.jsonl") and None,
    "no manifest": lambda members: members.pop("manifest.json") and None,
    "a manifest that is no JSON": lambda members: members.update({"manifest.json": b"{"}),
    "a manifest that is a list": lambda members: members.update({"manifest.json": b"[]"}),
    "a manifest without tables": edit_manifest(tables=None),
    "a manifest with a table too few": edit_manifest(tables=[]),
    "a manifest with blobs in another form": edit_manifest(blobs=[1]),
    "a manifest of another format": edit_manifest(format="nominal-backup-2"),
    "a path": add_path,
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_damaged_backup_is_refused_before_anything_is_written(
    filled: Store, tmp_path: Path, attack: str
) -> None:
    path = tmp_path / "backup.tar"
    filled.backup(path)
    repack(path, ATTACKS[attack])
    with fresh_settings("sqlite", tmp_path / "other") as settings:
        other = Store(settings)
        with pytest.raises(BackupCorrupt):
            other.restore(path)
        assert other.banks.page().items == []
        assert not [each for each in (tmp_path / "other" / "blobs").rglob("*") if each.is_file()]
        other.close()


def test_a_truncated_backup_is_refused_wherever_it_ends(store: Store, bank: str, tmp_path: Path) -> None:
    path = tmp_path / "backup.tar"
    store.backup(path)
    whole = path.read_bytes()
    with tarfile.open(path) as tar:
        end = max(each.offset_data + each.size for each in tar)
    for length in range(0, end, 397):
        path.write_bytes(whole[:length])
        with pytest.raises(BackupCorrupt):
            store.restore(path)


def test_a_backup_with_links_for_members_is_refused(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "backup.tar"
    with tarfile.open(path, "w") as tar:
        link = tarfile.TarInfo("manifest.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(BackupCorrupt, match="not a plain file"):
        store.restore(path)


def test_a_backup_of_another_release_is_refused_by_name(store: Store, tmp_path: Path) -> None:
    store.backup(tmp_path / "backup.tar")
    repack(tmp_path / "backup.tar", edit_manifest(revision="9999"))
    with pytest.raises(BackupOtherRelease, match="9999"):
        store.restore(tmp_path / "backup.tar")


def test_a_file_that_is_not_there_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(BackupCorrupt, match="No such file"):
        store.restore(tmp_path / "absent.tar")
