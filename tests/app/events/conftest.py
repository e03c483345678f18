"""Events for tests: a store with a relay beside it, real receivers over HTTP, a real broker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from event_kit import LOOPBACK, Receiver
from service_kit import settings_in

from app.events.relay import Relay
from app.ops.observed import Metrics
from app.store.schema import Inspection
from app.store.store import Store
from bench.broker import Broker, find_mosquitto


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that acknowledges everything, until a test gives it another answer."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.came.append(({name.lower(): value for name, value in self.headers.items()}, body))
            try:
                made.answer(self)
            except OSError:  # the other side has hung up
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(tmp_path: Path, empty_database: bytes) -> Iterator[Store]:
    """Whose webhooks may reach this machine."""
    settings = settings_in(tmp_path, **LOOPBACK)
    settings.data_dir.mkdir()
    (settings.data_dir / "nominal.db").write_bytes(empty_database)
    opened = Store(settings)
    yield opened
    opened.close()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def relay(store: Store, metrics: Metrics) -> Iterator[Relay]:
    """It runs beside the store."""
    made = Relay(store, store._settings, metrics)
    made.start()
    yield made
    made.stop(10)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One that lets everybody in."""
    if find_mosquitto() is None:
        pytest.skip("no mosquitto here; Debian's package has it")
    with Broker(tmp_path_factory.mktemp("broker")) as made:
        yield made


@pytest.fixture
def inspected(store: Store) -> Callable[..., str]:
    """Records an inspection; the id of its event."""

    def record(bank: str = "caps", **values: Any) -> str:
        row = Inspection(**{
            "bank": bank, "version": 1, "width": 64, "height": 64, "score": 9.0, "review_threshold": 3.0,
            "reject_threshold": 4.0, "decision": "reject", "regions": [], "timings": {}, "digests": {}, **values,
        })  # fmt: skip
        store.inspections.add([row])
        return f"{row.id}.decided"

    return record
