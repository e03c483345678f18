"""When the client asks again and when it must not, against a server that answers by a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from scripted_server import Script, reply, scripted

from nominal_client import (
    AsyncClient,
    BadArgument,
    Client,
    ConnectionFailed,
    ProblemError,
    Retries,
    UnexpectedAnswer,
)
from nominal_client.errors import Attempts

AT_ONCE = Retries(first_pause=0)
LIVE = reply(200, b'{"status": "alive"}')
BUSY = reply(
    503,
    b'{"type": "/problems/queue-full", "title": "The queue is full", "status": 503, "detail": "Full.",'
    b' "requirement": "a", "received": "b", "remedy": "c", "retry_after": 0, "more": 7}',
    "application/problem+json",
    Retry_After="0",
)
BROKEN = b""
INSPECTION = {
    "id": "i1", "bank": "caps", "version": 1, "created_at": "2026-01-01T00:00:00Z", "serial": None, "station": None,
    "name": None, "width": 1, "height": 1, "score": 0.5, "thresholds": {"review": 1, "reject": 1}, "decision": "accept",
    "regions": [], "nearest": None, "digests": {}, "timings": {}, "verdict": None, "image_sha256": None,
    "kind": None,
    "links": {"self": "/", "reviews": "/", "similar": "/", "image": None, "heatmap": None, "overlay": None},
}  # fmt: skip
INSPECTED = reply(200, json.dumps(INSPECTION).encode())


@contextmanager
def answering(answers: list[bytes], retries: Retries = AT_ONCE) -> Iterator[tuple[Script, Client]]:
    """A server that gives these answers in turn, and a client of it."""
    with scripted(answers) as script, Client(script.url, "secret", retries=retries) as client:
        yield script, client


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NOMINAL_URL", "NOMINAL_API_KEY"):
        monkeypatch.delenv(name, raising=False)


# What is asked again


def test_a_refusal_with_retry_after_is_tried_again_even_for_an_inspection() -> None:
    with answering([BUSY, BUSY, INSPECTED]) as (script, client):
        assert client.inspect("caps", b"png").score == 0.5
    assert [seen.body for seen in script.seen] == [b"png"] * 3


def test_the_asynchronous_client_tries_again_likewise() -> None:
    async def ask() -> float:
        async with AsyncClient(script.url, retries=AT_ONCE) as client:
            return (await client.inspect("caps", b"png")).score

    with scripted([BUSY, BROKEN]) as script:
        with pytest.raises(ConnectionFailed):
            asyncio.run(ask())
        script.answers[:] = [BUSY, INSPECTED]
        assert asyncio.run(ask()) == 0.5
    assert len(script.seen) == 4


def test_a_broken_connection_is_tried_again_for_what_only_reads() -> None:
    with answering([BROKEN, BROKEN, LIVE]) as (script, client):
        assert client.get_live().status == "alive"
    assert len(script.seen) == 3


def test_a_broken_connection_is_never_tried_again_for_what_may_have_been_done() -> None:
    with answering([BROKEN, INSPECTED]) as (script, client):
        with pytest.raises(ConnectionFailed) as caught:
            client.inspect("caps", b"png")
        assert caught.value.sent
    assert len(script.seen) == 1


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_error_is_tried_again_for_what_only_reads(status: int) -> None:
    page = reply(status, b"<html>", "text/html")
    with answering([page, LIVE, page]) as (script, client):
        assert client.get_live().status == "alive"
        with pytest.raises(ProblemError) as caught:
            client.inspect("caps", b"png")
    assert (caught.value.status, caught.value.slug, caught.value.requirement) == (status, "", None)
    assert len(script.seen) == 3


def test_a_build_is_asked_for_again_with_the_same_idempotency_key() -> None:
    refused = reply(404, b'{"type": "/problems/not-found", "detail": "No bank."}', "application/problem+json")
    with answering([BROKEN, refused, refused]) as (script, client):
        for _ in range(2):
            with pytest.raises(ProblemError):
                client.start_build("caps")
    first, again, other = (seen.headers["idempotency-key"] for seen in script.seen)
    assert first == again
    assert other != first


def test_an_upload_is_sent_again_from_its_first_byte(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"a" * 1000)
    (tmp_path / "b.png").write_bytes(b"b" * 500)
    done = reply(200, b'{"accepted": 2, "duplicate": 0, "rejected": 0, "files": [], "nominal_images": 2}')
    heard: list[tuple[int, int]] = []
    with answering([BROKEN, BUSY, done]) as (script, client):
        uploaded = client.upload_images(
            "caps", tmp_path, progress=lambda sent, total: heard.append((sent, total))
        )
    assert uploaded.accepted == 2
    for seen in script.seen:
        assert seen.body.count(b"a" * 1000) == 1
        assert seen.body.count(b"b" * 500) == 1
    assert heard[-1] == (1500, 1500)
    assert all(sent <= total == 1500 for sent, total in heard)


# Where it ends


def test_attempts_are_counted() -> None:
    with (
        answering([BUSY] * 9, retries=Retries(attempts=3)) as (script, client),
        pytest.raises(ProblemError) as caught,
    ):
        client.get_live()
    assert len(script.seen) == 3
    assert caught.value.slug == "queue-full"


@pytest.mark.parametrize("seconds", ["3600", "21"])
def test_a_longer_pause_than_the_client_would_wait_is_told_at_once(seconds: str) -> None:
    busy = BUSY.replace(b"Retry-After: 0", b"Retry-After: " + seconds.encode())
    with answering([busy]) as (_, client), pytest.raises(ProblemError) as caught:
        client.get_live()
    assert caught.value.retry_after == float(seconds)


def test_no_attempt_begins_after_the_callers_time() -> None:
    now = 0.0
    attempts = Attempts(Retries(seconds=10), repeatable=True, clock=lambda: now)
    busy = ProblemError(503, {}, retry_after=4.0)
    assert 4.0 <= (attempts.pause_after(busy) or 0) <= 4.8
    now = 4.8
    assert 4.0 <= (attempts.pause_after(busy) or 0) <= 4.8
    now = 9.6
    assert attempts.pause_after(busy) is None


def test_the_time_asked_for_an_inspection_bounds_its_attempts_too() -> None:
    busy = BUSY.replace(b"Retry-After: 0", b"Retry-After: 1")
    with answering([busy]) as (script, client), pytest.raises(ProblemError):
        client.inspect("caps", b"png", within=0.15)
    assert script.seen[0].headers["prefer"] == "respond-within=150ms"


def test_pauses_of_its_own_double_up_to_the_longest() -> None:
    attempts = Attempts(Retries(attempts=99, seconds=1e9, first_pause=1, longest_pause=5), repeatable=True)
    lost = ConnectionFailed(requirement="a", received="b", remedy="c", sent=True)
    pauses = [attempts.pause_after(lost) or 0 for _ in range(6)]
    for pause, longest in zip(pauses, [1, 2, 4, 5, 5, 5], strict=True):
        assert longest / 2 <= pause <= longest


def test_nobody_listening_is_said_with_the_address_and_what_to_do() -> None:
    with scripted([]) as script:
        gone = script.url
    with Client(gone, retries=AT_ONCE) as client, pytest.raises(ConnectionFailed) as caught:
        client.inspect("caps", b"png")
    assert not caught.value.sent
    assert gone in str(caught.value)
    assert "NOMINAL_URL" in str(caught.value.remedy)


# What answers say


def test_a_problem_keeps_every_member_and_reads_as_its_detail() -> None:
    with (
        answering([BUSY.replace(b" 503 Said", b" 422 Said")]) as (_, client),
        pytest.raises(ProblemError) as caught,
    ):
        client.get_live()
    error = caught.value
    assert (error.status, error.type, error.slug) == (422, "/problems/queue-full", "queue-full")
    assert (error.title, error.detail, str(error)) == ("The queue is full", "Full.", "Full.")
    assert (error.requirement, error.received, error.remedy) == ("a", "b", "c")
    assert error.members["more"] == 7
    assert error.retry_after == 0


@pytest.mark.parametrize("body", [b"<html>not Nominal</html>", b"[]", b'{"status": "odd"}', b""])
def test_an_answer_of_another_server_is_named_as_such(body: bytes) -> None:
    with (
        answering([reply(200, body)]) as (_, client),
        pytest.raises(UnexpectedAnswer, match="must answer /livez"),
    ):
        client.get_live()


def test_what_a_newer_server_adds_is_passed_over() -> None:
    with answering([reply(200, b'{"status": "alive", "mood": "fine"}')]) as (_, client):
        assert client.get_live().model_dump() == {"status": "alive"}


# The key


def test_the_key_goes_to_the_named_server_alone() -> None:
    with (
        scripted([LIVE]) as other,
        scripted([reply(307, Location=other.url + "/livez")]) as script,
        Client(script.url, "secret") as client,
        pytest.raises(UnexpectedAnswer, match="redirect"),
    ):
        client.get_live()
    assert script.seen[0].headers["authorization"] == "Bearer secret"
    assert other.seen == []


def test_address_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted([LIVE]) as script:
        monkeypatch.setenv("NOMINAL_URL", script.url)
        monkeypatch.setenv("NOMINAL_API_KEY", "from-the-environment")
        with Client() as client:
            client.get_live()
    assert script.seen[0].headers["authorization"] == "Bearer from-the-environment"


@pytest.mark.parametrize("key", ["with space", "ümlaut", "line\nbreak"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(BadArgument) as caught:
        Client("http://127.0.0.1:1", key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://host", "http://", "http://me:pw@host", "http://h/?q=1", "http://h:x"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadArgument) as caught:
        Client(url)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("id", ["", ".", ".."])
def test_an_id_cannot_become_another_path(id: str) -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(BadArgument):
        client.delete_bank(id)


def test_an_id_with_a_slash_stays_one_segment() -> None:
    with answering([reply(204, b"")]) as (script, client):
        client.delete_bank("a/b?c")
    assert script.seen[0].path == "/v1/banks/a%2Fb%3Fc"
