"""Blobs: whole or absent, named by their digest, collected only when nothing refers to them."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings
from app.store.blobs import Collected
from app.store.errors import (
    BlobCorrupt,
    BlobMissing,
    BlobsUnavailable,
    BlobTooLarge,
    ReferenceGone,
    StorageFull,
)
from app.store.files import LocalFiles
from app.store.images import NewImage
from app.store.schema import Blob, Inspection
from app.store.store import Store, open_store

JPEG = "image/jpeg"
Put = Callable[[bytes], str]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def partial_files(store: Store) -> list[Path]:
    return list(store.blobs.staging.directory.iterdir())


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 9000])
def test_bytes_come_back_under_their_sha256(store: Store, data: bytes) -> None:
    kept = store.blobs.put(io.BytesIO(data), limit=len(data), media_type=JPEG)
    assert (kept.sha256, kept.bytes) == (sha(data), len(data))
    assert store.blobs.read(kept.sha256) == data
    with store.blobs.open(kept.sha256) as file:
        assert file.read() == data
    with store.blobs.as_file(kept.sha256) as path:
        assert path.read_bytes() == data
    assert partial_files(store) == []


def test_putting_the_same_bytes_again_is_harmless(store: Store, put: Put) -> None:
    assert put(b"same") == put(b"same") == sha(b"same")
    with store.database.read() as session:
        assert session.query(Blob).count() == 1


def test_many_uploads_are_kept_at_once_repeats_among_them(store: Store) -> None:
    staged = []
    for data in (b"a", b"b", b"a"):
        each = store.blobs.staging.begin(10)
        each.write(data)
        staged.append(each.finish())
    store.blobs.keep(staged, JPEG)
    for each in staged:
        each.__exit__(None, None, None)
    assert [store.blobs.read(sha(data)) for data in (b"a", b"b")] == [b"a", b"b"]
    assert partial_files(store) == []


def test_a_byte_over_the_limit_is_refused_and_leaves_nothing(store: Store) -> None:
    with pytest.raises(BlobTooLarge, match="at most 3 bytes; received at least 4"):
        store.blobs.put([b"ab", b"cd"], limit=3, media_type=JPEG)
    assert partial_files(store) == []
    with pytest.raises(BlobMissing):
        store.blobs.read(sha(b"abcd"))


def test_a_stream_that_breaks_leaves_nothing(store: Store) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionResetError("the client hung up")

    with pytest.raises(ConnectionResetError):
        store.blobs.put(broken(), limit=100, media_type=JPEG)
    assert partial_files(store) == []
    with store.database.read() as session:
        assert session.query(Blob).count() == 0


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "/etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n", "\0"]
)
def test_no_name_but_a_sha256_reaches_the_files(store: Store, name: str) -> None:
    with pytest.raises(BlobMissing):
        store.blobs.read(name)


def test_a_blob_that_was_never_put_is_missing(store: Store) -> None:
    with pytest.raises(BlobMissing, match=sha(b"never")):
        store.blobs.read(sha(b"never"))
    with pytest.raises(BlobMissing), store.blobs.as_file(sha(b"never")):
        pass


def test_a_blob_whose_bytes_changed_is_corrupt(store: Store, put: Put) -> None:
    name = put(b"good")
    with store.blobs.staging.begin(10) as other:
        other.write(b"bad")
        other.finish().sha256 = name
        store.blobs.files.publish(other)
    with pytest.raises(BlobCorrupt, match=sha(b"bad")):
        store.blobs.read(name)
    with pytest.raises(BlobCorrupt), store.blobs.as_file(name):
        pass


def test_an_upload_that_would_touch_the_reserve_is_refused_before_it_begins(tmp_path: Path) -> None:
    store = Store(Settings(data_dir=tmp_path, disk_reserve_bytes=1 << 60))
    with pytest.raises(StorageFull, match="must keep 1,152,921,504,606,846,976 bytes free"):
        store.blobs.put([b"x"], limit=1, media_type=JPEG)
    store.close()


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    """The kernel refuses to let a file of the child grow past 64 KiB."""
    script = """
        import resource, sys
        from pathlib import Path
        from app.store.errors import StorageFull
        from app.store.staging import Staging
        staging = Staging(Path(sys.argv[1]), 0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
        try:
            with staging.begin(1 << 20) as staged:
                for _ in range(200):
                    staged.write(bytes(1000))
                staged.finish()
        except StorageFull as error:
            print(error.remedy)
        print(list(staging.directory.iterdir()))
    """
    child = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "partial")]
    said = subprocess.run(child, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "Free disk space" in said[0]
    assert said[1:] == ["[]"]


def test_a_folder_that_is_no_folder_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file")
    with pytest.raises(BlobsUnavailable, match="NOMINAL_BLOB_URL"):
        Store(Settings(data_dir=tmp_path))


def test_a_bucket_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        blob_url="s3://nominal-test/x",
        blob_endpoint="http://127.0.0.1:1",
        blob_key="k",
        blob_secret="hunter2",
        blob_region="us-east-1",
    )
    with pytest.raises(BlobsUnavailable):  # whether an empty database is a new one cannot be seen
        Store(settings)
    with open_store(Settings(data_dir=tmp_path)) as local:
        local.banks.create("screws", title="", config={}, actor="cli")
    store = Store(settings)
    with pytest.raises(BlobsUnavailable) as caught:
        store.blobs.put([b"x"], limit=1, media_type=JPEG)
    assert "hunter2" not in str(caught.value)
    assert partial_files(store) == []
    store.close()


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    store = Store(Settings(data_dir=tmp_path / "a", blob_url=f"file://{tmp_path}/b"))
    store.blobs.put([b"x"], limit=1, media_type=JPEG)
    assert isinstance(store.blobs.files, LocalFiles)
    assert (tmp_path / "b" / sha(b"x")[:2] / sha(b"x")).read_bytes() == b"x"
    store.close()


def test_only_blobs_that_nothing_refers_to_are_collected(
    store: Store,
    bank: str,
    put: Put,
    add_image: Callable[..., str],
    make_inspection: Callable[..., Inspection],
) -> None:
    image, version, inspected, loose = (
        add_image(bank, b"image"),
        put(b"version"),
        put(b"inspected"),
        put(b"loose"),
    )
    store.versions.add(bank, sha256=version, size=7, summary={}, actor="cli")
    store.inspections.add([make_inspection(image_sha256=inspected)])
    assert store.blobs.collect(-1) == Collected(blobs=1, bytes=5)
    assert [store.blobs.read(each) for each in (image, version, inspected)] == [
        b"image",
        b"version",
        b"inspected",
    ]
    with pytest.raises(BlobMissing):
        store.blobs.read(loose)


def test_a_reference_made_while_garbage_is_collected_keeps_the_blob(
    store: Store, bank: str, put: Put, add_image: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, collect_one = put(b"late"), store.blobs._collect_one

    def late(*arguments: Any) -> int | None:
        add_image(bank, b"late")
        return collect_one(*arguments)

    monkeypatch.setattr(store.blobs, "_collect_one", late)
    assert store.blobs.collect(-1).blobs == 0
    assert store.blobs.read(name) == b"late"


def test_a_blob_younger_than_the_grace_is_left_alone(store: Store, put: Put, time: Any) -> None:
    name = put(b"on its way")
    time.pass_time(50)
    assert store.blobs.collect(60).blobs == 0
    put(b"on its way")  # once more: its grace begins anew
    time.pass_time(50)
    assert store.blobs.collect(60).blobs == 0
    time.pass_time(11)
    assert store.blobs.collect(60).blobs == 1
    with pytest.raises(BlobMissing):
        store.blobs.read(name)


def test_the_images_of_a_queued_build_outlive_their_removal(
    store: Store, bank: str, add_image: Callable[..., str]
) -> None:
    name = add_image(bank, b"image")
    job = store.jobs.create(bank, request={}, actor="cli")
    store.images.remove(bank, name, actor="cli")
    assert store.blobs.collect(-1).blobs == 0
    store.jobs.cancel(job.id, actor="cli")
    assert store.blobs.collect(-1).blobs == 1


def test_a_reference_to_a_collected_blob_is_refused_not_left_dangling(
    store: Store, bank: str, put: Put
) -> None:
    name = put(b"collected")
    store.blobs.collect(-1)
    with pytest.raises(ReferenceGone, match="Send the file again"):
        store.images.add(bank, [NewImage(name, "a.jpg", 9, 1, 1)], actor="cli")
    assert store.images.totals(bank) == (0, 0)


def test_partial_files_of_crashed_uploads_are_swept_after_the_grace(store: Store) -> None:
    store.blobs.staging.begin(10).finish()  # and never kept
    assert store.blobs.staging.sweep(60) == 0
    assert store.blobs.staging.sweep(-1) == 1
    assert partial_files(store) == []
