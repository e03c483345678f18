"""Middleware: errors caught once, headers on every answer, requests counted, work ended with its client."""

from __future__ import annotations

import asyncio
import logging

import httpx
import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.middleware import (
    API_POLICY,
    PAGE_POLICY,
    CatchErrors,
    SecurityHeaders,
    unless_disconnected,
)
from app.http.observe import Observe
from app.ops.observed import Observed

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def http_scope(path: str = "/") -> Scope:
    return {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}


async def call(app: ASGIApp, scope: Scope, messages: list[Message] | None = None) -> list[Message]:
    """What ``app`` sends; it receives ``messages`` and then waits for ever."""
    incoming, sent = [*(messages or [])], list[Message]()

    async def receive() -> Message:
        return incoming.pop(0) if incoming else await asyncio.Future()

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def raising(scope: Scope, receive: Receive, send: Send) -> None:
    raise ZeroDivisionError("secret")


async def breaking_off(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise ZeroDivisionError


async def hung_up(scope: Scope, receive: Receive, send: Send) -> None:
    raise ClientDisconnect


# Errors


async def test_an_uncaught_error_is_an_internal_problem_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    transport = httpx.ASGITransport(CatchErrors(raising))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.get("/somewhere")
    assert answer.status_code == 500
    assert answer.json()["type"] == "/problems/internal-error"
    assert "secret" not in answer.text
    (record,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert record.exc_info is not None


async def test_an_answer_that_had_begun_is_broken_off() -> None:
    with pytest.raises(ZeroDivisionError):
        await call(CatchErrors(breaking_off), http_scope())


async def test_a_client_that_hung_up_is_noted_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    scope = http_scope()
    assert await call(CatchErrors(hung_up), scope) == []
    assert scope["state"]["problem"] == "client-closed-request"
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("wrap", [CatchErrors, SecurityHeaders, lambda app: Observe(app, Observed())])
async def test_what_is_no_http_passes_untouched(wrap: type[CatchErrors]) -> None:
    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})

    assert await call(wrap(lifespan), {"type": "lifespan"}) == [{"type": "lifespan.startup.complete"}]


# Headers


@pytest.mark.parametrize(
    ("path", "policy", "cache"),
    [
        ("/v1/banks", API_POLICY, "no-store"),
        ("/consoles", API_POLICY, "no-store"),
        ("/console", PAGE_POLICY, None),
        ("/console/banks", PAGE_POLICY, None),
    ],
)
def test_every_answer_has_security_headers(path: str, policy: str, cache: str | None) -> None:
    headers = TestClient(SecurityHeaders(PlainTextResponse("hello"))).get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == policy
    assert "frame-ancestors 'none'" in policy
    assert headers.get("cache-control") == cache


def test_a_header_that_the_answer_sets_itself_stays() -> None:
    answer = PlainTextResponse("thumbnail", headers={"Cache-Control": "private, immutable"})
    assert TestClient(SecurityHeaders(answer)).get("/v1/x").headers["cache-control"] == "private, immutable"


# In flight


async def test_requests_in_flight_are_counted_until_answered_or_failed() -> None:
    observed, go_on = Observed(), asyncio.Event()
    in_flight = observed.in_flight

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await go_on.wait()
        if scope["path"] == "/fail":
            raise ZeroDivisionError

    assert await in_flight.wait_until_none(0)
    counted = Observe(slow, observed)
    tasks = [asyncio.create_task(call(counted, http_scope(path))) for path in ("/", "/fail")]
    await asyncio.sleep(0)
    assert in_flight.count == 2
    assert not await in_flight.wait_until_none(0)
    waiting = asyncio.create_task(in_flight.wait_until_none(60))
    go_on.set()
    assert await waiting
    assert in_flight.count == 0
    await asyncio.gather(*tasks, return_exceptions=True)


# Hanging up


def request(*messages: Message) -> Request:
    incoming = [*messages]

    async def receive() -> Message:
        return incoming.pop(0) if incoming else await asyncio.Future()

    return Request(http_scope(), receive)


async def test_work_is_done_while_its_client_listens() -> None:
    async def work() -> Response:
        return PlainTextResponse("done")

    assert (await unless_disconnected(request(), work())).body == b"done"


async def test_what_work_raises_is_raised() -> None:
    async def work() -> None:
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        await unless_disconnected(request(), work())


async def test_work_is_cancelled_when_its_client_hangs_up() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Future()
        finally:
            cancelled.set()

    with pytest.raises(ClientDisconnect):
        await unless_disconnected(request({"type": "http.request"}, {"type": "http.disconnect"}), work())
    assert cancelled.is_set()


async def test_cancelling_the_caller_cancels_the_work() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Future()
        finally:
            cancelled.set()

    task = asyncio.create_task(unless_disconnected(request(), work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()
