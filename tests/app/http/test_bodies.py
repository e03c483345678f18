"""Request bodies are bounded in bytes, declared or not, and in time; the answer is always a problem the client gets."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, UploadFile
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.bodies import BoundBodies
from app.http.problems import install

pytestmark = pytest.mark.anyio
LIMIT = 1000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def service() -> FastAPI:
    api = FastAPI()
    install(api)

    @api.post("/stream")
    async def stream(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    @api.post("/json")
    async def parsed(body: dict[str, str]) -> int:
        return len(body)

    @api.post("/form")
    async def form(file: UploadFile) -> int | None:
        return file.size

    @api.post("/unread")
    async def unread() -> str:
        return "read nothing"

    return api


def bounded(app: ASGIApp | None = None, **options: Any) -> BoundBodies:
    return BoundBodies(
        app or service(), lambda scope: 10 * LIMIT if scope["path"] == "/large" else LIMIT, **options
    )


def client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x")


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 100


async def test_a_body_up_to_the_limit_passes() -> None:
    async with client(bounded()) as http:
        assert (await http.post("/stream", content=b"x" * LIMIT)).json() == LIMIT
        assert (await http.post("/stream", content=chunks(10))).json() == LIMIT
        assert (await http.post("/json", json={"a": "b"})).json() == 1
        assert (await http.post("/unread")).json() == "read nothing"


async def test_a_declared_length_beyond_the_limit_is_refused_before_the_service_sees_it() -> None:
    async def unreachable(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    async with client(bounded(unreachable)) as http:
        answer = await http.post("/stream", content=b"x" * (LIMIT + 1))
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("path", ["/stream", "/json"])
async def test_an_undeclared_length_is_counted_whoever_reads_the_body(path: str) -> None:
    async with client(bounded()) as http:
        answer = await http.post(path, content=chunks(11), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")


async def test_an_undeclared_length_is_counted_in_a_form() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        async for chunk in chunks(20):
            yield chunk
        yield b"\r\n--b--\r\n"

    async with client(bounded()) as http:
        answer = await http.post(
            "/form", content=body(), headers={"content-type": "multipart/form-data; boundary=b"}
        )
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")


async def test_the_limit_depends_on_the_request() -> None:
    seen = []

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(len((await receive())["body"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with client(bounded(counting)) as http:
        assert (await http.post("/large", content=b"x" * 5000)).status_code == 204
    assert seen == [5000]


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"0x10", "²".encode("latin-1"), b""])
async def test_a_content_length_that_is_no_number_is_refused(length: bytes) -> None:
    sent = await send_to(bounded(), [], headers=[(b"content-length", length)])
    assert sent[0]["status"] == 400
    assert json.loads(sent[1]["body"])["type"] == "/problems/bad-request"


# Slow bodies


async def send_to(
    app: ASGIApp, pieces: list[bytes], headers: list[tuple[bytes, bytes]] | None = None, tick: Any = None
) -> list[Message]:
    """What ``app`` sends to a client that sends ``pieces`` and then neither more nor an end."""
    incoming, sent = [*pieces], list[Message]()

    async def receive() -> Message:
        if not incoming:
            return await asyncio.Future()
        if tick is not None:
            tick()
        return {"type": "http.request", "body": incoming.pop(0), "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/stream",
        "headers": headers or [],
        "query_string": b"",
    }
    await app(scope, receive, send)
    return sent


async def test_a_body_that_stops_coming_is_refused() -> None:
    sent = await send_to(bounded(patience=0.001), [b"x" * 10])
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["type"] == "/problems/body-too-slow"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def tick(self) -> None:
        self.now += 9.0


async def test_a_body_that_drips_is_refused_though_it_never_stops() -> None:
    clock = Clock()
    sent = await send_to(bounded(patience=20, rate=100, clock=clock), [b"x"] * 50, tick=clock.tick)
    assert sent[0]["status"] == 408
    assert clock.now == 27.0  # by the third piece the patience was used up


async def test_a_steady_body_is_not_refused_however_long_it_takes() -> None:
    clock = Clock()
    app = BoundBodies(service(), lambda scope: 10**6, patience=20, rate=100, clock=clock)
    pieces = [b"x" * 1000] * 60  # 9 s each at 111 bytes a second: nine minutes
    task = asyncio.create_task(send_to(app, pieces, tick=clock.tick))
    while clock.now < 9 * 60:
        assert not task.done()
        await asyncio.sleep(0)
    task.cancel()


async def test_an_answer_that_had_begun_is_not_mixed_with_a_refusal() -> None:
    async def early(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await receive()).get("more_body"):
            pass

    with pytest.raises(Exception, match="may have 1000 bytes"):
        await send_to(bounded(early), [b"x" * 600] * 2)


# Over a real connection


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    """A uvicorn server on loopback."""
    server = uvicorn.Server(uvicorn.Config(bounded(), log_config=None, lifespan="off", port=0))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()[:2]
    server.should_exit = True
    thread.join()
    listening.close()


@pytest.mark.parametrize("declared", [True, False])
def test_a_client_that_sends_far_too_much_still_gets_its_answer(
    address: tuple[str, int], declared: bool
) -> None:
    piece = b"x" * 65536
    body: Any = piece * 160 if declared else iter([piece] * 160)
    answer = httpx.post(f"http://{address[0]}:{address[1]}/stream", content=body, timeout=30)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")


def test_a_client_that_asks_before_sending_is_refused_before_it_sends(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=30) as connection:
        head = "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        answer = connection.makefile("rb").readline()
    assert answer.startswith(b"HTTP/1.1 413")
