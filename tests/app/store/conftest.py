"""A store to test, once a backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_backends import BACKENDS, SteppedClock, fresh_settings, inspection

from app.settings import Settings
from app.store.images import NewImage
from app.store.schema import Inspection
from app.store.store import Store

JPEG = "image/jpeg"


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Each test that takes a store runs once a backend."""
    return str(request.param)


@pytest.fixture
def ready(empty_database: bytes) -> bytes | None:
    """The database before the store opens; None where it has no tables yet."""
    return empty_database


@pytest.fixture
def settings(backend: str, tmp_path: Path, ready: bytes | None) -> Iterator[Settings]:
    with fresh_settings(backend, tmp_path / "data", ready=ready) as made:
        yield made


@pytest.fixture
def time() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def store(settings: Settings, time: SteppedClock) -> Iterator[Store]:
    """An open, empty store whose clocks stand still."""
    opened = Store(settings, time.clock())
    yield opened
    opened.close()


@pytest.fixture
def put(store: Store) -> Callable[[bytes], str]:
    """Stores bytes; their sha256."""
    return lambda data: store.blobs.put([data], limit=1 << 20, media_type=JPEG).sha256


@pytest.fixture
def add_image(store: Store, put: Callable[[bytes], str]) -> Callable[..., str]:
    """Adds an image of some bytes to a bank; its sha256."""

    def add(bank: str, data: bytes, name: str = "part.jpg") -> str:
        sha256 = put(data)
        store.images.add(bank, [NewImage(sha256, name, len(data), 640, 480)], actor="cli")
        return sha256

    return add


@pytest.fixture
def bank(store: Store) -> str:
    """A bank without images."""
    return store.banks.create("screws", title="Screws", config={"size": 256}, actor="cli").id


@pytest.fixture
def make_inspection() -> Callable[..., Inspection]:
    return inspection
