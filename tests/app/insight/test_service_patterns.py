"""Patterns of a bank's rejects over HTTP with a worker: mined, placed, held against kinds, kept, refused."""

from __future__ import annotations

from typing import Any

import pytest
from parts import parts, scratched
from service_kit import inspect, new_bank, problem, service_of
from starlette.testclient import TestClient
from test_service_similar import pictured, review

from app.imaging.pictures import encode_png
from app.inspection.backbones import Backbones
from app.learning.worker import Worker
from core.patterns import network
from models.backbone import Backbone

PATTERNS = "/v1/banks/caps/patterns"


@pytest.fixture
def filled(banked: TestClient, images: list[Any]) -> TestClient:
    """With nominal images, as the bank's own."""
    files = [("file", (f"{i}.png", encode_png(image))) for i, image in enumerate(images[:8])]
    assert banked.post("/v1/banks/caps/images", files=files).json()["accepted"] == 8
    return banked


def red(seed: int) -> bytes:
    """A part with a red square at the top left."""
    image = scratched(parts(1, seed=seed)[0], 0, 0, 0)
    image[8:24, 8:24] = (255, 0, 0)
    return encode_png(image)


def work(client: TestClient, backbone: Backbone) -> bool:
    settings = service_of(client).settings
    backbones = Backbones(settings, backbone)
    return Worker(settings, service_of(client).store, "test", lambda: backbones).work_once()


def test_patterns_of_rejects_are_mined_placed_and_kept_with_their_job(
    filled: TestClient, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "STEPS", 100)
    dark = [inspect(filled, pictured(seed, side=16))["id"] for seed in range(4)]
    bright = [inspect(filled, red(seed))["id"] for seed in range(10, 14)]
    for id in dark[:3]:
        review(filled, id, kind="scratch")
    for id in bright[:3]:
        review(filled, id, kind="paint")
    alarm = inspect(filled, pictured(30, side=16))["id"]
    review(filled, alarm, "false_alarm")
    empty = filled.get(PATTERNS).json()
    assert empty == {"job": None, "found": None, "finished_at": None, "current": False}

    answer = filled.post(PATTERNS, json={"patterns": 2})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["kind"], job["state"]) == ("patterns", "queued")
    problem(filled.post(PATTERNS), 409, "build-running")
    assert work(filled, backbone)

    shown = filled.get(PATTERNS).json()
    assert (shown["job"]["state"], shown["current"]) == ("succeeded", True), shown["job"]["error"]
    found = shown["found"]
    assert (found["rejects"], found["nominal"], found["named"]) == (8, 8, 6)
    assert [mined["of"] for mined in found["minings"]] == ["residual", "whole"]
    for mined in found["minings"]:
        assert mined["separation"] == 1
        assert -1 <= mined["stability"] <= 1
        assert 0.5 <= mined["purity"] <= 1
        assert sum(pattern["rejects"] for pattern in mined["patterns"]) == 8
        examples = [each for pattern in mined["patterns"] for each in pattern["examples"]]
        assert {each["name"] for each in examples} <= {*dark, *bright}
    best = [pattern["examples"][0] for pattern in found["minings"][1]["patterns"]]
    assert all(0 <= each[axis] < 32 for each in best if each["name"] in bright for axis in ("x", "y"))
    assert found["clusters"]["groups"] >= 1


def test_without_a_version_or_rejects_or_nominal_images_nothing_is_mined(banked: TestClient) -> None:
    problem(banked.post(PATTERNS), 409, "too-few-images")
    none = new_bank(banked)
    problem(banked.post(none + "/patterns"), 409, "bank-without-version")
    assert banked.post(PATTERNS, json={"patterns": 0}).status_code == 422
    assert banked.post("/v1/banks/absent/patterns").status_code == 404
    assert banked.get("/v1/banks/absent/patterns").status_code == 404
