"""What the client streams: files on their way out, downloads, a job's events; and the paths beside each."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from scripted_server import Script, reply, scripted

from nominal_client import (
    AsyncClient,
    BadArgument,
    BuildFailed,
    Client,
    ConnectionFailed,
    FolderError,
    ProblemError,
    Retries,
    UnexpectedAnswer,
    WaitedTooLong,
)
from nominal_client.answers.jobs import Job
from nominal_client.uploads import BYTES, FILES

AT_ONCE = Retries(first_pause=0)
LARGE = 96 << 20
JOB = {
    "id": "j1", "bank": "caps", "kind": "build", "state": "running", "stage": "coreset", "done": 1, "total": 4,
    "seconds_left": 2.0, "cancel_requested": False, "error": None, "version": None, "attempts": 1, "request": {},
    "actor": "local", "created_at": "2026-01-01T00:00:00Z", "started_at": None, "heartbeat_at": None,
    "finished_at": None, "waits_for": None,
    "not_activated": None,
}  # fmt: skip
BUILT = {**JOB, "state": "succeeded", "done": 4, "version": 3}
UPLOADED = {"accepted": 1, "duplicate": 0, "rejected": 0, "files": [], "nominal_images": 1}
VERSION = {
    "bank": "caps", "number": 4, "state": "ok", "reason": None, "sha256": "0", "bytes": 1, "job_id": None,
    "summary": {}, "created_at": "2026-01-01T00:00:00Z", "active": False,
}  # fmt: skip


@contextmanager
def answering(answers: list[bytes], retries: Retries = AT_ONCE) -> Iterator[tuple[Script, Client]]:
    """A server that gives these answers in turn, and a client of it."""
    with scripted(answers) as script, Client(script.url, "secret", retries=retries) as client:
        yield script, client


def as_json(value: object) -> bytes:
    return reply(200, json.dumps(value).encode())


def events(*jobs: object, end: str = "\n\n") -> bytes:
    said = "".join(f"event: progress\ndata: {json.dumps(job)}{end}" for job in jobs)
    return reply(200, said.encode(), "text/event-stream")


def sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


# Files on their way out


@pytest.mark.parametrize("asynchronous", [False, True])
def test_files_are_streamed_and_never_whole_in_memory(asynchronous: bool, tmp_path: Path) -> None:
    file = sparse(tmp_path / "set.zip", LARGE)

    async def send_all() -> None:
        async with AsyncClient(script.url) as client:
            await client.upload_images("caps", file)
            await client.import_version("caps", file)

    with scripted([as_json(UPLOADED), as_json(VERSION)]) as script:
        tracemalloc.start()
        try:
            if asynchronous:
                asyncio.run(send_all())
            else:
                with Client(script.url) as client:
                    client.upload_images("caps", file)
                    client.import_version("caps", file)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    upload, bank_file = script.seen
    assert LARGE < upload.length < LARGE + 1000
    assert (bank_file.length, bank_file.headers["content-type"]) == (LARGE, "application/vnd.nominal.bank")
    assert peak < 8 << 20


def test_many_files_are_split_by_number(tmp_path: Path) -> None:
    for i in range(FILES + 1):
        (tmp_path / f"{i}.png").write_bytes(b"x")
    with answering([as_json(UPLOADED)] * 2) as (script, client):
        assert client.upload_images("caps", tmp_path).accepted == 2
    assert [seen.body.count(b"Content-Disposition") for seen in script.seen] == [FILES, 1]


def test_many_files_are_split_by_size_and_one_that_is_larger_goes_alone(tmp_path: Path) -> None:
    files = [
        sparse(tmp_path / f"{i}.png", size)
        for i, size in enumerate([BYTES // 2, BYTES // 2, 1, BYTES + 1, 1])
    ]
    with answering([as_json(UPLOADED)] * 4) as (script, client):
        client.upload_images("caps", files)
    assert [seen.length // BYTES for seen in script.seen] == [1, 0, 1, 0]


def test_files_of_folders_are_named_by_their_relative_paths(tmp_path: Path) -> None:
    (tmp_path / "day 1").mkdir()
    (tmp_path / "day 1" / "ä.png").write_bytes(b"x")
    with answering([as_json(UPLOADED)]) as (script, client):
        client.upload_images("caps", tmp_path)
    assert 'filename="day 1/ä.png"'.encode() in script.seen[0].body


def test_a_name_of_no_known_encoding_is_sent_readable(tmp_path: Path) -> None:
    path = tmp_path / "odd-\udcff.png"
    try:
        path.write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes names of UTF-8 alone")
    with answering([as_json(UPLOADED)]) as (script, client):
        client.upload_images("caps", [path])
    assert b'filename="odd-?.png"' in script.seen[0].body


def test_a_request_of_bad_files_alone_does_not_lose_the_others(tmp_path: Path) -> None:
    for i in range(FILES + 1):
        (tmp_path / f"{i}.png").write_bytes(b"x")
    entry = {"name": "100.png", "archive": None, "status": "rejected", "problem": {"status": 422}}
    bad = reply(422, json.dumps({"detail": "Bad.", "files": [entry]}).encode(), "application/problem+json")
    with answering([as_json(UPLOADED), bad, bad]) as (_, client):
        uploaded = client.upload_images("caps", tmp_path)
        assert (uploaded.accepted, uploaded.rejected, uploaded.files[0].name) == (1, 1, "100.png")
        with pytest.raises(ProblemError, match="Bad"):
            client.upload_images("caps", [tmp_path / "0.png"])


def test_a_full_disk_ends_an_upload_at_once(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"x")
    full = reply(507, b'{"type": "/problems/storage-full", "detail": "Full."}', "application/problem+json")
    with answering([full]) as (_, client), pytest.raises(ProblemError) as caught:
        client.upload_images("caps", tmp_path)
    assert caught.value.slug == "storage-full"


def test_nothing_to_upload_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with answering([]) as (script, client):
        with pytest.raises(FolderError):
            client.upload_images("caps", tmp_path)
        with pytest.raises(BadArgument):
            client.upload_images("caps", [])
        with pytest.raises(FileNotFoundError):
            client.upload_images("caps", tmp_path / "none.zip")
        with pytest.raises(BadArgument):
            client.inspect_batch("caps", [])
    assert script.seen == []


# Downloads


def bundle(data: bytes, told: bytes | None = None) -> bytes:
    digest = base64.b64encode(hashlib.sha256(told or data).digest()).decode()
    return reply(200, data, "application/vnd.nominal.bank", Repr_Digest=f"sha-256=:{digest}:")


def test_a_download_appears_whole_with_its_digest(tmp_path: Path) -> None:
    with answering([bundle(b"bank")]) as (_, client):
        assert client.download_version("caps", 1, tmp_path / "caps.bank").read_bytes() == b"bank"
    assert [path.name for path in tmp_path.iterdir()] == ["caps.bank"]


def test_a_download_of_other_bytes_leaves_what_was_there(tmp_path: Path) -> None:
    kept = tmp_path / "caps.bank"
    kept.write_bytes(b"old")
    with (
        answering([bundle(b"bank", b"other")]) as (_, client),
        pytest.raises(UnexpectedAnswer, match="digest"),
    ):
        client.download_version("caps", 1, kept)
    assert kept.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["caps.bank"]


def test_a_download_that_breaks_off_is_begun_anew(tmp_path: Path) -> None:
    cut = bundle(b"bank" * 1000)[:-10].replace(b"200 Said\r\n", b"200 Said\r\nConnection: close\r\n")
    with answering([cut, bundle(b"bank" * 1000)]) as (_, client):
        saved = client.download_version("caps", 1, tmp_path / "caps.bank")
    assert saved.read_bytes() == b"bank" * 1000
    assert [path.name for path in tmp_path.iterdir()] == ["caps.bank"]


def test_an_export_into_an_open_file_is_never_begun_twice() -> None:
    csv = reply(200, b"id,score\n" * 9, "text/csv")
    cut = csv[:-5].replace(b"200 Said\r\n", b"200 Said\r\nConnection: close\r\n")
    file = io.BytesIO()
    with answering([cut, csv]) as (script, client):
        with pytest.raises(ConnectionFailed):
            client.write_inspections(file)
        assert len(script.seen) == 1
        file.seek(0)
        assert client.write_inspections(file, decision="reject") == len(file.getvalue()) == 81
    assert script.seen[1].path == "/v1/inspections/export?decision=reject&format=csv"


# A job's events


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n"])
def test_a_job_is_followed_by_its_events(end: str) -> None:
    heard: list[Job] = []
    with answering([events(JOB, BUILT, end=end)]) as (script, client):
        assert client.wait_for_job("j1", progress=heard.append).version == 3
    assert [job.done for job in heard] == [1, 4]
    assert len(script.seen) == 1


@pytest.fixture
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nominal_client.builds.POLL_SECONDS", 0)


REFUSED = reply(406, b"{}", "application/problem+json")


@pytest.mark.usefixtures("_no_pause")
@pytest.mark.parametrize(
    "broken", [b"", events(JOB), reply(200, b"<html>", "text/html"), REFUSED, events({"id": 1}), events()]
)
def test_where_events_do_not_come_the_job_is_asked_for(broken: bytes) -> None:
    with answering([broken, as_json(JOB), broken, as_json(BUILT)]) as (script, client):
        assert client.wait_for_job("j1").version == 3
    paths = [seen.path for seen in script.seen]
    assert paths == ["/v1/jobs/j1/events", "/v1/jobs/j1"] * 2


@pytest.mark.usefixtures("_no_pause")
def test_a_server_that_is_away_for_a_while_is_waited_for() -> None:
    away = [b""] * 6  # one broken stream of events, five attempts to ask
    with answering([*away, events(BUILT)]) as (_, client):
        assert client.wait_for_job("j1").version == 3


@pytest.mark.usefixtures("_no_pause")
def test_a_server_that_stays_away_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nominal_client.builds.AWAY_SECONDS", 0)
    with answering([b""] * 6) as (_, client), pytest.raises(ConnectionFailed):
        client.wait_for_job("j1")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_job_that_may_not_be_seen_is_not_waited_for(status: int) -> None:
    with answering([reply(status)]) as (_, client), pytest.raises(ProblemError):
        client.wait_for_job("j1")


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_job_that_did_not_succeed_raises_with_its_reason(state: str) -> None:
    error = {"detail": "The disk is full.", "remedy": "Make room."} if state == "failed" else None
    with (
        answering([events({**JOB, "state": state, "error": error})]) as (_, client),
        pytest.raises(BuildFailed) as caught,
    ):
        client.wait_for_job("j1")
    assert caught.value.job.state == state
    assert ("The disk is full" if error else "cancelled") in str(caught.value)


def test_patience_ends_when_it_was_said_to() -> None:
    late = pytest.raises(WaitedTooLong, match="stage coreset, 1 of 4")
    with answering([events(JOB), as_json(JOB)]) as (_, client), late:
        client.wait_for_job("j1", seconds=0)


# Comparisons


def line(done: int, total: int = 2) -> bytes:
    """One compared inspection."""
    inspection = {"id": f"i{done}", "version": 1, "serial": None, "name": None, "verdict": None}
    side = {"score": 2.5, "decision": "reject"}
    pair = {"done": done, "total": total, "inspection": inspection, "a": side, "b": side, "flipped": False}
    return json.dumps({**pair, "problem": None, "learnt": []}).encode() + b"\n"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (line(1), "broke off"),
        (line(1) + line(2)[:-5], "broke off"),
        (b"<html>\n", "a line that is none"),
        (b"x" * 70_000, "without end"),
    ],
)
def test_a_comparison_that_breaks_off_or_is_none_is_no_answer(body: bytes, said: str) -> None:
    with (
        answering([reply(200, body, "application/jsonl")]) as (_, client),
        pytest.raises(UnexpectedAnswer, match=said),
    ):
        client.compare_versions("caps", 1, 2)


def test_a_comparison_of_nothing_is_an_empty_one() -> None:
    with answering([reply(200, b"", "application/jsonl"), reply(200, line(1) + line(2))]) as (_, client):
        assert client.compare_versions("caps", 1, 2) == []
        assert [pair.done for pair in client.compare_versions("caps", 1, 2)] == [1, 2]
