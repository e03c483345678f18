"""The line first, over HTTP: deadlines wherever an image waits, priorities, memory, quotas, decisions on full disks."""

from __future__ import annotations

import asyncio
import hashlib
import io
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from PIL import Image
from service_kit import PNG, inspect, new_bank, problem, service_of, wait_until
from starlette.testclient import TestClient
from starlette.types import Message

from app.imaging.pictures import encode_jpeg, encode_png
from app.inspection import engine, taking
from app.inspection import inspect as inspection
from app.inspection.lanes import BACKGROUND, LINE, NORMAL, Lane
from app.settings import Settings

URL = "/v1/banks/caps/inspect"
Serve = Callable[..., TestClient]


def lanes_of(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> list[Lane]:
    """The lanes in which images will wait for inference."""
    batcher, seen = service_of(client).inspecting.batcher, list[Lane]()
    submit = batcher.submit

    async def noted(key: Any, item: Any, *, lane: Lane, deadline: float) -> Any:
        seen.append(lane)
        return await submit(key, item, lane=lane, deadline=deadline)

    monkeypatch.setattr(batcher, "submit", noted)
    return seen


# Deadlines


def test_a_deadline_that_passes_in_a_decoder_is_refused_then_and_says_so(
    banked: TestClient, good: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspect(banked, good)
    real = taking.decode_photograph

    def slow(*given: Any) -> Any:
        time.sleep(1.5)
        return real(*given)

    monkeypatch.setattr(taking, "decode_photograph", slow)
    started = time.monotonic()
    late = banked.post(URL, content=good, headers={**PNG, "Prefer": "respond-within=200ms"})
    assert time.monotonic() - started < 1.2
    assert "decoded" in problem(late, 503, "deadline-exceeded")["received"]
    assert int(late.headers["retry-after"]) >= 1
    assert len(banked.get("/v1/inspections").json()["items"]) == 1
    assert 'nominal_refusals_total{bank="caps",type="deadline-exceeded"} 1.0' in banked.get("/metrics").text


def test_a_deadline_counts_while_the_body_comes(banked: TestClient, good: bytes) -> None:
    sent: list[Message] = []

    async def call() -> None:
        body = [{"type": "http.request", "body": good[:100], "more_body": True}]

        async def receive() -> Message:
            if body:
                return body.pop()
            await asyncio.sleep(30)
            raise AssertionError("nobody waits so long")

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"host", b"127.0.0.1"), (b"content-type", b"image/png"), (b"prefer", b"wait=0.2")]
        scope = {
            "type": "http", "method": "POST", "path": URL, "raw_path": URL.encode(), "query_string": b"",
            "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "scheme": "http",
            "http_version": "1.1", "root_path": "", "asgi": {"version": "3.0"}, "state": {},
        }  # fmt: skip
        await banked.app(scope, receive, send)

    assert banked.portal is not None
    started = time.monotonic()
    banked.portal.call(call)
    assert time.monotonic() - started < 10
    assert sent[0]["status"] == 503
    assert b"while it was received" in sent[1]["body"]
    assert service_of(banked).inspecting.memory.used == 0


def test_a_deadline_counts_from_the_first_byte_that_the_protocol_saw(banked: TestClient, good: bytes) -> None:
    begun = time.monotonic() - 5

    async def call() -> int:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "http.request", "body": good, "more_body": False}

        headers = [(b"host", b"127.0.0.1"), (b"content-type", b"image/png"), (b"prefer", b"wait=4")]
        scope = {
            "type": "http", "method": "POST", "path": URL, "raw_path": URL.encode(), "query_string": b"",
            "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "scheme": "http",
            "http_version": "1.1", "root_path": "", "asgi": {"version": "3.0"}, "state": {},
            "nominal.begun": begun,
        }  # fmt: skip
        await banked.app(scope, receive, send)
        return int(sent[0]["status"])

    assert banked.portal is not None
    assert banked.portal.call(call) == 503


# Priorities


def test_a_banks_priority_and_share_count_from_the_next_inspection(
    banked: TestClient, good: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspect(banked, good)
    change = {"priority": "line", "share": 0.25}
    assert banked.patch("/v1/banks/caps", json=change).json() | change == banked.get("/v1/banks/caps").json()
    inspect(banked, good)
    seen = lanes_of(banked, monkeypatch)
    inspect(banked, good)
    banked.post(f"{URL}/batch", files=[("image", ("a.png", good, "image/png"))])
    assert [(lane.bank, lane.rank, lane.bank_share) for lane in seen] == [
        ("caps", LINE, 0.25),
        ("caps", NORMAL, 0.25),
    ]
    for wrong in ({"priority": "first"}, {"share": 1.0}, {"share": -0.1}):
        problem(banked.patch("/v1/banks/caps", json=wrong), 422, "invalid-request")
    assert banked.patch("/v1/banks/caps", json={"priority": None, "share": None}).json()["priority"] is None


def test_a_keys_priority_counts_over_its_banks_and_pictures_go_in_the_background(
    banked: TestClient, good: bytes, bad: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = inspect(banked, bad)["id"]
    admin = {"X-API-Key": banked.post("/v1/keys", json={"name": "a", "role": "admin"}).json()["key"]}
    asked = {"name": "line 3", "role": "inspect", "priority": "line", "share": 0.5}
    made = banked.post("/v1/keys", json=asked, headers=admin).json()
    assert made["limits"]["priority"] == "line"
    seen, line = lanes_of(banked, monkeypatch), {"X-API-Key": made["key"]}
    assert banked.post(URL, content=good, headers=PNG | line).status_code == 200
    assert banked.get(f"/v1/inspections/{kept}/heatmap", headers=admin).status_code == 200
    assert [(lane.key, lane.rank, lane.key_share) for lane in seen] == [
        (made["id"], LINE, 0.5),
        ("", BACKGROUND, 0.0),
    ]


# Large images


def test_a_large_image_is_answered_as_a_small_one_is(
    banked: TestClient, bad: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = inspect(banked, bad, "?heatmap=overlay")
    decoders, sizes = service_of(banked).inspecting.decoders, list[bool]()
    run = decoders.run

    async def noted(function: Any, lane: Lane, large: bool = False) -> Any:
        sizes.append(large)
        return await run(function, lane, large)

    monkeypatch.setattr(decoders, "run", noted)
    for module in (engine, taking, inspection):
        monkeypatch.setattr(module, "SMALL_PIXELS", 1000)
    large = inspect(banked, bad, "?heatmap=overlay")
    assert sizes == [False, True, True, True]  # its header, its pixels, its map, its picture
    for name in ("score", "decision", "regions", "nearest", "width", "height", "heatmap"):
        assert large[name] == small[name], name
    assert service_of(banked).inspecting.memory.used == 0


# Memory


def test_pixels_beyond_the_memory_are_refused_before_they_are_decoded(
    banked: TestClient, good: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspect(banked, good)
    memory = service_of(banked).inspecting.memory
    monkeypatch.setattr(memory, "budget", 2 * len(good))
    monkeypatch.setattr(taking, "decode_photograph", lambda *given: pytest.fail("it was decoded"))
    full = problem(banked.post(URL, content=good, headers=PNG), 503, "memory-full")
    assert full["retry_after"] == 1
    assert "NOMINAL_MEMORY_BYTES" in full["requirement"]
    assert memory.used == 0
    monkeypatch.undo()
    inspect(banked, good)
    assert banked.get("/health").json()["memory"]["in_flight_bytes"] == 0
    assert "nominal_memory_budget_bytes 2.147483648e+09" in banked.get("/metrics").text


def test_while_an_image_is_decoded_its_pixels_are_counted(
    banked: TestClient, good: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspect(banked, good)
    memory, real, seen = service_of(banked).inspecting.memory, taking.decode_photograph, list[int]()

    def noted(*given: Any) -> Any:
        seen.append(memory.used)
        return real(*given)

    monkeypatch.setattr(taking, "decode_photograph", noted)
    row = inspect(banked, good)
    assert seen == [len(good) + 14 * row["width"] * row["height"]]
    assert memory.used == 0


def test_every_decoder_of_an_upload_counts_too(banked: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = service_of(banked).inspecting.memory
    monkeypatch.setattr(memory, "budget", 1000)
    monkeypatch.setattr(memory, "waiting_for", partial(memory.waiting_for, seconds=0.0))
    image = encode_jpeg(np.full((64, 64, 3), 90, np.uint8))
    problem(banked.post("/v1/banks/caps/images", content=image), 503, "memory-full")
    assert memory.used == 0


# Thumbnails


def test_a_thumbnail_is_made_when_its_image_is_sent_and_never_again(
    banked: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = encode_jpeg(np.random.default_rng(1).integers(0, 256, (600, 900, 3), dtype=np.uint8))
    sha256, bank = hashlib.sha256(image).hexdigest(), new_bank(banked)
    assert banked.post(f"{bank}/images", content=image).json()["accepted"] == 1
    read, link = service_of(banked).store.blobs.read, f"{bank}/images/{sha256}/thumbnail"
    monkeypatch.setattr(service_of(banked).store.blobs, "read", lambda name: pytest.fail("it was read"))
    assert Image.open(io.BytesIO(banked.get(link).content)).size == (256, 171)
    assert Image.open(io.BytesIO(banked.get(f"{link}?side=90").content)).size == (90, 60)
    reads: list[str] = []
    monkeypatch.setattr(
        service_of(banked).store.blobs, "read", lambda name: (reads.append(name), read(name))[1]
    )
    for side in (500, 512, 300):  # of one size that is stored
        found = Image.open(io.BytesIO(banked.get(f"{link}?side={side}").content))
        assert max(found.size) == side
    assert reads == [sha256]


def test_thumbnails_go_with_their_image(banked: TestClient, settings: Settings) -> None:
    image = encode_jpeg(np.full((64, 64, 3), 90, np.uint8))
    sha256, bank, store = hashlib.sha256(image).hexdigest(), new_bank(banked), service_of(banked).store
    banked.post(f"{bank}/images", content=image)
    store.collect()
    assert store.thumbnails.get(sha256, 256, None) is not None
    banked.delete(f"{bank}/images/{sha256}")
    store.blobs.collect(-1)
    assert store.thumbnails.sweep() == 1
    assert store.thumbnails.get(sha256, 256, None) is None


# Quotas


@pytest.fixture
def keyed(banked: TestClient) -> tuple[TestClient, dict[str, str], dict[str, Any]]:
    """(a server, the header of an admin's key, a key that inspects)."""
    admin = {"X-API-Key": banked.post("/v1/keys", json={"name": "a", "role": "admin"}).json()["key"]}
    made = banked.post("/v1/keys", json={"name": "x", "role": "inspect"}, headers=admin).json()
    return banked, admin, made


Keyed = tuple[TestClient, dict[str, str], dict[str, Any]]


def limit(keyed: Keyed, **limits: Any) -> dict[str, Any]:
    client, admin, made = keyed
    answer = client.patch(f"/v1/keys/{made['id']}", json=limits, headers=admin)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_key_past_its_requests_is_refused_with_the_seconds_to_wait(keyed: Keyed) -> None:
    client, admin, made = keyed
    own = {"X-API-Key": made["key"]}
    assert limit(keyed, requests_per_minute=3)["limits"]["requests_per_minute"] == 3
    assert [client.get("/v1/banks", headers=own).status_code for _ in range(3)] == [200] * 3
    refused = client.get("/v1/banks", headers=own)
    assert 1 <= problem(refused, 429, "quota-exceeded")["retry_after"] <= 20
    assert refused.headers["retry-after"] == str(refused.json()["retry_after"])
    assert client.get("/v1/banks", headers=admin).status_code == 200
    assert limit(keyed, requests_per_minute=None)["limits"] is None
    assert client.get("/v1/banks", headers=own).status_code == 200


def test_a_key_past_its_bytes_is_refused_until_they_have_come_again(keyed: Keyed, good: bytes) -> None:
    client, _, made = keyed
    own = {"X-API-Key": made["key"]} | PNG
    limit(keyed, bytes_per_minute=len(good) // 2)
    assert client.post(URL, content=good, headers=own).status_code == 200  # the first may be larger
    assert problem(client.post(URL, content=good, headers=own), 429, "quota-exceeded")["retry_after"] > 30
    limit(keyed, bytes_per_minute=100 * len(good))

    def chunks() -> Any:
        yield good

    assert service_of(client).quotas._accounts[made["id"]].in_flight == 0
    answer = client.post(URL, content=chunks(), headers=own)
    assert answer.status_code in (200, 429)


def test_a_key_may_not_have_more_requests_at_once_than_its_limit(
    keyed: Keyed, good: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _, made = keyed
    own = {"X-API-Key": made["key"]} | PNG
    limit(keyed, in_flight=1)
    real, inner = taking.decode_photograph, list[int]()

    def meanwhile(*given: Any) -> Any:
        if not inner:
            inner.append(0)
            inner[0] = client.get("/v1/banks", headers=own).status_code
        return real(*given)

    monkeypatch.setattr(taking, "decode_photograph", meanwhile)
    assert client.post(URL, content=good, headers=own).status_code == 200
    assert inner == [429]
    assert client.get("/v1/banks", headers=own).status_code == 200


def test_limits_are_audited_kept_by_a_rotation_and_refused_where_they_mean_nothing(keyed: Keyed) -> None:
    client, admin, made = keyed
    limit(keyed, priority="line", in_flight=8)
    [entry] = [
        e for e in client.get("/v1/audit", headers=admin).json()["items"] if e["action"] == "key.limit"
    ]
    assert entry["detail"]["after"] == {"priority": "line", "in_flight": 8}
    newer = client.post(f"/v1/keys/{made['id']}/rotate", headers=admin).json()
    assert (newer["limits"]["priority"], newer["limits"]["in_flight"]) == ("line", 8)
    for wrong in ({"in_flight": 0}, {"share": 0.95}, {"priority": "first"}, {"bytes_per_minute": 1.5}):
        refused = client.patch(f"/v1/keys/{made['id']}", json=wrong, headers=admin)
        problem(refused, 422, "invalid-request")
    problem(client.patch("/v1/keys/none", json={"in_flight": 1}, headers=admin), 404, "not-found")


# A full disk


def test_below_the_disks_reserve_a_part_is_decided_and_its_image_is_said_not_to_be_kept(
    banked: TestClient, bad: bytes
) -> None:
    before = inspect(banked, bad)
    assert before["image_not_kept"] is None
    staging = service_of(banked).store.blobs.staging
    staging.reserve = 1 << 60
    row = inspect(banked, bad)
    assert (row["score"], row["decision"]) == (before["score"], "reject")
    assert (row["image_sha256"], row["image_not_kept"]) == (None, "storage-full")
    assert banked.get(f"/v1/inspections/{row['id']}").json()["image_not_kept"] == "storage-full"
    problem(banked.get(f"/v1/inspections/{row['id']}/image"), 404, "picture-unavailable")
    staging.reserve = 0
    assert inspect(banked, bad)["image_sha256"] == before["image_sha256"]


def test_an_upload_is_decoded_when_its_banks_background_work_has_its_turn(
    client: TestClient, images: list[np.ndarray]
) -> None:
    bank = new_bank(client)
    decoders, held = service_of(client).inspecting.decoders, threading.Event()
    busy = [client.portal.start_task_soon(decoders.run, held.wait) for _ in range(decoders._most)]
    sent = {"content": encode_png(images[0]), "headers": PNG}
    with ThreadPoolExecutor(1) as sender:
        answer = sender.submit(lambda: client.post(f"{bank}/images", **sent))
        try:
            wait_until(lambda: decoders.waiting == 1)
            assert not answer.done()
        finally:
            held.set()
        assert answer.result().json()["accepted"] == 1
    assert all(each.result() for each in busy)
