"""Screenings over HTTP with a worker: state, report, pictures, restarts, bad input; kept with versions of their set."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from parts import parts, scratched
from PIL import Image
from service_kit import new_bank, problem, service_of
from starlette.testclient import TestClient

from app.imaging.pictures import encode_png
from app.inspection.backbones import Backbones
from app.learning import screenings
from app.learning.worker import Worker
from models.backbone import Backbone

SMALL = {"input": {"size": 64}, "coreset_ratio": 0.1, "min_bank_vectors": 0, "target_false_reject": 0.2}
GOOD = [encode_png(image) for image in parts(10)]
BAD = encode_png(scratched(parts(1, seed=8)[0], 30, 40))


@pytest.fixture
def bank(running: TestClient) -> str:
    """Ten good images and a scratched one."""
    path = new_bank(running, config=SMALL)
    images = [*((f"{i}.png", data) for i, data in enumerate(GOOD)), ("scratched.png", BAD)]
    files = [("file", image) for image in images]
    assert running.post(path + "/images", files=files).json()["accepted"] == 11
    return path


@pytest.fixture
def work(running: TestClient, backbone: Backbone) -> Any:
    """Takes one queued job to its end; the job."""
    service = service_of(running)

    def once(job: dict[str, Any], owner: str = "test") -> dict[str, Any]:
        backbones = Backbones(service.settings, backbone)
        assert Worker(service.settings, service.store, owner, lambda: backbones).work_once()
        found: dict[str, Any] = running.get(f"/v1/jobs/{job['id']}").json()
        return found

    return once


def started(client: TestClient, bank: str, **body: Any) -> dict[str, Any]:
    answer = client.post(bank + "/screening", json=body)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    return job


def test_a_screening_lists_the_odd_one_among_its_suspects_and_draws_it(
    running: TestClient, bank: str, work: Any
) -> None:
    assert running.get(bank + "/screening").json() == {"job": None, "found": None}
    job = started(running, bank, expected=0.05)
    waiting = running.get(bank + "/screening").json()
    assert (waiting["job"]["kind"], waiting["job"]["state"], waiting["found"]) == (
        "screening",
        "queued",
        None,
    )
    done = work(job)
    assert (done["state"], done["version"], done["error"]) == ("succeeded", None, None)
    found = running.get(bank + "/screening").json()["found"]
    report = found["report"]
    assert (found["current"], report["images"], report["expected"]) == (True, 11, 0.05)
    assert sorted(report["names"].values()) == sorted([f"{i}.png" for i in range(10)] + ["scratched.png"])
    suspects = [report["names"][each["image"]] for each in report["suspects"]]
    assert suspects[0] == "scratched.png"
    assert sum(len(group["images"]) for group in report["groups"]) == 11
    assert "photographs" in report["says"][0]
    service = service_of(running)
    kept = service.store.screenings.latest(bank.rpartition("/")[2])
    assert kept is not None
    assert report == screenings.report_of(service.learning, kept)  # the schema drops and adds nothing

    picture = running.get(f"{bank}/screening/suspects/{report['suspects'][0]['image']}/overlay?side=64")
    assert picture.headers["content-type"] == "image/jpeg"
    drawn = np.asarray(Image.open(io.BytesIO(picture.content)).convert("RGB")).astype(int)
    assert drawn.shape == (64, 64, 3)
    coloured = np.ptp(drawn, axis=2)
    y, x = report["suspects"][0]["y"], report["suspects"][0]["x"]
    assert coloured[y, x] > 40  # where it looks worst the map is strong
    images = {image["sha256"] for image in running.get(bank + "/images").json()["items"]}
    unsuspected = (images - {each["image"] for each in report["suspects"]}).pop()
    problem(running.get(f"{bank}/screening/suspects/{unsuspected}/overlay"), 404, "not-found")
    assert len(images) == 11  # nothing was removed


def test_images_of_one_serial_number_are_one_part_of_the_report(
    running: TestClient, bank: str, work: Any
) -> None:
    files = [("file", (f"{i}.png", data)) for i, data in enumerate([*GOOD, BAD])]
    said = [("serial", (None, f"P{i // 2}")) for i in range(11)]
    running.post(bank + "/images", files=[*said, *files])
    assert work(started(running, bank))["state"] == "succeeded"
    report = running.get(bank + "/screening").json()["found"]["report"]
    assert (report["parts"], report["grouped_by"]) == (6, "parts")
    assert {group["part"] for group in report["groups"]} == {f"P{i}" for i in range(6)}


def test_a_report_is_kept_with_the_version_of_the_same_set_whichever_came_first(
    running: TestClient, bank: str, work: Any
) -> None:
    build = running.post(bank + "/builds", json={"groups": "none"}).json()
    first = work(build)["version"]
    problem(running.get(f"{bank}/versions/{first}/screening"), 404, "not-found")
    work(started(running, bank))
    kept = running.get(f"{bank}/versions/{first}/screening").json()
    assert kept["current"]
    suspect = kept["report"]["suspects"][0]["image"]
    drawn = f"screening/suspects/{suspect}/overlay"
    of_newest, of_version = (running.get(f"{bank}/{place}{drawn}") for place in ("", f"versions/{first}/"))
    assert of_version.content == of_newest.content != b""
    assert of_version.headers["Content-Type"] == "image/jpeg"
    problem(running.get(f"{bank}/versions/{first + 1}/{drawn}"), 404, "not-found")
    assert running.delete(f"{bank}/images/{suspect}").status_code == 204
    assert not running.get(bank + "/screening").json()["found"]["current"]
    work(started(running, bank))
    second = work(running.post(bank + "/builds", json={"groups": "none"}).json())["version"]
    of_second = running.get(f"{bank}/versions/{second}/screening").json()
    of_first = running.get(f"{bank}/versions/{first}/screening").json()
    assert (of_first["report"], of_first["current"]) == (kept["report"], False)
    assert (of_second["report"]["images"], of_second["current"]) == (10, True)
    rows = service_of(running).store.screenings
    name = bank.rpartition("/")[2]
    work(started(running, bank))  # the same set again: the new report takes the place of the old
    assert rows.latest(name) is not None
    assert running.get(f"{bank}/versions/{second}/screening").json()["created_at"] > of_second["created_at"]


def test_a_screening_waits_beside_a_build_and_a_second_one_is_refused(
    running: TestClient, bank: str, work: Any
) -> None:
    build = running.post(bank + "/builds", json={"groups": "none"}).json()
    job = started(running, bank)
    problem(running.post(bank + "/screening"), 409, "build-running")
    assert running.get("/v1/jobs", params={"kind": "screening", "state": "queued"}).json()["items"] == [job]
    assert running.post(f"/v1/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    again = started(running, bank)
    assert work(build)["state"] == "succeeded"
    assert work(again)["state"] == "succeeded"


def test_a_screening_whose_worker_died_is_taken_up_again_and_gives_the_same_report(
    running: TestClient, bank: str, work: Any
) -> None:
    assert work(started(running, bank))["attempts"] == 1
    before = running.get(bank + "/screening").json()["found"]["report"]
    job = started(running, bank)
    leases, own = service_of(running).store.leases, service_of(running).inspecting.backbones.default
    assert leases.claim("dead", (own.digest, own.precision)) is not None
    assert [taken.id for taken in leases.release("dead", "it died")] == [job["id"]]
    done = work(job)
    assert (done["state"], done["attempts"]) == ("succeeded", 2)
    assert running.get(bank + "/screening").json()["found"]["report"] == before


def test_a_failed_screening_says_why_and_keeps_the_report_before(
    running: TestClient, bank: str, work: Any
) -> None:
    work(started(running, bank))
    service = service_of(running)
    job = started(running, bank)
    lost = service.store.jobs.images(job["id"])[3].sha256
    copy = service.store.blobs.read(lost)
    service.store.blobs.files.path(lost).unlink()  # type: ignore[attr-defined]  # files of a folder
    failed = work(job)
    assert (failed["state"], failed["error"]["type"]) == ("failed", "/problems/blob-lost")
    look = running.get(bank + "/screening").json()
    assert (look["job"]["state"], look["found"]["report"]["images"]) == ("failed", 11)
    service.store.blobs.put([copy], limit=len(copy), media_type="image/png")


@pytest.mark.parametrize("body", [{"expected": 0}, {"expected": 1}, {"groups": "some"}, {"expcted": 0.1}])
def test_what_cannot_be_asked_is_refused(running: TestClient, bank: str, body: dict[str, Any]) -> None:
    problem(running.post(bank + "/screening", json=body), 422, "invalid-request")


def test_a_set_that_cannot_be_screened_is_refused_before_any_job(running: TestClient) -> None:
    problem(running.post("/v1/banks/absent/screening"), 404, "not-found")
    problem(running.get("/v1/banks/absent/screening"), 404, "not-found")
    empty = new_bank(running, config=SMALL)
    problem(running.post(empty + "/screening"), 409, "too-few-images")
    files = [("file", (f"{i}.png", data)) for i, data in enumerate(GOOD[:3])]
    running.post(empty + "/images", files=[("serial", (None, "A")), *files])
    problem(running.post(empty + "/screening"), 422, "groups-unusable")
    assert running.get("/v1/jobs", params={"bank": empty.rpartition("/")[2]}).json()["items"] == []


def test_a_deleted_bank_takes_its_reports_along(running: TestClient, bank: str, work: Any) -> None:
    work(started(running, bank))
    assert running.delete(bank).status_code == 204
    problem(running.get(bank + "/screening"), 404, "not-found")


def test_who_asked_for_a_screening_is_in_the_audit(running: TestClient, bank: str, work: Any) -> None:
    job = started(running, bank)
    entries = running.get("/v1/audit", params={"target": "bank:" + bank.rpartition("/")[2]}).json()["items"]
    assert {"action": "job.screening", "detail": {"job": job["id"]}} in [
        {"action": each["action"], "detail": each["detail"]} for each in entries
    ]
    work(job)
