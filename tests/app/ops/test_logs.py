"""Logs: one JSON object a line with the request's id, nothing secret, nothing a client wrote breaking a line."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from app.http.middleware import Observe
from app.ops.logs import configure, request_id
from app.ops.observed import Observed

log = logging.getLogger("somewhere")
KEY = "nominal_0123456789ab_" + "s" * 43


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def stream(restored: None) -> io.StringIO:
    stream = io.StringIO()
    configure("info", stream=stream)
    return stream


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_people_read_and_elsewhere_machines_do_unless_it_is_said(restored: None) -> None:
    for stream, said, as_json in (
        (Terminal(), None, False),
        (Terminal(), True, True),
        (io.StringIO(), False, False),
    ):
        configure("info", as_json=said, stream=stream)
        log.info("ready")
        assert stream.getvalue().startswith("{") == as_json


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_json_object_with_its_extras(stream: io.StringIO) -> None:
    log.info("built %s", "caps", extra={"bank": "caps", "seconds": 1.5, "path": io.StringIO})
    (line,) = lines(stream)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "somewhere",
        "message": "built caps",
        "bank": "caps",
        "seconds": 1.5,
        "path": str(io.StringIO),
    }


def test_what_is_below_the_level_is_not_written(stream: io.StringIO) -> None:
    log.debug("quiet")
    assert lines(stream) == []


def test_an_exception_stays_in_its_line(stream: io.StringIO) -> None:
    try:
        raise ValueError("no\nnewline")
    except ValueError:
        log.exception("failed")
    (line,) = lines(stream)
    assert "ValueError: no\nnewline" in line["exception"]


@pytest.mark.parametrize(
    "secret",
    [
        KEY,
        f"Authorization: Bearer {KEY}",
        "Bearer abc.def",
        "postgresql://user:hunter2@host/db",
        f"key={KEY}, b",
    ],
)
def test_secrets_are_masked_in_messages_extras_and_exceptions(stream: io.StringIO, secret: str) -> None:
    try:
        raise ValueError(secret)
    except ValueError:
        log.error("got %s", secret, exc_info=sys.exc_info(), extra={"given": secret, "password": secret})
    (line,) = lines(stream)
    for hidden in ("s" * 43, "abc.def", "hunter2"):
        assert hidden not in json.dumps(line)
    assert line["password"] == "***"
    assert "***" in line["given"]


def test_plain_text_keeps_one_line_a_record(restored: None) -> None:
    stream = io.StringIO()
    configure("info", as_json=False, stream=stream)
    log.warning("evil\nINFO forged\x1b[2J", extra={"name_given": "a\r\nb"})
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("warning somewhere: evil\\nINFO forged\\x1b[2J name_given=a\\r\\nb")


# Requests


async def hello(request: Request) -> Response:
    log.info("working")
    return PlainTextResponse(str(request_id.get()))


async def fail(request: Request) -> Response:
    raise ZeroDivisionError


@pytest.fixture
def client(stream: io.StringIO) -> TestClient:
    api = Starlette(routes=[Route("/hello", hello), Route("/fail", fail)])
    return TestClient(Observe(api, Observed(), iter([1.0, 1.25] * 9).__next__), raise_server_exceptions=False)


def test_a_request_is_logged_once_with_its_id_in_every_record_and_in_the_answer(
    client: TestClient, stream: io.StringIO
) -> None:
    answer = client.get("/hello?token=secret", headers={"X-Request-ID": "line-3.0001"})
    assert answer.text == answer.headers["X-Request-ID"] == "line-3.0001"
    working, access = lines(stream)
    assert working["request_id"] == access["request_id"] == "line-3.0001"
    assert {
        name: access[name] for name in ("logger", "message", "status", "bytes", "milliseconds", "client")
    } == {
        "logger": "app.access",
        "message": "GET /hello 200",
        "status": 200,
        "bytes": 11,
        "milliseconds": 250.0,
        "client": "testclient",
    }
    assert "secret" not in stream.getvalue()
    assert request_id.get() is None


@pytest.mark.parametrize("given", [None, "", "x" * 65, "a b", 'a"b', "a\\nb", "ä"])
def test_a_request_without_a_sane_id_gets_a_fresh_one(client: TestClient, given: str | None) -> None:
    headers = {} if given is None else {b"X-Request-ID": given.encode()}
    first, second = (client.get("/hello", headers=headers).text for _ in range(2))
    assert len(first) == len(second) == 32
    assert first != second


def test_a_failed_request_is_logged_as_an_error(client: TestClient, stream: io.StringIO) -> None:
    client.get("/fail")
    access = lines(stream)[-1]
    assert (access["level"], access["status"], access["path"]) == ("error", 500, "/fail")
