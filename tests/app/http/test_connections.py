"""Connections over real sockets: heads bounded in bytes and time, idle ones closed, places kept for probes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from service_kit import wait_until
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import connect as connect_socket

from app.cli.serve import Certificate, Server
from app.errors import StartRefused
from app.http.connections import SPARE, Limits, limits_of
from app.http.protocol import FIELDS, LINE_BYTES, guarded
from app.settings import Settings

Address = tuple[str, int]
GET = b"GET /part HTTP/1.1\r\nHost: x\r\n\r\n"
ROOMY = Limits(head_bytes=64 << 10, head_seconds=30, idle_seconds=30, connections=64, by_address=64)


async def answered(request: Request) -> PlainTextResponse:
    """The length of the body, after a while where that is asked for."""
    await asyncio.sleep(float(request.query_params.get("wait", 0)))
    return PlainTextResponse(f"read {len(await request.body())}")


@contextlib.contextmanager
def serving(limits: Limits = ROOMY) -> Iterator[Address]:
    """The address of a server with these limits."""
    routes = [Route(path, answered, methods=["GET", "POST"]) for path in ("/part", "/livez", "/readyz")]
    with running(Starlette(routes=routes), http=guarded(limits), ws="none") as address:
        yield address


@contextlib.contextmanager
def running(
    application: Starlette, certificate: Certificate | None = None, **options: Any
) -> Iterator[Address]:
    """The address of the server as it is started, on a free port."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    config = uvicorn.Config(application, log_config=None, lifespan="off", timeout_keep_alive=30, **options)
    server = Server(config, certificate)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        server.should_exit = server.force_exit = True
        thread.join()


def connect(address: Address, sent: bytes = b"") -> socket.socket:
    made = socket.create_connection(address, timeout=60)
    made.sendall(sent)
    return made


def read(connection: socket.socket) -> bytes:
    """What comes until the connection is closed."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(1 << 16):
            found += data
    connection.close()
    return found


def one_answer(connection: socket.socket) -> bytes:
    """What comes first."""
    return connection.recv(1 << 16)


def flood(address: Address, begun: bytes, piece: bytes, most: int = 64 << 20) -> tuple[int, bytes]:
    """(bytes that could be sent of a stream without end, what was answered)."""
    connection, sent = connect(address, begun), 0
    with contextlib.suppress(OSError):
        while sent < most:
            connection.sendall(piece)
            sent += len(piece)
    return sent, read(connection)


def test_a_request_is_answered_as_ever_and_the_connection_serves_the_next() -> None:
    with serving() as address, connect(address) as connection:
        for _ in range(3):
            connection.sendall(GET)
            assert b"200 OK" in one_answer(connection)
        for size in (0, 1, 100_000):
            head = f"POST /part HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
            connection.sendall(head + b"x" * size)
            assert one_answer(connection).endswith(f"read {size}".encode())
        chunks = b"".join(b"1\r\nx\r\n" for _ in range(20_000))
        connection.sendall(b"POST /part HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        connection.sendall(b"0\r\nX-Trailer: few\r\n\r\n")
        assert one_answer(connection).endswith(b"read 20000")


def test_heads_in_single_bytes_and_pipelined_ones_are_read() -> None:
    with serving() as address, connect(address) as connection:
        for byte in GET:
            connection.sendall(bytes([byte]))
        assert b"200 OK" in one_answer(connection)
        connection.sendall(GET * 5)
        found = b""
        while found.count(b"200 OK") < 5:
            found += one_answer(connection)


@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        (b"GET /part HTTP/1.1\r\n", b"A: b\r\n" * 1000),
        (b"GET /part HTTP/1.1\r\n", b"X-Large: " + b"y" * 8000 + b"\r\n"),
        (b"GET /part HTTP/1.1\r\nX-Endless: ", b"y" * 4096),
        (b"GET /part HTTP/1.1\r\n", b"n" * 4096),
        (b"GET /", b"p" * 4096),
        (b"GET /part?", b"q" * 4096),
        (b"POST /part HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"T: r\r\n" * 1000),
        (b"POST /part HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: ", b"r" * 4096),
        (b"POST /part HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;e=", b"x" * 4096),
    ],
    ids=["fields", "large", "value", "name", "path", "query", "trailers", "trailer", "extension"],
)
def test_a_head_or_trailer_without_end_is_refused_before_it_is_long(begun: bytes, piece: bytes) -> None:
    started = time.monotonic()
    with serving() as address:
        sent, answer = flood(address, begun, piece)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
        assert sent < 32 << 20
        with connect(address, GET) as other:
            assert b"200 OK" in one_answer(other)
    assert time.monotonic() - started < 25


@pytest.mark.parametrize(
    "head",
    [
        b"GET /part HTTP/1.1\r\n" + b"A: b\r\n" * (FIELDS + 1) + b"\r\n",
        b"GET /part HTTP/1.1\r\nA: " + b"b" * LINE_BYTES + b"\r\n\r\n",
        b"GET /" + b"p" * (LINE_BYTES + 1) + b" HTTP/1.1\r\n\r\n",
        b"GET /part HTTP/1.1\r\n" + (b"A: " + b"b" * 10_000 + b"\r\n") * 7 + b"\r\n",
    ],
    ids=["many", "long", "path", "whole"],
)
def test_a_head_beyond_a_limit_is_answered_with_a_problem(head: bytes) -> None:
    with serving() as address:
        answer = read(connect(address, head))
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert b"application/problem+json" in answer
        assert b"/problems/head-too-large" in answer


def test_the_longest_head_that_is_allowed_is_read() -> None:
    fields = (b"A: " + b"b" * 12_000 + b"\r\n") * 5
    with serving() as address, connect(address, b"GET /part HTTP/1.1\r\n" + fields + b"\r\n") as connection:
        assert b"200 OK" in one_answer(connection)


def test_what_is_not_http_is_answered_with_a_problem() -> None:
    with serving() as address:
        answer = read(connect(address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n"))
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"/problems/bad-request" in answer


def test_a_head_that_does_not_end_in_time_is_refused_however_it_trickles() -> None:
    hasty = Limits(64 << 10, head_seconds=0.5, idle_seconds=30, connections=64, by_address=64)
    with serving(hasty) as address, connect(address, b"GET /part HTTP/1.1\r\n") as connection:
        started = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - started < 25:
                connection.sendall(b"A: b\r\n")
                time.sleep(0.05)
                connection.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    assert b"/problems/head-too-slow" in connection.recv(1 << 16)
                    break
                connection.settimeout(60)
        assert 0.4 < time.monotonic() - started < 25


@pytest.mark.parametrize("sent", [b"", GET + b"GET /pa"], ids=["nothing", "a half second request"])
def test_a_connection_without_a_request_is_closed(sent: bytes) -> None:
    hasty = Limits(64 << 10, head_seconds=0.3, idle_seconds=30, connections=64, by_address=64)
    started = time.monotonic()
    with serving(hasty) as address:
        answer = read(connect(address, sent))
        assert (b"200 OK" in answer) is bool(sent)
    assert time.monotonic() - started < 25


def test_a_long_answer_outlasts_the_time_of_a_head() -> None:
    hasty = Limits(64 << 10, head_seconds=0.2, idle_seconds=30, connections=64, by_address=64)
    with serving(hasty) as address:
        request = b"GET /part?wait=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert b"200 OK" in read(connect(address, request))


def test_idle_connections_give_way_to_new_ones() -> None:
    with serving(Limits(64 << 10, 30, 30, connections=8, by_address=8)) as address:
        idle = [connect(address) for _ in range(20)]
        half = [connect(address, b"GET /part HTTP/1.1\r\n") for _ in range(20)]
        for _ in range(5):
            with connect(address, GET) as connection:
                assert b"200 OK" in one_answer(connection)
        for connection in idle + half:
            connection.close()


def test_one_address_has_no_more_connections_than_it_may(caplog: pytest.LogCaptureFixture) -> None:
    slow = b"GET /part?wait=3 HTTP/1.1\r\nHost: x\r\n\r\n"
    with caplog.at_level(logging.WARNING), serving(Limits(64 << 10, 30, 30, 64, by_address=4)) as address:
        busy = [connect(address, slow) for _ in range(4)]
        time.sleep(0.5)
        beyond = [read(connect(address, GET)) for _ in range(30)]
        assert beyond == [b""] * 30
        assert all(b"200 OK" in one_answer(connection) for connection in busy)
        with connect(address, GET) as connection:  # an idle one makes room
            assert b"200 OK" in one_answer(connection)
        for connection in busy:
            connection.close()
    said = [record for record in caplog.records if "of one address" in record.message]
    assert len(said) == 1  # not a line for each


def test_when_every_place_is_busy_probes_are_answered_and_others_told_when_to_come_again() -> None:
    slow = b"GET /part?wait=4 HTTP/1.1\r\nHost: x\r\n\r\n"
    with serving(Limits(64 << 10, 30, 30, connections=6, by_address=6 + SPARE + 9)) as address:
        busy = [connect(address, slow) for _ in range(6)]
        time.sleep(0.5)
        for path in (b"/livez", b"/readyz"):
            with connect(address, GET.replace(b"/part", path)) as connection:
                assert b"200 OK" in one_answer(connection)
        refused = read(connect(address, GET))
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"/problems/connections-full" in refused
        assert b"retry-after: 1" in refused.lower()
        assert all(b"200 OK" in one_answer(connection) for connection in busy)
        with connect(address, GET) as connection:
            assert b"200 OK" in one_answer(connection)
        for connection in busy:
            connection.close()


def test_connections_leave_descriptors_to_the_rest_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("resource.getrlimit", lambda kind: (1024, 2048))
    monkeypatch.setattr("resource.setrlimit", lambda kind, limits: asked.append(limits))
    limits = limits_of(Settings())
    assert asked == [(2048, 2048)]
    assert limits.connections + SPARE + 256 == 2048
    assert limits.by_address == 1024


def test_a_websocket_gives_its_place_back() -> None:
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    protocol = guarded(Limits(64 << 10, 30, 30, connections=4, by_address=4))
    application = Starlette(routes=[WebSocketRoute("/socket", echo), Route("/part", answered)])
    with running(application, http=protocol, ws="websockets-sansio") as address:
        for i in range(12):
            with connect_socket(f"ws://127.0.0.1:{address[1]}/socket") as client:
                client.send(str(i))
                assert client.recv() == str(i)
        with connect(address, GET) as connection:
            assert b"200 OK" in one_answer(connection)


# HTTPS


def write_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """(certificate, key) of a name, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    whose = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(whose).issuer_name(whose).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    files[1].write_bytes(private)
    return files


def presented(address: Address) -> str:
    """The name in the certificate that the server shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with connect(address) as plain, context.wrap_socket(plain, server_hostname="x") as safe:
        safe.sendall(GET)
        assert b"200 OK" in safe.recv(1 << 16)
        shown = x509.load_der_x509_certificate(safe.getpeercert(binary_form=True) or b"")
    return str(shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def test_https_is_served_and_a_renewed_certificate_shown_without_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chain, key = write_certificate(tmp_path, "first.example")
    application = Starlette(routes=[Route("/part", answered)])
    options = {"ssl_certfile": chain, "ssl_keyfile": key, "certificate": Certificate(chain, key)}
    with (
        caplog.at_level(logging.INFO),
        running(application, http=guarded(ROOMY), ws="none", **options) as address,
    ):
        assert presented(address) == "first.example"
        write_certificate(tmp_path, "second.example")
        wait_until(lambda: presented(address) == "second.example")
        chain.write_bytes(b"half a certificate")
        wait_until(lambda: "cannot be used" in caplog.text)
        assert presented(address) == "second.example"


def test_a_certificate_that_cannot_be_used_is_refused_at_start(tmp_path: Path) -> None:
    chain, key = write_certificate(tmp_path, "a.example")
    (tmp_path / "other").mkdir()
    _, foreign = write_certificate(tmp_path / "other", "b.example")
    locked = tmp_path / "locked.pem"
    private = load_pem_private_key(key.read_bytes(), None)
    locked.write_bytes(
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    )
    for pair in ((tmp_path / "absent", key), (chain, foreign), (chain, None), (chain, locked)):
        with pytest.raises(StartRefused, match="--tls-cert"):
            Certificate(*pair)
    Certificate(chain, key)
