"""Builds over HTTP with a worker in a thread: progress, events, cancelling, leases, failures, idempotency."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from parts import parts
from service_kit import inspect, problem, service_of, wait_until
from starlette.testclient import TestClient

from app.imaging.decode import decode_photograph
from app.imaging.pictures import encode_jpeg, encode_png
from app.inspection.backbones import Backbones
from app.learning.worker import Worker, insist
from app.settings import Settings
from app.store.errors import DatabaseBusy
from app.store.schema import Job
from app.store.store import open_store
from core.bank import load_bank
from core.features.stream import BATCH
from models.backbone import Backbone

SMALL = {
    "input": {"size": 64},
    "coreset_ratio": 0.1,
    "min_bank_vectors": 0,
    "target_false_reject": 0.2,
}
JOBS = "/v1/banks/caps/builds"


class Paused:
    """A backbone's runtime that stops before the second batch (a pass to plan came first) until it may go on."""

    def __init__(self, backbone: Backbone) -> None:
        self.name, self.precision, self._run = (
            backbone.engine.name,
            backbone.engine.precision,
            backbone.engine,
        )
        self.reached, self.go_on = threading.Event(), threading.Event()
        self._passes = 0

    def __call__(self, batch: Any) -> Any:
        self._passes += 1
        if self._passes > 2:
            self.reached.set()
            assert self.go_on.wait(30)
        return self._run(batch)


@pytest.fixture
def learnt(client: TestClient) -> TestClient:
    """A server whose bank ``caps`` has ten nominal images and no version."""
    client.post("/v1/banks", json={"id": "caps", "config": SMALL})
    files = [("file", (f"{i}.png", encode_png(image))) for i, image in enumerate(parts(10))]
    assert client.post("/v1/banks/caps/images", files=files).json()["accepted"] == 10
    return client


@contextmanager
def working(settings: Settings, backbone: Backbone, owner: str = "test") -> Iterator[Worker]:
    """A worker in a thread, on a store of its own as in a process of its own."""
    with open_store(settings) as store:
        worker = Worker(settings, store, owner, lambda: Backbones(settings, backbone))
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            yield worker
        finally:
            worker.stop()
            thread.join(30)
            assert not thread.is_alive()


def state(client: TestClient, job: dict[str, Any]) -> str:
    found: str = client.get(f"/v1/jobs/{job['id']}").json()["state"]
    return found


def ended(client: TestClient, job: dict[str, Any]) -> dict[str, Any]:
    """The job once it has ended."""
    wait_until(lambda: state(client, job) not in ("queued", "running"))
    found: dict[str, Any] = client.get(f"/v1/jobs/{job['id']}").json()
    return found


def test_a_build_makes_the_next_version_activates_it_and_the_bank_inspects(
    learnt: TestClient, settings: Settings, backbone: Backbone, good: bytes, bad: bytes
) -> None:
    response = learnt.post(JOBS)
    job = response.json()
    assert (response.status_code, job["state"], response.headers["location"]) == (
        202,
        "queued",
        f"/v1/jobs/{job['id']}",
    )
    with working(settings, backbone):
        done = ended(learnt, job)
    assert (done["state"], done["version"], done["error"]) == ("succeeded", 1, None)
    assert learnt.get("/v1/banks/caps").json()["active_version"] == 1
    version = learnt.get("/v1/banks/caps/versions/1").json()
    assert (version["active"], version["job_id"], version["summary"]["images"]) == (True, job["id"], 10)
    assert inspect(learnt, good)["decision"] == "accept"
    answer = inspect(learnt, bad)
    assert answer["decision"] == "reject"
    image = learnt.get(f"/v1/banks/caps/images/{answer['nearest']['sha256']}")
    assert image.status_code == 200  # the nearest nominal patch can be looked at
    assert answer["nearest"]["image"].endswith(".png")


def test_a_build_along_principal_components_inspects_and_one_along_too_many_fails(
    learnt: TestClient, settings: Settings, backbone: Backbone, good: bytes, bad: bytes
) -> None:
    with working(settings, backbone):
        done = ended(learnt, learnt.post(JOBS, json={"config": {"pca": 6}}).json())
        failed = ended(learnt, learnt.post(JOBS, json={"config": {"pca": 33}}).json())
    assert (done["state"], failed["state"]) == ("succeeded", "failed")
    assert "backbone's 32 dimensions" in failed["error"]["detail"]
    assert learnt.get("/v1/banks/caps/versions/1").json()["summary"]["dimension"] == 6
    assert (inspect(learnt, good)["decision"], inspect(learnt, bad)["decision"]) == ("accept", "reject")


def test_a_build_learns_and_inspects_only_what_the_mask_leaves_in(
    learnt: TestClient, settings: Settings, backbone: Backbone
) -> None:
    half = {"width": 64, "height": 64, "inspect": [{"rectangle": [0, 0, 32, 64]}]}
    assert learnt.put("/v1/banks/caps/mask", json=half).status_code == 200
    with working(settings, backbone):
        done = ended(learnt, learnt.post(JOBS, json={"groups": "none"}).json())
    assert done["state"] == "succeeded", done
    assert learnt.get("/v1/banks/caps/versions/1").json()["summary"]["source_patches"] == 10 * 8 * 4
    image = parts(1, seed=5)[0]
    other = image.copy()
    other[:, 32:] = 255 - other[:, 32:]
    plain, changed = (inspect(learnt, encode_png(each), "?heatmap=raw") for each in (image, other))
    for key in ("score", "decision", "regions", "nearest", "heatmap"):
        assert plain[key] == changed[key], key
    tall = learnt.post("/v1/banks/caps/inspect", content=encode_png(np.zeros((96, 64, 3), np.uint8)))
    assert "received 64 x 96 pixels" in problem(tall, 422, "mask-unusable")["detail"]


def test_a_build_for_reduced_jpeg_learns_what_an_inspection_will_see(
    client: TestClient, settings: Settings, backbone: Backbone
) -> None:
    config = SMALL | {"input": {"size": 64, "reduced_jpeg": True}}
    assert client.post("/v1/banks", json={"id": "caps", "config": config}).status_code == 201
    files = [("file", (f"{i}.jpg", encode_jpeg(image))) for i, image in enumerate(parts(10, (256, 256)))]
    assert client.post("/v1/banks/caps/images", files=files).json()["accepted"] == 10
    with working(settings, backbone):
        assert ended(client, client.post(JOBS, json={"groups": "none"}).json())["state"] == "succeeded"
    bank = load_bank(client.get("/v1/banks/caps/versions/1/bundle").content)
    seen = [decode_photograph(data, bank.config.input) for _, (_, data) in files]
    assert {photograph.reduced for photograph in seen} == {2}
    assert any(np.array_equal(bank.conformance.images[0], photograph.pixels) for photograph in seen)
    decisions = [
        inspect(client, data)["decision"] for _, (_, data) in files
    ]  # of what it learnt; a fifth may fail
    assert decisions.count("accept") >= 8


def test_the_same_images_and_config_build_the_same_version(
    learnt: TestClient, settings: Settings, backbone: Backbone
) -> None:
    with working(settings, backbone):
        for _ in range(2):
            ended(learnt, learnt.post(JOBS).json())
    versions = learnt.get("/v1/banks/caps/versions").json()["items"]
    assert [version["number"] for version in versions] == [2, 1]
    assert versions[0]["sha256"] == versions[1]["sha256"]


def test_events_tell_every_stage_then_the_end_then_stop(
    learnt: TestClient, settings: Settings, backbone: Backbone
) -> None:
    job = learnt.post(JOBS).json()
    with working(settings, backbone), learnt.stream("GET", f"/v1/jobs/{job['id']}/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        text = "".join(response.iter_text())
    events = [block.split("\n") for block in text.strip().split("\n\n")]
    assert {lines[0] for lines in events[:-1]} <= {"event: progress"}
    assert events[-1][0] == "event: end"
    last = json.loads(events[-1][1].removeprefix("data: "))
    assert (last["state"], last["version"]) == ("succeeded", 1)


def test_a_running_build_tells_its_stage_and_how_far_it_is(
    learnt: TestClient, settings: Settings, backbone: Backbone
) -> None:
    paused = Paused(backbone)
    job = learnt.post(JOBS).json()
    with working(settings, replace(backbone, engine=paused)):
        wait_until(lambda: learnt.get(f"/v1/jobs/{job['id']}").json()["stage"] == "features")
        running = learnt.get(f"/v1/jobs/{job['id']}").json()
        assert (running["state"], running["done"], running["total"]) == ("running", BATCH, 10)
        assert running["attempts"] == 1
        problem(learnt.post(JOBS), 409, "build-running")
        problem(learnt.delete("/v1/banks/caps"), 409, "build-running")
        paused.go_on.set()
        assert ended(learnt, job)["state"] == "succeeded"


@pytest.mark.parametrize("when", ["queued", "features", "coreset"])
def test_a_build_is_cancelled_at_any_stage_and_leaves_no_version(
    learnt: TestClient, settings: Settings, backbone: Backbone, when: str
) -> None:
    everything = {
        "coreset_ratio": 1.0,
        "input": {"size": 512},
    }  # 40,960 picks: far from done when it is cancelled
    job = learnt.post(JOBS, json={"config": everything}).json()
    link, paused = f"/v1/jobs/{job['id']}", Paused(backbone)
    if when == "queued":
        assert learnt.post(f"{link}/cancel").json()["state"] == "cancelled"
    else:
        with working(settings, replace(backbone, engine=paused)):
            assert paused.reached.wait(30)
            if when == "coreset":
                paused.go_on.set()
            wait_until(lambda: learnt.get(link).json()["stage"] == when)
            assert learnt.post(f"{link}/cancel").status_code == 202
            if when == "features":
                for _ in range(2):  # the worker hears of it at its next heartbeat
                    beat = learnt.get(link).json()["heartbeat_at"]
                    wait_until(lambda beat=beat: learnt.get(link).json()["heartbeat_at"] != beat)  # type: ignore[misc]
                paused.go_on.set()
            found = ended(learnt, job)
        assert (found["state"], found["stage"]) == ("cancelled", when)
        assert when == "features" or found["done"] < found["total"]
    assert learnt.get("/v1/banks/caps/versions").json()["items"] == []
    problem(learnt.post(f"{link}/cancel"), 409, "job-finished")


def test_a_worker_that_leaves_gives_its_job_back_without_counting_the_attempt(
    learnt: TestClient, settings: Settings, backbone: Backbone
) -> None:
    paused = Paused(backbone)
    job = learnt.post(JOBS).json()
    with working(settings, replace(backbone, engine=paused)) as worker:
        assert paused.reached.wait(30)
        worker.stop()
        paused.go_on.set()
    found = learnt.get(f"/v1/jobs/{job['id']}").json()
    assert (found["state"], found["attempts"]) == ("queued", 0)
    with working(settings, backbone):
        assert ended(learnt, job)["state"] == "succeeded"


def test_a_worker_whose_job_was_taken_drops_its_result(
    learnt: TestClient, settings: Settings, backbone: Backbone
) -> None:
    paused = Paused(backbone)
    job = learnt.post(JOBS).json()
    service = service_of(learnt)
    with working(settings, replace(backbone, engine=paused), "slow"):
        assert paused.reached.wait(30)
        assert [taken.id for taken in service.store.leases.release("slow", "it seemed dead")] == [job["id"]]
        with working(settings, backbone, "quick"):
            done = ended(learnt, job)
        paused.go_on.set()
    assert (done["state"], done["attempts"]) == ("succeeded", 2)
    assert [version["number"] for version in learnt.get("/v1/banks/caps/versions").json()["items"]] == [1]


def test_a_silent_workers_job_is_taken_up_again_and_fails_after_its_last_attempt(
    learnt: TestClient, settings: Settings
) -> None:
    store, own = service_of(learnt).store, service_of(learnt).inspecting.backbones.default
    has, job = (own.digest, own.precision), learnt.post(JOBS).json()
    for attempt in range(settings.job_attempts - 1):
        assert store.leases.claim(f"dead {attempt}", has) is not None
        store.leases.release(f"dead {attempt}", "it died")  # as its server, which saw it, tells
        assert state(learnt, job) == "queued"
    assert store.leases.claim("silent", has) is not None  # and is never heard of again
    found = ended(learnt, job)  # the server's watch takes it
    assert (found["state"], found["error"]["reason"]) == ("failed", "worker-lost")
    assert learnt.post(JOBS).status_code == 202  # and the bank is not stuck


def test_a_build_that_fails_says_why_as_a_problem(
    learnt: TestClient, settings: Settings, backbone: Backbone
) -> None:
    job = learnt.post(JOBS).json()
    with open_store(settings) as store:
        sha256 = store.jobs.images(job["id"])[3].sha256
        store.blobs.files.path(sha256).unlink()  # type: ignore[attr-defined]  # files of a folder
    with working(settings, backbone):
        failed = ended(learnt, job)
    assert (failed["state"], failed["error"]["type"]) == ("failed", "/problems/blob-lost")
    assert learnt.get("/v1/banks/caps").json()["active_version"] is None


def test_a_build_that_does_not_fit_its_memory_is_refused_with_the_numbers(
    learnt: TestClient, settings: Settings, backbone: Backbone
) -> None:
    job = learnt.post(JOBS).json()
    with working(settings.model_copy(update={"build_memory_bytes": 1000}), backbone):
        failed = ended(learnt, job)
    assert (failed["state"], failed["error"]["type"]) == ("failed", "/problems/build-too-large")
    assert "MB" in failed["error"]["detail"]


def test_a_defect_in_a_build_fails_it_and_the_worker_goes_on(
    learnt: TestClient, settings: Settings, backbone: Backbone
) -> None:
    class Broken(Paused):
        def __call__(self, batch: Any) -> Any:
            raise ZeroDivisionError("a defect")

    first = learnt.post(JOBS).json()
    broken = Broken(backbone)
    with working(settings, replace(backbone, engine=broken)):
        failed = ended(learnt, first)
        assert (failed["state"], failed["error"]["type"]) == ("failed", "/problems/internal-error")
        second = learnt.post(JOBS).json()
        assert ended(learnt, second)["state"] == "failed"


def test_what_the_images_cannot_give_is_refused_before_any_job(learnt: TestClient) -> None:
    refused = problem(
        learnt.post(JOBS, json={"config": {"target_false_reject": 0.01}}), 422, "rate-unsupported"
    )
    assert "99" in refused["detail"]
    problem(learnt.post(JOBS, json={"config": {"input": {"size": 33}}}), 422, "invalid-config")
    problem(learnt.post(JOBS, json={"config": {"coresetratio": 1}}), 422, "invalid-request")
    learnt.post("/v1/banks", json={"id": "empty"})
    problem(learnt.post("/v1/banks/empty/builds"), 409, "too-few-images")
    problem(learnt.post("/v1/banks/none/builds"), 404, "not-found")
    assert learnt.get("/v1/jobs").json()["items"] == []


def test_the_banks_target_rates_are_those_of_its_builds(
    learnt: TestClient, settings: Settings, backbone: Backbone
) -> None:
    learnt.patch("/v1/banks/caps", json={"target_false_reject": 0.3, "target_review": 0.5})
    with working(settings, backbone):
        ended(learnt, learnt.post(JOBS).json())
    config = learnt.get("/v1/banks/caps/versions/1").json()["summary"]["config"]
    assert (config["target_false_reject"], config["target_review"]) == (0.3, 0.5)


def test_a_build_asked_not_to_activate_leaves_the_active_version(
    learnt: TestClient, settings: Settings, backbone: Backbone
) -> None:
    with working(settings, backbone):
        ended(learnt, learnt.post(JOBS).json())
        done = ended(learnt, learnt.post(JOBS, json={"activate": False, "config": {"seed": 1}}).json())
    assert done["version"] == 2
    assert learnt.get("/v1/banks/caps").json()["active_version"] == 1


def test_one_idempotency_key_stands_for_one_job(learnt: TestClient) -> None:
    key = {"Idempotency-Key": "monday"}
    first, again = (learnt.post(JOBS, headers=key).json() for _ in range(2))
    assert first["id"] == again["id"]
    problem(learnt.post(JOBS, headers=key, json={"activate": False}), 422, "idempotency-conflict")
    problem(learnt.post(JOBS, headers={"Idempotency-Key": "x" * 300}), 422, "invalid-request")


def test_images_deleted_after_the_build_was_asked_for_are_still_built_with(
    learnt: TestClient, settings: Settings, backbone: Backbone
) -> None:
    job = learnt.post(JOBS).json()
    sha256 = learnt.get("/v1/banks/caps/images").json()["items"][0]["sha256"]
    assert learnt.delete(f"/v1/banks/caps/images/{sha256}").status_code == 204
    with working(settings, backbone):
        ended(learnt, job)
    assert learnt.get("/v1/banks/caps/versions/1").json()["summary"]["images"] == 10


def test_a_result_waits_for_a_busy_database_and_gives_up_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.learning.worker.time.sleep", lambda seconds: None)
    busy = DatabaseBusy(requirement="a", received="b", remedy="c")
    tries = iter([busy, busy, "written"])

    def commit() -> str:
        found = next(tries)
        if isinstance(found, Exception):
            raise found
        return found

    def never() -> str:
        raise busy

    assert insist(commit) == "written"
    with pytest.raises(DatabaseBusy):
        insist(never)


def test_the_worker_reports_each_jobs_end(learnt: TestClient, settings: Settings, backbone: Backbone) -> None:
    heard: list[Job] = []
    job = learnt.post(JOBS).json()
    with open_store(settings) as store:
        worker = Worker(settings, store, "once", lambda: Backbones(settings, backbone), heard.append)
        assert worker.work_once()
        assert not worker.work_once()
    assert [(end.id, end.state) for end in heard] == [(job["id"], "succeeded")]
