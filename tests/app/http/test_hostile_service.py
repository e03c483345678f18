"""Bad input and bad luck, by name, against the whole service: a clear problem each time, and nothing lost."""

from __future__ import annotations

import asyncio
import gzip
import io
import resource
import sqlite3
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import psutil
import pytest
from parts import parts
from service_kit import LOCAL, PNG, inspect, problem, service_of, wait_until
from starlette.testclient import TestClient

import app.main
from app.http.bodies import BoundBodies
from app.imaging.pictures import encode_png
from app.inspection.backbones import Backbones
from app.learning.worker import Worker
from app.settings import Settings
from app.store.ids import Clock
from app.store.store import Store
from models.backbone import Backbone

CAPS = "/v1/banks/caps"
QUICK = {"input": {"size": 64}, "coreset_ratio": 0.1, "target_false_reject": 0.2}


@pytest.fixture
def learnt(client: TestClient, images: list[np.ndarray]) -> TestClient:
    """A server whose bank ``caps`` has nominal images and no version."""
    return teach(client, images)


def teach(client: TestClient, images: list[np.ndarray]) -> TestClient:
    client.post("/v1/banks", json={"id": "caps", "config": QUICK})
    sent = [("file", (f"{i}.png", encode_png(image))) for i, image in enumerate(images)]
    assert client.post(f"{CAPS}/images", files=sent).json()["accepted"] == len(images)
    return client


def zip_of(*members: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data)
    return packed.getvalue()


def leftovers(client: TestClient) -> list[str]:
    return [path.name for path in service_of(client).store.blobs.staging.directory.iterdir()]


# The request as HTTP


def test_a_wrong_content_type_is_not_read(banked: TestClient, good: bytes) -> None:
    for path in ("/inspect", "/inspect/batch"):
        for content_type in ("text/html", "application/json", "video/mp4", "IMAGE", "image"):
            answer = banked.post(CAPS + path, content=good, headers={"Content-Type": content_type})
            problem(answer, 415, "unsupported-media-type")


def test_a_form_without_boundary_is_no_form(banked: TestClient, good: bytes) -> None:
    for path in ("/images", "/inspect", "/inspect/batch"):
        answer = banked.post(CAPS + path, content=good, headers={"Content-Type": "multipart/form-data"})
        problem(answer, 400, "bad-multipart")


def test_an_inspected_body_over_the_limit_is_refused_with_and_without_its_length(
    serve: Callable[..., TestClient], settings: Settings
) -> None:
    client = serve(settings.model_copy(update={"max_image_bytes": 50_000}))
    client.post("/v1/banks", json={"id": "caps"})

    def chunks() -> Iterator[bytes]:
        yield from (bytes(100_000) for _ in range(12))

    for body in (bytes(1_200_000), chunks()):
        problem(client.post(f"{CAPS}/inspect", content=body, headers=PNG), 413, "body-too-large")
    problem(client.post(f"{CAPS}/inspect", content=bytes(50_001), headers=PNG), 413, "image-too-large")
    problem(client.post("/v1/banks", content=bytes(1 << 21)), 413, "body-too-large")
    assert service_of(client).inspecting.memory.used == 0


def test_a_body_that_stops_coming_is_refused_and_leaves_nothing(
    settings: Settings, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.main, "BoundBodies", partial(BoundBodies, patience=0.1))
    served = app.main.create_app(settings, backbone, worker=False)
    sent: list[Any] = []
    bodies = iter([{"type": "http.request", "body": b"\x89PNG", "more_body": True}])

    async def receive() -> Any:
        return next(bodies, None) or await asyncio.sleep(3600)

    async def send(message: Any) -> None:
        sent.append(message)

    with TestClient(served, LOCAL, client=("127.0.0.1", 50000)) as client:
        client.post("/v1/banks", json={"id": "caps"})
        assert client.portal is not None
        client.portal.call(served, scope_of("POST", f"{CAPS}/images"), receive, send)
        assert sent[0]["status"] == 408, sent
        assert leftovers(client) == []
        assert client.get(f"{CAPS}/images").json()["items"] == []


def scope_of(method: str, path: str) -> dict[str, Any]:
    """A raw ASGI request from this machine."""
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"image/png"), (b"transfer-encoding", b"chunked")],
        "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip


# Archives


def test_links_and_paths_of_archives_reach_no_file(client: TestClient, good: bytes) -> None:
    client.post("/v1/banks", json={"id": "caps"})
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, kind in (
            ("soft.png", tarfile.SYMTYPE),
            ("hard.png", tarfile.LNKTYPE),
            ("pipe", tarfile.FIFOTYPE),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        for name in ("../../escape.png", "/etc/absolute.png", "fine.png"):
            member = tarfile.TarInfo(name)
            member.size = len(good)
            archive.addfile(member, io.BytesIO(good))
    link = zipfile.ZipInfo("soft.png")
    link.external_attr = 0o120777 << 16
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as linked:
        linked.writestr(link, "/etc/passwd")
    sent = [("file", ("a.tar", packed.getvalue())), ("file", ("b.zip", zipped.getvalue()))]
    said = client.post(f"{CAPS}/images", files=sent)
    statuses = [file["status"] for file in said.json()["files"]]
    assert statuses == ["rejected"] * 5 + ["accepted", "rejected"], said.json()
    assert [image["name"] for image in client.get(f"{CAPS}/images").json()["items"]] == ["fine.png"]
    assert leftovers(client) == []


def test_a_name_that_two_files_share_loses_neither(client: TestClient) -> None:
    client.post("/v1/banks", json={"id": "caps"})
    first, second, third = (encode_png(image) for image in parts(3))
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = zip_of(("a.png", first), ("a.png", second))
    sent = [("file", ("set.zip", archive)), ("file", ("a.png", third)), ("file", ("a.png", third))]
    said = client.post(f"{CAPS}/images", files=sent).json()
    kept = {image["sha256"] for image in client.get(f"{CAPS}/images").json()["items"]}
    assert kept == {file["sha256"] for file in said["files"] if file["status"] != "rejected"}
    assert (said["duplicate"], client.get(f"{CAPS}/images/{said['files'][-1]['sha256']}").content) == (
        1,
        third,
    )
    lost = [file for file in said["files"] if file["status"] == "rejected"]
    assert all(file["problem"]["type"] == "/problems/archive-entry-refused" for file in lost)


MANY = 100_000
PATIENCE = 60.0  # seconds; a busy machine needs some, a server without limits more


def many_in_zip() -> dict[str, Any]:
    return {"content": zip_of(*((f"{i}.png", b"x") for i in range(MANY)))}


def many_in_tar() -> dict[str, Any]:
    packed = gzip.compress(b"".join(tarfile.TarInfo(f"{i}.png").tobuf() for i in range(MANY)), 1)
    return {"content": packed}


def many_in_form() -> dict[str, Any]:
    head = '--b\r\nContent-Disposition: form-data; name="file"; filename="{}.png"\r\n\r\nx\r\n'
    body = "".join(head.format(i) for i in range(MANY)) + "--b--\r\n"
    return {"content": body.encode(), "headers": {"Content-Type": "multipart/form-data; boundary=b"}}


@pytest.mark.parametrize(
    ("request_of", "slug"),
    [
        (many_in_zip, "archive-too-many-files"),
        (many_in_tar, "archive-too-many-files"),
        (many_in_form, "too-many-files"),
    ],
)
def test_a_hundred_thousand_tiny_files_are_refused_in_bounded_time_memory_and_open_files(
    learnt: TestClient, images: list[np.ndarray], request_of: Callable[[], dict[str, Any]], slug: str
) -> None:
    request, process = request_of(), psutil.Process()
    started, before = time.monotonic(), process.memory_info().rss
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (process.num_fds() + 100, hard))
    try:
        answer = learnt.post(f"{CAPS}/images", **request)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert answer.status_code in (413, 422), answer.text[:300]
    last = [file["problem"] for file in answer.json().get("files", [])[-1:]]
    assert f"/problems/{slug}" in [problem["type"] for problem in (answer.json(), *last)]
    assert time.monotonic() - started < PATIENCE
    assert process.memory_info().rss - before < 300 << 20
    assert learnt.get(CAPS).json()["nominal_images"] == len(images)
    assert leftovers(learnt) == []


def test_very_many_tiny_files_of_a_form_stop_at_the_limit_and_those_before_are_kept(
    serve: Callable[..., TestClient], settings: Settings, good: bytes
) -> None:
    client = serve(settings.model_copy(update={"max_archive_files": 100}))
    client.post("/v1/banks", json={"id": "caps"})
    sent = [("file", ("good.png", good)), *(("file", (f"{i}", b"x")) for i in range(1000))]
    problem(client.post(f"{CAPS}/images", files=sent), 413, "too-many-files")
    assert client.get(CAPS).json()["nominal_images"] == 1
    assert leftovers(client) == []


# Things that are not there, not yet, or not any more


OPERATIONS = (
    ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/images"), ("POST", "/images"), ("POST", "/builds"),
    ("GET", "/versions"), ("GET", "/versions/1"), ("POST", "/versions/1/activate"), ("GET", "/health"),
    ("GET", "/versions/1/bundle"), ("POST", "/import"), ("POST", "/inspect"), ("GET", "/threshold-changes"),
)  # fmt: skip


def test_a_bank_that_is_not_there_or_cannot_be_is_refused_by_every_operation(
    banked: TestClient, good: bytes
) -> None:
    for bank, known in (
        ("other", {"not-found"}),
        ("Caps", {"not-found"}),
        ("%F0%9F%92%A3", {"not-found"}),
        ("..%2fcaps", {"not-found", "no-such-path", "method-not-allowed"}),
        ("caps%00", {"illegal-value"}),
        ("x" * 300, {"illegal-value"}),
    ):
        for method, path in OPERATIONS:
            files = path in ("/images", "/import", "/inspect") and method == "POST"
            body = {"content": good, "headers": PNG} if files else {"json": {}} if method == "PATCH" else {}
            answer = banked.request(method, f"/v1/banks/{bank}{path}", **body)
            assert answer.status_code in (404, 405, 422), (method, path, answer.text)
            assert answer.json()["type"].removeprefix("/problems/") in known, (method, path, answer.text)
    assert banked.get(CAPS).json()["active_version"] == 1


def test_an_illegal_id_makes_no_bank(client: TestClient) -> None:
    for id in ("", "A", "-a", "a b", "../a", "a/b", "a\0", "ä", "x" * 64, "a\n", ".", "con:1"):
        problem(client.post("/v1/banks", json={"id": id}), 422, "illegal-id")
    assert client.get("/v1/banks").json()["items"] == []


def test_a_bank_without_a_version_inspects_nothing(learnt: TestClient, good: bytes) -> None:
    problem(learnt.post(f"{CAPS}/inspect", content=good, headers=PNG), 409, "bank-without-version")
    said = learnt.post(f"{CAPS}/inspect/batch", files={"image": ("a.png", good)}).json()
    assert [item["problem"]["type"] for item in said["items"]] == ["/problems/bank-without-version"]
    assert learnt.get("/v1/inspections").json()["items"] == []


def test_a_stale_if_match_changes_nothing(banked: TestClient) -> None:
    stale = {"If-Match": banked.get(CAPS).headers["etag"]}
    assert banked.patch(CAPS, json={"title": "mine"}, headers=stale).status_code == 200
    problem(banked.patch(CAPS, json={"title": "yours"}, headers=stale), 412, "stale-revision")
    problem(banked.post(f"{CAPS}/versions/1/activate", headers=stale), 412, "stale-revision")
    problem(banked.delete(CAPS, headers=stale), 412, "stale-revision")
    problem(banked.delete(CAPS, headers={"If-Match": "unquoted"}), 422, "invalid-request")
    assert banked.get(CAPS).json()["title"] == "mine"


def test_of_two_builds_at_once_one_is_refused_and_one_goes_on(learnt: TestClient) -> None:
    job = learnt.post(f"{CAPS}/builds").json()
    problem(learnt.post(f"{CAPS}/builds"), 409, "build-running")
    problem(learnt.delete(CAPS), 409, "build-running")
    assert [found["id"] for found in learnt.get("/v1/jobs").json()["items"]] == [job["id"]]
    assert learnt.get(f"/v1/jobs/{job['id']}").json()["state"] == "queued"


def test_a_bare_number_is_no_time_of_the_ledger(client: TestClient) -> None:
    for text in ("2026", "0.5", "-1", "1e9", "20261130"):
        problem(client.get("/v1/inspections", params={"since": text}), 422, "invalid-request")
        problem(client.get("/v1/inspections/export", params={"until": text}), 422, "invalid-request")
    assert client.get("/v1/inspections", params={"since": "2026-11-30T08:00:00Z"}).status_code == 200


# Bad luck


@contextmanager
def building(settings: Settings, backbone: Backbone, clock: Clock | None = None) -> Iterator[None]:
    """A worker beside the server, on a store of its own."""
    store = Store(settings, clock) if clock else Store(settings)
    worker = Worker(settings, store, "test", lambda: Backbones(settings, backbone))
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(30)
        store.close()


def ended(client: TestClient, job: dict[str, Any]) -> dict[str, Any]:
    """The job once it has ended."""
    found: dict[str, Any] = {}

    def over() -> bool:
        found.update(client.get(f"/v1/jobs/{job['id']}").json())
        return found["state"] not in ("queued", "running")

    wait_until(over)
    return found


def test_a_disk_that_is_full_at_a_builds_end_fails_it_by_name_and_the_old_version_serves_on(
    banked: TestClient, settings: Settings, backbone: Backbone, images: list[np.ndarray], good: bytes
) -> None:
    teach(banked, images)
    full = settings.model_copy(update={"disk_reserve_bytes": 1 << 60})
    with building(full, backbone):
        job = ended(banked, banked.post(f"{CAPS}/builds", json={"config": QUICK}).json())
    assert (job["state"], job["error"]["type"], job["version"]) == ("failed", "/problems/storage-full", None)
    assert inspect(banked, good)["version"] == 1
    assert leftovers(banked) == []
    with building(settings, backbone):
        assert (
            ended(banked, banked.post(f"{CAPS}/builds", json={"config": QUICK}).json())["state"]
            == "succeeded"
        )
    assert banked.get(CAPS).json()["active_version"] == 2


def test_a_disk_that_is_full_refuses_what_must_be_kept_and_says_so(
    serve: Callable[..., TestClient], settings: Settings, bank_file: bytes, bad: bytes
) -> None:
    client = serve(settings)
    client.post("/v1/banks", json={"id": "caps"})
    client.post(f"{CAPS}/import?activate=true", content=bank_file)
    before = inspect(client, bad)
    service_of(client).store.blobs.staging.reserve = 1 << 60
    problem(client.post(f"{CAPS}/images", content=bad), 507, "storage-full")
    problem(client.post(f"{CAPS}/import", content=bank_file), 507, "storage-full")
    assert inspect(client, bad)["image_not_kept"] == "storage-full"  # a decision needs no image
    rows = client.get("/v1/inspections").json()["items"]
    assert [row["image_sha256"] is None for row in rows] == [True, False]
    assert client.get("/readyz").status_code == 200
    service_of(client).store.blobs.staging.reserve = 0
    assert inspect(client, bad)["id"] > before["id"]


def test_a_locked_database_is_busy_with_a_time_to_try_again_and_nothing_is_half_done(
    serve: Callable[..., TestClient], settings: Settings, bank_file: bytes, good: bytes
) -> None:
    client = serve(settings.model_copy(update={"database_wait_seconds": 0.05}))
    client.post("/v1/banks", json={"id": "caps"})
    client.post(f"{CAPS}/import?activate=true", content=bank_file)
    before = inspect(client, good)
    other = sqlite3.connect(settings.data_dir / "nominal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for answer in (
        client.post("/v1/banks", json={"id": "second"}),
        client.post(f"{CAPS}/images", content=good),
        client.post(f"{CAPS}/inspect", content=good, headers=PNG),
        client.delete(CAPS),
    ):
        assert problem(answer, 503, "database-busy")["retry_after"] == int(answer.headers["retry-after"])
    assert client.get(CAPS).status_code == client.get("/readyz").status_code == 200  # who reads need not wait
    other.execute("ROLLBACK")
    other.close()
    assert [row["id"] for row in client.get("/v1/inspections").json()["items"]] == [before["id"]]
    assert client.post(f"{CAPS}/images", content=good).json()["accepted"] == 1
    assert inspect(client, good)["score"] == before["score"]


@pytest.mark.parametrize("jump", [timedelta(days=-4000), timedelta(days=4000)], ids=["back", "forward"])
def test_a_clock_that_jumps_loses_no_build_no_inspection_and_no_order(
    banked: TestClient, settings: Settings, backbone: Backbone, images: list[np.ndarray], good: bytes,
    monkeypatch: pytest.MonkeyPatch, jump: timedelta,
) -> None:  # fmt: skip
    teach(banked, images)
    clock = Clock(now=lambda: datetime.now(UTC) + jump)
    first = inspect(banked, good)
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + int(jump.total_seconds() * 1e9))
    monkeypatch.setattr(time, "time", lambda: real() / 1e9 + jump.total_seconds())
    with building(settings, backbone, clock):
        job = ended(banked, banked.post(f"{CAPS}/builds", json={"config": QUICK}).json())
    assert (job["state"], job["attempts"]) == ("succeeded", 1)
    second = inspect(banked, good)
    assert [row["id"] for row in banked.get("/v1/inspections").json()["items"]] == [second["id"], first["id"]]
    assert (first["version"], second["version"]) == (1, 2)
