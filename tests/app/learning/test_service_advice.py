"""Advice over HTTP with a worker: asked for, read, taken for the next build; bad input; a cancelled job."""

from __future__ import annotations

from typing import Any

import pytest
from parts import parts
from service_kit import new_bank, problem, service_of
from starlette.testclient import TestClient

from app.imaging.pictures import encode_png
from app.inspection.backbones import Backbones
from app.learning.worker import Worker
from app.lifecycle.upkeep import build_ended
from app.settings import Settings
from models.backbone import Backbone

SMALL = {"input": {"size": 64}, "coreset_ratio": 0.1, "min_bank_vectors": 0, "target_false_reject": 0.1}


def filled(client: TestClient, count: int) -> str:
    """A bank with so many large photographs."""
    path = new_bank(client, config=SMALL)
    files = [("file", (f"{i}.png", encode_png(image))) for i, image in enumerate(parts(count, (128, 128)))]
    assert client.post(path + "/images", files=files).json()["accepted"] == count
    return path


@pytest.fixture
def work(running: TestClient, backbone: Backbone) -> Any:
    service = service_of(running)

    def once() -> bool:
        backbones = Backbones(service.settings, backbone)
        return Worker(service.settings, service.store, "test", lambda: backbones).work_once()

    return once


def test_advice_is_a_job_whose_answer_stays_and_can_be_taken(running: TestClient, work: Any) -> None:
    bank = filled(running, 14)
    empty = running.get(bank + "/advice").json()
    assert empty == {"job": None, "found": None, "finished_at": None, "current": False}
    answer = running.post(bank + "/advice", json={"within_seconds": 600, "groups": "none"})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["kind"], job["state"]) == ("advice", "queued")
    again = running.post(bank + "/advice")
    problem(again, 409, "build-running")
    assert work()

    shown = running.get(bank + "/advice").json()
    assert (shown["job"]["state"], shown["current"]) == ("succeeded", True)
    found = shown["found"]
    assert found["rests_on"]["images"] == 14
    assert {trial["setting"] for trial in found["trials"]} >= {"as given", "size 128"}
    assert running.get("/v1/jobs", params={"kind": "advice"}).json()["items"][0]["id"] == job["id"]

    change = found["trials"][1]["change"]
    assert change == {"input": {"size": 128}}
    changed = running.patch(bank, json={"config": change}).json()
    assert changed["config"]["input"]["size"] == 128
    assert changed["config"]["coreset_ratio"] == 0.1
    assert running.get(bank + "/advice").json()["current"] is False


def test_too_few_images_and_times_that_are_none_are_refused(running: TestClient) -> None:
    bank = filled(running, 9)
    few = running.post(bank + "/advice")
    assert few.status_code == 409
    assert "dvice needs at least 10 nominal images" in few.json()["detail"]
    assert running.post(bank + "/advice", json={"within_seconds": 0}).status_code == 422
    assert running.post("/v1/banks/absent/advice").status_code == 404
    assert running.get("/v1/banks/absent/advice").status_code == 404


def test_a_cancelled_job_leaves_no_advice(running: TestClient, work: Any) -> None:
    bank = filled(running, 12)
    job = running.post(bank + "/advice").json()
    assert running.post(f"/v1/jobs/{job['id']}/cancel").status_code == 202
    assert not work()
    shown = running.get(bank + "/advice").json()
    assert (shown["job"]["state"], shown["found"]) == ("cancelled", None)


def test_after_a_build_advice_is_queued_once_for_the_same_settings_where_a_setting_asks_for_it(
    serve: Any, settings: Settings, backbone: Backbone
) -> None:
    client = serve(settings.model_copy(update={"advise_after_build": True}))
    bank, service = filled(client, 14), service_of(client)
    worker = Worker(service.settings, service.store, "test", lambda: Backbones(service.settings, backbone))

    def built() -> None:
        job = client.post(bank + "/builds", json={"groups": "none"}).json()["id"]
        assert worker.work_once()
        client.portal.call(build_ended, service, job)  # as the supervisor of a worker process says it

    built()
    first = client.get(bank + "/advice").json()["job"]
    assert (first["kind"], first["state"]) == ("advice", "queued")
    assert worker.work_once()
    built()
    assert client.get(bank + "/advice").json()["job"]["id"] == first["id"]
