"""What tests of events share: a receiver of webhooks, and how it answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

import pytest

from app.events import courier, pauses

LOOPBACK = {"sink_addresses": ["127.0.0.0/8", "::1/128"]}


@dataclass
class Receiver:
    """Answers POSTs as ``answer`` says; remembers what came."""

    answer: Callable[[BaseHTTPRequestHandler], None] = lambda handler: reply(handler, 204)
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    @property
    def ids(self) -> list[str]:
        """Of the events that came, in order."""
        return [json.loads(body)["id"] for _, body in self.came]


def reply(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again soon."""
    monkeypatch.setattr(pauses, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(pauses, "LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(courier, "HELD_NOTED_SECONDS", 0.2)
