"""The service for tests: whole, on a tiny backbone, with a real store in a temporary folder; nothing is mocked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import random_backbone
from parts import SMALL, build, parts, scratched
from service_kit import LOCAL, prepared, settings_in, wait_until
from starlette.testclient import TestClient

from app.imaging.pictures import encode_png
from app.main import create_app
from app.settings import Settings
from app.store.store import open_store
from core.bank import bank_bytes
from models.backbone import Backbone


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    """The server's backbone."""
    return random_backbone()


@pytest.fixture(scope="session")
def images() -> list[np.ndarray]:
    """Good parts, 64 x 64."""
    return parts(24)


@pytest.fixture(scope="session")
def good(images: list[np.ndarray]) -> bytes:
    """A good part nobody learnt from, as PNG."""
    return encode_png(parts(1, seed=7)[0])


@pytest.fixture(scope="session")
def bad() -> bytes:
    """A part with a scratch, as PNG."""
    return encode_png(scratched(parts(1, seed=8)[0], 30, 40))


@pytest.fixture(scope="session")
def bank_file(images: list[np.ndarray], backbone: Backbone) -> bytes:
    """A bank of the good parts."""
    return bank_bytes(build(images, SMALL, backbone))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A migrated database without rows: every server would make the same."""
    settings = settings_in(tmp_path_factory.mktemp("template"))
    with open_store(settings):
        pass
    return (settings.data_dir / "nominal.db").read_bytes()


@pytest.fixture
def settings(tmp_path: Path, empty_database: bytes) -> Settings:
    """Of a server with its state in a folder of its own."""
    return prepared(tmp_path, empty_database)


@pytest.fixture
def serve(backbone: Backbone) -> Iterator[Callable[..., TestClient]]:
    """Starts servers; each is warm when it is returned, and drained at the test's end."""
    with ExitStack() as stack:
        yield partial(started, stack, backbone=backbone)


@pytest.fixture(scope="module")
def running(
    backbone: Backbone, empty_database: bytes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """One server for a module's tests that each make a bank of their own."""
    with ExitStack() as stack:
        yield started(stack, prepared(tmp_path_factory.mktemp("shared"), empty_database), backbone)


def started(
    stack: ExitStack,
    settings: Settings,
    backbone: Backbone,
    *,
    warm: bool = True,
    worker: bool = False,
    **options: Any,
) -> TestClient:
    """A client of a new server that lives as long as the stack."""
    app = create_app(settings, backbone, worker)
    client = TestClient(app, LOCAL, client=("127.0.0.1", 50000), **options)
    stack.enter_context(client)
    if warm:
        wait_until(lambda: client.get("/readyz").status_code == 200)
    return client


@pytest.fixture
def client(serve: Callable[..., TestClient], settings: Settings) -> TestClient:
    """A client of a warm server without banks and without a worker."""
    return serve(settings)


@pytest.fixture
def banked(client: TestClient, bank_file: bytes) -> TestClient:
    """The same with a bank ``caps`` whose version 1 is active."""
    assert client.post("/v1/banks", json={"id": "caps"}).status_code == 201
    assert client.post("/v1/banks/caps/import?activate=true", content=bank_file).status_code == 201
    return client
