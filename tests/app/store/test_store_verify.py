"""What is stored is compared with what the database says of it, and lost files are taken back by their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update
from store_backends import overwrite

from app.settings import Settings
from app.store.errors import BlobCorrupt, BlobMissing
from app.store.schema import Blob, Inspection
from app.store.store import Store
from app.store.verifying import Healer
from core.errors import BankError

Put = Callable[[bytes], str]
JPEG = "image/jpeg"


@pytest.fixture
def kept(
    store: Store,
    bank: str,
    put: Put,
    add_image: Callable[..., str],
    make_inspection: Callable[..., Inspection],
) -> dict[str, str]:
    """A file of each kind; their digests."""
    found = {name: put(name.encode()) for name in ("version", "inspected", "loose")}
    found["image"] = add_image(bank, b"image")
    store.versions.add(bank, sha256=found["version"], size=7, summary={}, actor="cli")
    store.inspections.add([make_inspection(id="i1", image_sha256=found["inspected"])])
    return found


def test_a_whole_store_has_no_findings(store: Store, kept: dict[str, str]) -> None:
    verifier = store.verifier(Path.read_bytes)
    assert [*verifier.findings()] == []
    totals = {"files": 3, "bytes": 21, "unreferenced": 1, "unreferenced_bytes": 5, "unknown": 0, "faults": {}}
    assert verifier.totals.as_json() == totals


def test_what_is_lost_damaged_or_of_another_size_is_named_with_who_needs_it(
    store: Store, kept: dict[str, str]
) -> None:
    store.blobs.files.delete(kept["image"])
    store.blobs.files.delete(kept["loose"])  # which nothing needs
    overwrite(store, kept["inspected"], b"inspecteD")
    overwrite(store, hashlib.sha256(b"nobody's").hexdigest(), b"nobody's")
    with store.database.write() as session:
        session.execute(update(Blob).where(Blob.sha256 == kept["version"]).values(bytes=8))
    verifier = store.verifier()
    found = {each.sha256: (each.fault, each.used_by) for each in verifier.findings()}
    assert found == {
        kept["image"]: ("missing", ["nominal image part.jpg of screws"]),
        kept["inspected"]: ("damaged", ["inspection i1"]),
        kept["version"]: ("size", ["version 1 of screws"]),
    }
    assert (verifier.totals.unknown, verifier.totals.lost) == (1, 2)


def test_a_whole_bank_file_that_cannot_be_read_is_named(store: Store, kept: dict[str, str]) -> None:
    def refuse(path: Path) -> None:
        raise BankError("a bank must be one", path.read_text(), "build again")

    [found] = store.verifier(refuse).findings()
    assert (found.sha256, found.fault) == (kept["version"], "unreadable")
    assert "received version" in found.detail
    assert Healer(store.blobs, [found]).left == []


def test_lost_files_are_taken_back_from_files_folders_and_backups_by_their_bytes(
    store: Store, kept: dict[str, str], tmp_path: Path
) -> None:
    store.backup(tmp_path / "backup.tar")
    store.blobs.files.delete(kept["image"])
    overwrite(store, kept["version"], b"noisrev")
    store.blobs.files.delete(kept["inspected"])
    folder = tmp_path / "deep" / "er"
    folder.mkdir(parents=True)
    (folder / "any name").write_bytes(b"image")
    (folder / "same size").write_bytes(b"egami")
    healer = store.healer()
    healer.take(tmp_path / "deep")
    assert healer.healed == [kept["image"]]
    assert healer.left == sorted([kept["version"], kept["inspected"]])
    healer.take(tmp_path / "backup.tar")
    assert healer.left == []
    store.note_healed(healer, "cli")
    assert [*store.verifier().findings()] == []
    assert store.audit.page().items[0].detail == {"files": 3}


def test_only_whole_bytes_are_streamed_from_a_folder_and_from_a_bucket(tmp_path: Path) -> None:
    for place in (None, f"memory://bucket{tmp_path}"):
        store = Store(Settings(data_dir=tmp_path / str(bool(place)), blob_url=place, disk_reserve_bytes=0))
        sha256 = store.blobs.put([b"bank" * 1000], limit=1 << 20, media_type=JPEG).sha256
        with store.blobs.verified(sha256) as file:
            assert file.read() == b"bank" * 1000
        overwrite(store, sha256, b"rust" * 1000)
        with pytest.raises(BlobCorrupt):
            store.blobs.verified(sha256)
        assert not store.blobs.is_whole(sha256)
        store.blobs.files.delete(sha256)
        with pytest.raises(BlobMissing):
            store.blobs.verified(sha256)
        assert [*store.verifier().findings()] == []
        store.close()
