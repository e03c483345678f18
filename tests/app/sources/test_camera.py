"""Cameras against a real server of stills, an MJPEG stream, a recording: good pictures once, each fault by name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from folder_kit import rows
from pydantic import ValidationError
from service_kit import health_now, problem, service_of, wait_until
from starlette.testclient import TestClient

from app.settings import Camera, Settings
from app.sources import camera as camera_module
from app.sources.camera import CameraState
from app.sources.pictures import place_of
from app.sources.soundness import wrong_with


class Web:
    """What a camera's web server answers: ``body`` with ``status``, or a stream of parts that ``parts`` gives."""

    def __init__(self) -> None:
        self.status, self.body, self.asked = 200, b"", 0
        self.parts: Iterator[bytes] = iter(())
        self.port = 0

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked += 1
        handler.send_response(self.status)
        if handler.path.startswith("/stream"):
            handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
            handler.end_headers()
            for part in self.parts:
                head = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(part)}\r\n\r\n"
                handler.wfile.write(head.encode() + part + b"\r\n")
            return
        handler.send_header("Content-Length", str(len(self.body)))
        handler.end_headers()
        handler.wfile.write(self.body)


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                made.answer(self)
            except OSError:  # the other side has hung up
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def looking(
    serve: Callable[..., TestClient], settings: Settings, bank_file: bytes, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., TestClient]:
    """Starts a server with a camera, and then makes its bank caps: the first picture waits for it."""
    monkeypatch.setattr(camera_module, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(camera_module, "LONGEST_PAUSE", 0.1)

    def started(url: str, **said: Any) -> TestClient:
        given = {"interval_seconds": 0.03, "station": "top", "timeout_seconds": 5, **said}
        camera = Camera.model_validate({"name": "cam", "bank": "caps", "url": url, **given})
        client = serve(settings.model_copy(update={"cameras": [camera]}))
        client.post("/v1/banks", json={"id": "caps"}).raise_for_status()
        client.post("/v1/banks/caps/import?activate=true", content=bank_file).raise_for_status()
        return client

    return started


def state(client: TestClient) -> CameraState:
    [found] = service_of(client).sources.camera_states()
    return found


def jpeg(seed: int, side: int = 96) -> bytes:
    """A picture with something in it, another one for each seed."""
    return encoded(np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8), ".jpg")


def encoded(pixels: Any, kind: str) -> bytes:
    return bytes(cv2.imencode(kind, pixels)[1])


def test_each_new_still_is_inspected_once_and_every_fault_is_named_and_passes(
    web: Web, looking: Callable[..., TestClient]
) -> None:
    web.body = jpeg(1)
    client = looking(f"http://user:word@127.0.0.1:{web.port}/still", frozen_pictures=50)
    wait_until(lambda: state(client).repeated > 1)
    assert [(row["station"], row["name"][:4]) for row in rows(client)] == [("top", "cam ")]
    whole = jpeg(2, 256)
    lost = cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_COLOR)
    lost[128:] = 128
    grey = np.full((96, 96, 3), 127, np.uint8)
    for body, said in (
        (b"", "empty"), (b"<html>", "damaged picture"), (whole[: len(whole) // 2], "damaged picture"),
        (encoded(lost, ".png"), "half a picture: its last 128 of 256 rows"), (encoded(grey, ".png"), "of one colour"),
    ):  # fmt: skip
        web.body = body
        wait_until(lambda said=said: said in (state(client).fault or ""))  # type: ignore[misc]
    web.status = 503
    wait_until(lambda: "status 503" in (state(client).fault or ""))
    assert "status 503" in health_now(client)["fault_reasons"]["camera:cam"]
    assert 'nominal_camera_well{camera="cam"} 0.0' in client.get("/metrics").text
    web.status, web.body = 200, jpeg(1)
    wait_until(lambda: "it has frozen" in (state(client).fault or ""))
    assert len(rows(client)) == 1
    web.body = jpeg(3)
    wait_until(lambda: state(client).inspected == 2)
    assert state(client).fault is None
    assert len(rows(client)) == 2
    [shown] = client.get("/v1/sources").json()["items"]
    assert (shown["place"], shown["bank"]) == (f"http://127.0.0.1:{web.port}/still", "caps")
    assert "word" not in client.get("/v1/sources").text + client.get("/health").text


def test_a_trigger_takes_a_picture_and_answers_its_inspection_or_why_there_is_none(
    web: Web, looking: Callable[..., TestClient]
) -> None:
    client = looking(f"http://127.0.0.1:{web.port}/still", interval_seconds=None)
    for seed in (1, 2):
        web.body = jpeg(seed)
        said = client.post("/v1/sources/cam/trigger")
        assert said.status_code == 200, said.text
        assert said.json()["id"] == rows(client)[-1]["id"]
    again = problem(client.post("/v1/sources/cam/trigger"), 503, "camera-fault")
    assert again["received"] == "the same picture as before"
    web.status = 404
    assert problem(client.post("/v1/sources/cam/trigger"), 503, "camera-fault")["received"] == "status 404"
    problem(client.post("/v1/sources/other/trigger"), 404, "not-found")
    assert (web.asked, len(rows(client))) == (4, 2)


def test_a_key_of_another_bank_or_station_neither_sees_nor_triggers_a_camera(
    web: Web, looking: Callable[..., TestClient]
) -> None:
    client = looking(f"http://127.0.0.1:{web.port}/still", interval_seconds=None)
    web.body = jpeg(1)
    admin = {"X-API-Key": service_of(client).store.keys.create("all", "admin", actor="test")[0]}
    service_of(client).admission.forget()
    for limits, status, seen in (
        ({"banks": ["lids"]}, 403, 0), ({"stations": ["left"]}, 403, 0),
        ({"banks": ["caps"], "stations": ["top"]}, 200, 1),
    ):  # fmt: skip
        said = client.post("/v1/keys", json={"name": "x", "role": "inspect", **limits}, headers=admin).json()
        key = {"X-API-Key": said["key"]}
        assert client.post("/v1/sources/cam/trigger", headers=key).status_code == status
        assert len(client.get("/v1/sources", headers=key).json()["items"]) == seen


def test_a_recording_is_inspected_frame_by_frame_and_its_end_is_a_fault(
    tmp_path: Path, looking: Callable[..., TestClient]
) -> None:
    path = tmp_path / "line.avi"
    made = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (96, 96))
    for seed in range(5):
        made.write(cv2.imdecode(np.frombuffer(jpeg(seed), np.uint8), cv2.IMREAD_COLOR))
    made.release()
    client = looking(f"file://{path}", interval_seconds=None)
    for _ in range(5):
        assert client.post("/v1/sources/cam/trigger").status_code == 200
    ended = problem(client.post("/v1/sources/cam/trigger"), 503, "camera-fault")
    assert "end of the recording" in ended["received"]
    assert len({row["id"] for row in rows(client)}) == 5
    assert client.post("/v1/sources/cam/trigger").status_code == 200  # it is opened again, from its beginning


def test_of_a_stream_the_picture_is_newer_than_the_trigger_and_one_that_ends_is_taken_up_again(
    web: Web, looking: Callable[..., TestClient]
) -> None:
    shown, live = [0], threading.Event()
    live.set()

    def parts() -> Iterator[bytes]:
        while live.is_set():
            shown[0] += 1
            yield jpeg(shown[0])

    web.parts = parts()
    client = looking(f"stream+http://127.0.0.1:{web.port}/stream.mjpg", interval_seconds=None)
    for _ in range(3):
        assert client.post("/v1/sources/cam/trigger").status_code == 200
    live.clear()
    wait_until(lambda: client.post("/v1/sources/cam/trigger").status_code == 503)
    live.set()
    web.parts = parts()
    wait_until(lambda: client.post("/v1/sources/cam/trigger").status_code == 200)
    assert state(client).fault is None


def test_a_genicam_camera_without_its_package_is_a_problem_by_name(
    looking: Callable[..., TestClient],
) -> None:
    client = looking("genicam:123", interval_seconds=None)
    said = problem(client.post("/v1/sources/cam/trigger"), 503, "camera-unavailable")
    assert "genicam" in said["remedy"]


def test_a_picture_of_a_dark_part_on_a_bright_background_is_none_that_lost_its_end() -> None:
    pixels = np.full((120, 160, 3), 255, np.uint8)
    pixels[20:50, 30:90] = 10
    assert wrong_with(pixels) is None
    assert wrong_with(255 - pixels) is None
    pixels[60:] = (90, 140, 90)
    assert wrong_with(pixels) == "half a picture: its last 60 of 120 rows are of one colour"


@pytest.mark.parametrize("url", ["ftp://x/y", "rtsp:", "usb:front", "http://", "/dev/video0"])
def test_what_is_no_camera_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="url must"):
        Camera.model_validate({"name": "cam", "bank": "caps", "url": url})


def test_no_name_or_password_is_shown() -> None:
    camera = Camera.model_validate({"name": "c", "bank": "b", "url": "rtsp://a:b@10.0.0.7:554/live?key=c"})
    assert place_of(camera) == "rtsp://10.0.0.7:554/live"
    assert "a:b" not in repr(camera)
