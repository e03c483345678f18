"""Traces reach the endpoint that is set, none are made without one, and missing packages are named."""

from __future__ import annotations

import gzip
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.errors import TelemetryUnavailable
from app.ops.logs import Telemetry, telemetry


class Collector(BaseHTTPRequestHandler):
    """Keeps what is posted to it as (path, body)."""

    received: list[tuple[str, bytes]]

    def do_POST(self) -> None:  # the name http.server calls
        body = self.rfile.read(int(self.headers["Content-Length"]))
        body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        self.received.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def collector() -> Iterator[HTTPServer]:
    Collector.received = []
    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def ask(made: Telemetry, *paths: str) -> None:
    api = FastAPI(telemetry=made.config)
    api.get("/v1/banks/{bank}")(lambda bank: bank)
    api.get("/livez")(lambda: "live")
    with TestClient(api) as client:
        for path in paths:
            assert client.get(path).status_code == 200
    made.close()


@pytest.mark.parametrize("path", ["", "/", "/v1/traces"])
def test_requests_are_traced_to_the_endpoint_by_route(collector: HTTPServer, path: str) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    ask(telemetry(f"http://127.0.0.1:{collector.server_port}{path}"), "/v1/banks/caps", "/livez")
    assert {at for at, _ in Collector.received} == {"/v1/traces"}
    sent = b"".join(body for _, body in Collector.received)
    assert b"GET /v1/banks/{bank}" in sent
    assert b"nominal" in sent
    assert b"livez" not in sent


def test_without_an_endpoint_nothing_is_traced(collector: HTTPServer) -> None:
    ask(telemetry(None), "/v1/banks/caps")
    assert Collector.received == []


def test_missing_packages_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(TelemetryUnavailable, match=r"Install nominal-inspection\[telemetry\]"):
        telemetry("http://127.0.0.1:1")
