"""More work than can be done: bounded, refused with the seconds to wait, dropped when nobody waits; and drained."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from service_kit import PNG, inspect, problem, service_of, wait_until
from starlette.testclient import TestClient
from starlette.types import Message

from app.errors import FieldInvalid, MemoryFull, QueueFull
from app.http.routes import exchange as answers
from app.inspection.gate import Gate, Memory
from app.settings import Settings
from models.backbone import Backbone

URL = "/v1/banks/caps/inspect"


class Held:
    """A backbone's runtime that passes until it is held, then waits until it is let go."""

    def __init__(self, backbone: Backbone) -> None:
        self.name, self.precision, self._run = (
            backbone.engine.name,
            backbone.engine.precision,
            backbone.engine,
        )
        self.go_on, self.reached = threading.Event(), threading.Event()
        self.go_on.set()

    def hold(self) -> None:
        self.go_on.clear()
        self.reached.clear()

    def __call__(self, batch: Any) -> Any:
        self.reached.set()
        assert self.go_on.wait(30)
        return self._run(batch)


@pytest.fixture
def held(backbone: Backbone) -> Iterator[Held]:
    """What the server of ``slow`` computes with."""
    made = Held(backbone)
    yield made
    made.go_on.set()


@pytest.fixture
def slow(
    serve: Callable[..., TestClient], settings: Settings, backbone: Backbone, held: Held, bank_file: bytes
) -> TestClient:
    """A server that computes one image at a time, of which two may wait; with the bank ``caps``."""
    few = settings.model_copy(update={"queue_size": 2, "batch_size": 1})
    client = serve(few, backbone=replace(backbone, engine=held))
    client.post("/v1/banks", json={"id": "caps"})
    client.post("/v1/banks/caps/import?activate=true", content=bank_file)
    return client


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def occupied(
    client: TestClient, held: Held, callers: ThreadPoolExecutor, image: bytes, count: int = 1
) -> list[Future[Any]]:
    """Calls that are under way: one computing and the rest waiting."""
    held.hold()
    calls = [callers.submit(client.post, URL, content=image, headers=PNG)]
    assert held.reached.wait(30)
    batcher = service_of(client).inspecting.batcher
    for waiting in range(1, count):
        calls.append(callers.submit(client.post, URL, content=image, headers=PNG))
        wait_until(lambda waiting=waiting: batcher.load().queued == waiting)  # type: ignore[misc]
    return calls


def test_past_a_full_queue_callers_are_refused_with_the_seconds_to_wait_and_nobody_else_suffers(
    slow: TestClient, held: Held, callers: ThreadPoolExecutor, good: bytes
) -> None:
    calls = occupied(slow, held, callers, good, 3)
    refused = slow.post(URL, content=good, headers=PNG)
    assert problem(refused, 503, "queue-full")["retry_after"] >= 1
    assert int(refused.headers["retry-after"]) == refused.json()["retry_after"]
    held.go_on.set()
    answers = [call.result(30) for call in calls]
    assert [answer.status_code for answer in answers] == [200] * 3
    ids = {answer.json()["id"] for answer in answers}
    assert {
        item["id"] for item in slow.get("/v1/inspections").json()["items"]
    } == ids  # none lost, none made up


def test_requests_are_refused_before_their_bodies_fill_the_memory() -> None:
    gate = Gate(requests=2, memory=(memory := Memory(100)), retry_after=lambda: 7.0)
    gate.open()
    with gate.enter() as first:
        first.grow(80)
        with gate.enter() as second, pytest.raises(MemoryFull) as full:
            second.grow(21)
        assert full.value.retry_after == 1.0
        with gate.enter(), pytest.raises(QueueFull) as refused, gate.enter():
            pass
        assert refused.value.retry_after == 7.0
    assert (gate.requests, memory.used, memory.peak) == (0, 0, 80)


def test_a_deadline_that_cannot_be_met_is_refused_before_queueing_and_one_that_passes_after(
    slow: TestClient, held: Held, callers: ThreadPoolExecutor, good: bytes
) -> None:
    inspect(slow, good)  # so that the service time is known
    calls = occupied(slow, held, callers, good)
    for prefer_header in ("respond-within=1ms", "wait=0", "respond-within=50ms"):
        late = slow.post(URL, content=good, headers={**PNG, "Prefer": prefer_header})
        assert problem(late, 503, "deadline-exceeded")["retry_after"] >= 1
    assert service_of(slow).inspecting.batcher.load().queued == 0
    held.go_on.set()
    assert calls[0].result(30).status_code == 200


def test_what_was_refused_while_it_was_computed_is_not_in_the_ledger(
    slow: TestClient, held: Held, callers: ThreadPoolExecutor, good: bytes
) -> None:
    [call] = occupied(slow, held, callers, good)
    cut = callers.submit(slow.post, URL, content=good, headers={**PNG, "Prefer": "respond-within=300ms"})
    wait_until(lambda: service_of(slow).inspecting.batcher.load().queued == 1)
    assert problem(cut.result(30), 503, "deadline-exceeded")
    held.go_on.set()
    assert call.result(30).status_code == 200
    held.hold()
    late = callers.submit(slow.post, URL, content=good, headers={**PNG, "Prefer": "respond-within=900ms"})
    assert held.reached.wait(30)  # it is being computed
    assert problem(late.result(30), 503, "deadline-exceeded")
    held.go_on.set()
    inspect(slow, good)  # whatever was computed before is written by now
    assert len(slow.get("/v1/inspections").json()["items"]) == 2


def test_what_is_in_the_ledger_already_is_answered_though_its_deadline_passes(
    slow: TestClient, good: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspect(slow, good)
    ledger = service_of(slow).store.inspections
    add = ledger.add

    def add_and_wait(*given: Any) -> None:
        add(*given)
        time.sleep(1.0)

    monkeypatch.setattr(ledger, "add", add_and_wait)
    late = slow.post(URL, content=good, headers={**PNG, "Prefer": "respond-within=800ms"})
    assert late.status_code == 200
    assert late.json()["id"] == slow.get("/v1/inspections").json()["items"][0]["id"]


def test_a_deadline_that_is_met_is_said_to_have_counted(slow: TestClient, good: bytes) -> None:
    response = slow.post(URL, content=good, headers={**PNG, "Prefer": "respond-async, wait=20"})
    assert (response.status_code, response.headers["preference-applied"]) == (200, "wait=20")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 30.0),
        ("", 30.0),
        ("return=minimal", 30.0),
        ("wait=2", 2.0),
        ("respond-within=250ms", 0.25),
        ('foo; respond-within="1.5s"', 1.5),
        ("WAIT = 3, return=minimal", 3.0),
        ("wait=999999", 30.0),
    ],
)
def test_a_preference_is_read_as_seconds_and_bounded(header: str | None, seconds: float) -> None:
    assert answers.deadline(header, 30.0).at - time.monotonic() == pytest.approx(seconds, abs=0.1)


@pytest.mark.parametrize("header", ["wait", "wait=soon", "respond-within=-1", "wait=1m", "respond-within="])
def test_a_preference_that_cannot_be_read_is_refused(header: str) -> None:
    with pytest.raises(FieldInvalid):
        answers.deadline(header, 30.0)


def test_a_caller_who_hangs_up_leaves_the_queue_and_no_trace(
    slow: TestClient, held: Held, callers: ThreadPoolExecutor, good: bytes
) -> None:
    calls = occupied(slow, held, callers, good)
    gone, portal = asyncio.Event(), slow.portal
    assert portal is not None
    batcher = service_of(slow).inspecting.batcher

    async def hang_up_once_queued() -> None:
        body: list[Message] = [{"type": "http.request", "body": good, "more_body": False}]

        async def receive() -> Message:
            if body:
                return body.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            """Nobody hears it."""

        headers = [(b"host", b"127.0.0.1"), (b"content-type", b"image/png")]
        scope = {
            "type": "http", "method": "POST", "path": URL, "raw_path": URL.encode(), "query_string": b"",
            "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "scheme": "http",
            "http_version": "1.1", "root_path": "", "asgi": {"version": "3.0"}, "state": {},
        }  # fmt: skip
        await slow.app(scope, receive, send)

    hanging = callers.submit(portal.call, hang_up_once_queued)
    wait_until(lambda: batcher.load().queued == 1)
    portal.call(gone.set)
    hanging.result(30)
    assert batcher.load().queued == 0
    held.go_on.set()
    assert calls[0].result(30).status_code == 200
    assert len(slow.get("/v1/inspections").json()["items"]) == 1
    assert re.search(r'nominal_problems_total\{type="client-closed-request"\} 1', slow.get("/metrics").text)


def test_one_image_that_fails_does_not_fail_those_it_was_batched_with(
    serve: Callable[..., TestClient], settings: Settings, backbone: Backbone, bank_file: bytes, good: bytes
) -> None:
    class Picky(Held):
        """Fails for every batch of more than one image, and so for each of its images but alone."""

        def __call__(self, batch: Any) -> Any:
            if len(batch) > 1:
                raise RuntimeError("too many for this test")
            return super().__call__(batch)

    picky = Picky(backbone)
    client = serve(settings, backbone=replace(backbone, engine=picky))
    client.post("/v1/banks", json={"id": "caps"})
    client.post("/v1/banks/caps/import?activate=true", content=bank_file)
    with ThreadPoolExecutor(4) as callers:
        calls = occupied(client, picky, callers, good, 3)
        picky.go_on.set()
        assert [call.result(30).status_code for call in calls] == [200] * 3


# Shutdown


def test_a_draining_server_is_unready_refuses_what_is_new_and_answers_what_is_in_flight(
    slow: TestClient, held: Held, callers: ThreadPoolExecutor, good: bytes
) -> None:
    calls = occupied(slow, held, callers, good, 2)
    service_of(slow).life.begin_drain()
    assert (slow.get("/readyz").status_code, slow.get("/readyz").json()) == (503, {"status": "draining"})
    assert slow.get("/livez").status_code == 200
    for path in (URL, "/v1/banks/caps/images", "/v1/banks/caps/builds", "/v1/banks/caps/import"):
        refused = slow.post(path) if path.endswith("/builds") else slow.post(path, content=good, headers=PNG)
        assert "retry-after" in refused.headers, path
        problem(refused, 503, "draining")
    held.go_on.set()
    answers = [call.result(30) for call in calls]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(slow.get("/v1/inspections").json()["items"]) == 2


def test_what_cannot_be_answered_in_the_time_to_drain_is_refused_and_the_server_leaves(
    serve: Callable[..., TestClient],
    settings: Settings,
    backbone: Backbone,
    held: Held,
    bank_file: bytes,
    good: bytes,
) -> None:
    hurried = settings.model_copy(update={"drain_seconds": 0.2, "batch_size": 1})
    client = serve(hurried, backbone=replace(backbone, engine=held))
    client.post("/v1/banks", json={"id": "caps"})
    client.post("/v1/banks/caps/import?activate=true", content=bank_file)
    with ThreadPoolExecutor(2) as callers:
        calls = occupied(client, held, callers, good, 2)
        assert client.portal is not None
        client.portal.call(service_of(client).inspecting.batcher.drain, 0.2)
        for call in calls:
            problem(call.result(30), 503, "draining")
        held.go_on.set()
