"""A bank that is loaded again: from this machine's copy where files are remote, and by the proof it gave before."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from service_kit import inspect, service_of
from starlette.testclient import TestClient
from store_backends import overwrite

from app.inspection.engine import Engine
from app.inspection.registry import arithmetic
from app.settings import Settings
from app.store.errors import BlobCorrupt
from app.store.store import Store, open_store
from models.backbone import Backbone

CAPS = "/v1/banks/caps"


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Store]:
    """A store whose files are not in a folder, with room for copies of 25 bytes."""
    settings = Settings(data_dir=tmp_path / "data", blob_url=f"memory://{tmp_path.name}", blob_cache_bytes=25)
    with open_store(settings.model_copy(update={"disk_reserve_bytes": 0})) as store:
        yield store


def put(store: Store, data: bytes) -> str:
    return store.blobs.put([data], limit=100, media_type="text/plain").sha256


def read(store: Store, sha256: str, *, anew: bool = False) -> bytes:
    with store.blobs.as_file(sha256, anew=anew) as path:
        return path.read_bytes()


def test_a_remote_file_is_read_once_and_its_copy_compared_each_time(remote: Store) -> None:
    digest = put(remote, b"ten bytes.")
    assert read(remote, digest) == b"ten bytes."
    overwrite(remote, digest, b"damaged...")
    assert read(remote, digest) == b"ten bytes."  # the copy is what its name says
    with pytest.raises(BlobCorrupt):
        read(remote, digest, anew=True)
    copy = remote._settings.data_dir / "cache" / digest
    copy.write_bytes(b"rust......")
    with pytest.raises(BlobCorrupt):
        read(remote, digest)  # a copy that is not is thrown away
    assert not copy.exists()
    overwrite(remote, digest, b"ten bytes.")
    assert read(remote, digest) == b"ten bytes."
    assert [*remote.blobs.staging.directory.iterdir()] == []


def test_the_copies_used_least_recently_leave(remote: Store) -> None:
    first, second, third = (put(remote, bytes([65 + i]) * 10) for i in range(3))
    for age, digest in enumerate((first, second, first, third)):
        read(remote, digest)
        for path in (remote._settings.data_dir / "cache").iterdir():
            seconds = 1000 + age if path.name == digest else path.stat().st_mtime
            os.utime(path, (seconds, seconds))
    kept = {path.name for path in (remote._settings.data_dir / "cache").iterdir()}
    assert len(kept) == 2
    assert third in kept
    assert read(remote, put(remote, b"x" * 40)) == b"x" * 40  # larger than all room: not kept
    assert len({*(remote._settings.data_dir / "cache").iterdir()}) == 2


def test_a_bank_proves_itself_once_for_servers_that_are_alike(
    serve: Callable[..., TestClient], settings: Settings, backbone: Backbone, bank_file: bytes, good: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    first = serve(settings)
    first.post("/v1/banks", json={"id": "caps"})
    assert first.post(f"{CAPS}/import?activate=true", content=bank_file).status_code == 201
    scored, score = [], Engine.conformance_score
    monkeypatch.setattr(Engine, "conformance_score", lambda engine, i: scored.append(i) or score(engine, i))
    second = serve(settings)
    assert inspect(second, good)["version"] == 1
    assert scored == []
    assert second.get(f"{CAPS}/health?check=true").json()["state"] == "ready"
    assert scored != []  # who asks for a check gets one
    digest, store = hashlib.sha256(bank_file).hexdigest(), service_of(first).store
    assert store.proofs.get((digest, *arithmetic(backbone))) is not None
    assert store.proofs.get((digest, *arithmetic(replace(backbone, digest="0" * 64)))) is None
