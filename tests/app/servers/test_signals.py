"""Signals between the servers of one PostgreSQL; and that all goes on, only later, where there are none."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import psycopg
import pytest
from fakes import random_backbone
from parts import parts
from service_kit import service_of, wait_until
from starlette.testclient import TestClient

import app.learning.worker
from app.imaging.pictures import encode_png
from app.inspection.backbones import Backbones
from app.learning.supervisor import Supervisor
from app.learning.task import Means, Task
from app.learning.worker import WORK, Worker
from app.settings import Settings
from app.store.errors import BuildAlreadyRunning, NotFound
from app.store.schema import Job
from app.store.signals import KINDS, Listener
from app.store.store import Store, open_store
from core.errors import Cancelled

Serve = Callable[..., TestClient]
CAPS = "/v1/banks/caps"


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings) as opened:
        yield opened


@pytest.fixture
def signalled(backend: str) -> None:
    if backend == "sqlite":
        pytest.skip("SQLite has no signals")


@contextmanager
def listening(store: Store) -> Iterator[queue.Queue[tuple[str, str]]]:
    """What one server hears, past what it looks at once it is connected."""
    heard: queue.Queue[tuple[str, str]] = queue.Queue()
    listener = Listener(store.database, lambda *said: heard.put(said))
    listener.start()
    try:
        assert [heard.get(timeout=10)[0] for _ in KINDS] == [*KINDS]
        yield heard
    finally:
        listener.stop()


def failing(store: Store) -> None:
    """A job that is made, and one that is rolled back after it was said."""
    for _ in range(2):
        store.jobs.create("caps", request={}, actor="cli")


@pytest.mark.usefixtures("signalled")
def test_what_changes_is_said_once_it_is_durable_and_not_otherwise(store: Store, settings: Settings) -> None:
    with listening(store) as heard, open_store(settings) as other:
        other.banks.create("caps", title="Caps", config={}, actor="cli")
        with pytest.raises(NotFound):
            other.keys.revoke("0" * 12, actor="cli")
        with pytest.raises(BuildAlreadyRunning):
            failing(other)
        assert heard.get(timeout=5) == ("jobs", "")  # of the first of two
        other.jobs.cancel(other.jobs.page().items[0].id, actor="cli")
        assert heard.get(timeout=5) == ("jobs", "")
        job = other.jobs.create("caps", request={}, actor="cli")
        assert heard.get(timeout=5) == ("jobs", "")
        other.jobs.cancel(job.id, actor="cli")
        assert heard.get(timeout=5) == ("jobs", "")
        _, key = other.keys.create("line", "read", actor="cli")
        assert heard.get(timeout=5) == ("keys", "")
        other.audit.note("?", "key.refused", "keys")  # changes nothing
        other.keys.revoke(key.id, actor="cli")
        assert heard.get(timeout=5) == ("keys", "")
        other.sessions.end("0" * 16)
        assert heard.get(timeout=5) == ("keys", "")
        other.sinks.create("mes", "webhook", {"url": "https://x"}, actor="cli")
        assert heard.get(timeout=5) == ("sinks", "")
        assert heard.empty()


@pytest.mark.usefixtures("signalled")
def test_a_listener_whose_connection_is_cut_connects_again_and_looks_at_everything(
    store: Store, settings: Settings
) -> None:
    ask = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query IN ('LISTEN nominal', 'SELECT 1')"
    )
    with listening(store) as heard:
        url = settings.database_url
        assert url is not None
        with psycopg.connect(url.get_secret_value(), autocommit=True) as admin:
            admin.execute(f"{ask} AND datname = current_database() AND pid <> pg_backend_pid()")
        assert [heard.get(timeout=10)[0] for _ in KINDS] == [*KINDS]
        store.keys.create("line", "read", actor="cli")
        assert heard.get(timeout=5) == ("keys", "")


@pytest.mark.usefixtures("signalled")
def test_a_revoked_key_is_refused_by_the_other_server_at_once(serve: Serve, settings: Settings) -> None:
    first, second = serve(settings), serve(settings)
    for client in (first, second):
        wait_until(lambda client=client: service_of(client).listener.connected)  # type: ignore[misc]
    text, key = service_of(first).admission.create("line", "admin", None, "cli")
    headers = {"X-API-Key": text}
    wait_until(lambda: second.get("/v1/banks", headers=headers).status_code == 200)
    began = time.monotonic()
    first.delete(f"/v1/keys/{key.id}", headers=headers)
    wait_until(lambda: second.get("/v1/banks", headers=headers).status_code == 401)
    assert time.monotonic() - began < 1.5  # by itself it would believe the key for two seconds


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that looks for work by itself only each minute."""
    monkeypatch.setattr(app.learning.worker, "IDLE_SECONDS", 60.0)


@contextmanager
def working(client: TestClient, settings: Settings) -> Iterator[None]:
    """A server's worker, in a thread, woken as the server's supervisor wakes its process."""
    with open_store(settings) as store:
        worker = Worker(settings, store, "its", lambda: Backbones(settings, random_backbone()))
        thread = threading.Thread(target=worker.run)
        thread.start()
        service_of(client).learning.supervisor = cast("Supervisor", worker)  # it has ``wake``
        try:
            yield
        finally:
            service_of(client).learning.supervisor = None
            worker.stop()
            thread.join(30)


def test_a_build_asked_for_and_cancelled_at_one_server_is_begun_and_stopped_by_the_other_ones_worker(
    serve: Serve,
    settings: Settings,
    backend: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = settings
    if backend == "postgres":  # only signals are quick enough then
        request.getfixturevalue("patient")
        slow = settings.model_copy(update={"heartbeat_seconds": 10.0, "lease_seconds": 60.0})
    begun = threading.Event()

    def endless(means: Means, job: Job, task: Task) -> None:
        begun.set()
        while not task.stopping():
            time.sleep(0.01)
        raise Cancelled("a test", "the request to cancel it", "none")

    monkeypatch.setitem(WORK, "build", endless)
    asked, works = serve(settings), serve(slow)
    asked.post("/v1/banks", json={"id": "caps"})
    files = [("file", (f"{i}.png", encode_png(image))) for i, image in enumerate(parts(4))]
    asked.post(f"{CAPS}/images", files=files)
    with working(works, slow):
        if backend == "postgres":
            wait_until(lambda: service_of(works).listener.connected)
        answer = asked.post(f"{CAPS}/builds", json={"config": {"target_false_reject": 0.4}})
        assert answer.status_code == 202, answer.text
        assert begun.wait(5)
        began = time.monotonic()
        assert asked.post(f"/v1/jobs/{answer.json()['id']}/cancel").status_code == 202
        wait_until(lambda: works.get(f"/v1/jobs/{answer.json()['id']}").json()["state"] == "cancelled")
        assert time.monotonic() - began < 2.0
