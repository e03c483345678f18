"""A database that is lost or empty beside kept files or keys is refused, in a folder and in a bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url

from app.settings import Settings
from app.store.errors import DatabaseLost, StoreNotEmpty
from app.store.files import MARKER, LocalFiles, RemoteFiles
from app.store.store import Store, open_store

JPEG = "image/jpeg"


def without_database(settings: Settings, folder: Path) -> Settings:
    """The same blobs beside a new database of SQLite; the old one is lost."""
    folder.mkdir()
    blobs = settings.blob_url or str(settings.data_dir / "blobs")
    return settings.model_copy(update={"data_dir": folder, "database_url": None, "blob_url": blobs})


def test_a_lost_database_beside_blobs_is_refused_and_no_new_one_made(
    store: Store, settings: Settings, put: Callable[[bytes], str], tmp_path: Path
) -> None:
    put(b"image")
    lost = without_database(settings, tmp_path / "new")
    with pytest.raises(DatabaseLost) as caught:
        Store(lost)
    assert "nominal store restore FILE" in str(caught.value)
    assert "nominal store begin-anew" in str(caught.value)
    assert not (tmp_path / "new" / "nominal.db").exists()
    (tmp_path / "new" / "nominal.db").touch()
    with pytest.raises(DatabaseLost):
        Store(lost)


def test_a_database_without_a_row_is_refused_as_a_lost_one_is(
    store: Store, settings: Settings, put: Callable[[bytes], str], tmp_path: Path
) -> None:
    Store(settings.model_copy(update={"data_dir": tmp_path / "new", "blob_url": None})).close()
    put(b"image")
    with pytest.raises(DatabaseLost):
        Store(
            settings.model_copy(
                update={
                    "database_url": _secret(tmp_path / "new" / "nominal.db"),
                    "blob_url": settings.blob_url or str(settings.data_dir / "blobs"),
                }
            )
        )


def test_a_store_that_only_had_a_key_does_not_open_keyless(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    lost = without_database(settings, tmp_path / "new")
    Store(lost).close()  # nothing is kept yet
    store.keys.create("line 1", "admin", actor="cli")
    with pytest.raises(DatabaseLost):
        Store(lost)


def test_blobs_of_an_installation_without_a_marker_count(
    store: Store, settings: Settings, put: Callable[[bytes], str], tmp_path: Path
) -> None:
    put(b"image")
    _remove_marker(store)
    with pytest.raises(DatabaseLost):
        Store(without_database(settings, tmp_path / "new"))
    store.blobs.files.delete(hashlib.sha256(b"image").hexdigest())
    Store(without_database(settings, tmp_path / "newer")).close()


def test_opening_an_older_installation_leaves_the_marker(store: Store, settings: Settings, bank: str) -> None:
    assert not store.blobs.files.held()
    Store(settings).close()
    assert store.blobs.files.held()


def test_a_backup_is_restored_beside_what_was_kept(
    store: Store, settings: Settings, bank: str, add_image: Callable[..., str], tmp_path: Path
) -> None:
    sha256 = add_image(bank, b"image")
    store.backup(tmp_path / "backup.tar")
    lost = without_database(settings, tmp_path / "new")
    with open_store(lost, anew=True) as new:
        new.restore(tmp_path / "backup.tar")
    with open_store(lost) as new:
        assert new.blobs.read(new.images.get(bank, sha256).sha256) == b"image"


def test_a_store_begins_anew_only_on_purpose_and_only_once(
    store: Store, settings: Settings, put: Callable[[bytes], str], tmp_path: Path
) -> None:
    put(b"image")
    lost = without_database(settings, tmp_path / "new")
    with open_store(lost, anew=True) as new:
        new.begin_anew("cli")
    with open_store(lost) as new:
        assert new.audit.page().items[0].action == "store.begin_anew"
        with pytest.raises(StoreNotEmpty, match="audit"):
            new.begin_anew("cli")


def test_a_bucket_keeps_its_marker_beside_the_blobs(tmp_path: Path) -> None:
    files = RemoteFiles(f"memory://bucket{tmp_path}")
    assert not files.held()
    files.note_held()
    files.note_held()
    assert files.held()
    files._system.rm_file(f"{files._root}/{MARKER}")
    assert not files.held()
    files._system.pipe_file(f"{files._root}/ab/{'ab' * 32}", b"image")
    assert files.held()


def _secret(path: Path) -> object:
    return Settings(database_url=make_url(f"sqlite:///{path}").render_as_string()).database_url  # type: ignore[arg-type]


def _remove_marker(store: Store) -> None:
    files = store.blobs.files
    if isinstance(files, LocalFiles):
        (files.root / MARKER).unlink()
    else:
        assert isinstance(files, RemoteFiles)
        files._system.rm_file(f"{files._root}/{MARKER}")
