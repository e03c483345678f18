"""The page Live: a bank's last parts, and the cameras with what is wrong with one."""

from __future__ import annotations

from collections.abc import Callable

from service_kit import inspect
from starlette.testclient import TestClient
from test_console_inspections import shown

from app.settings import Camera, Settings


def test_the_last_parts_of_a_bank_are_shown(taught: TestClient, good: bytes) -> None:
    assert "Nothing was inspected yet" in shown(taught, "/live")
    found = [inspect(taught, good, f"?serial=part-{n}") for n in range(9)]
    page = shown(taught, "/live")
    assert "Last parts of" in page
    assert [f"part-{n}" in page for n in range(9)] == [False] + [True] * 8
    assert found[-1]["id"] in page


def test_a_camera_that_fails_is_named_without_its_password(
    serve: Callable[..., TestClient], settings: Settings
) -> None:
    said = {
        "name": "top",
        "bank": "caps",
        "url": "http://user:word@127.0.0.1:9/still",
        "interval_seconds": None,
    }
    cameras = [Camera.model_validate(said)]
    client = serve(settings.model_copy(update={"console": True, "cameras": cameras}))
    assert client.post("/v1/sources/top/trigger").status_code == 503
    page = shown(client, "/live")
    for words in ("http://127.0.0.1:9/still, by trigger", "Held up", "ConnectError", "Trigger"):
        assert words in page, words
    assert "word" not in page.replace("password", "")
