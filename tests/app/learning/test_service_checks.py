"""Check sets over HTTP with a worker: labels, figures with intervals, every new version, restarts, bad input."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import pytest
from parts import parts, scratched
from scipy.stats import binomtest
from service_kit import new_bank, problem, service_of
from starlette.testclient import TestClient

from app.imaging.pictures import encode_png
from app.inspection.backbones import Backbones
from app.learning.worker import Worker
from models.backbone import Backbone

SMALL = {"input": {"size": 64}, "coreset_ratio": 0.1, "min_bank_vectors": 0, "target_false_reject": 0.2}
NOMINAL = [encode_png(image) for image in parts(12)]
GOOD = [encode_png(image) for image in parts(4, seed=7)]
BAD = [encode_png(scratched(image, 30, 40)) for image in parts(3, seed=8)]
FOLDERS = {
    **{f"caps/test/good/{i}.png": data for i, data in enumerate(GOOD)},
    **{f"caps/test/scratch/{i}.png": data for i, data in enumerate(BAD)},
    "caps/train/good/0.png": NOMINAL[0],
    "caps/ground_truth/scratch/0_mask.png": GOOD[0],
}


@pytest.fixture
def bank(running: TestClient, bank_file: bytes) -> str:
    """A bank with a version."""
    path = new_bank(running, config=SMALL)
    assert running.post(path + "/import?activate=true", content=bank_file).status_code == 201
    return path


@pytest.fixture
def work(running: TestClient, backbone: Backbone) -> Any:
    """Takes one queued job to its end."""
    service = service_of(running)

    def once() -> bool:
        backbones = Backbones(service.settings, backbone)
        return Worker(service.settings, service.store, "test", lambda: backbones).work_once()

    return once


def send(client: TestClient, at: str, files: Mapping[str, bytes], query: str = "") -> dict[str, Any]:
    form = [("file", (name, data)) for name, data in files.items()]
    answer = client.post(f"{at}/images{query}", files=form)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def run(client: TestClient, at: str, work: Any, **body: Any) -> dict[str, Any]:
    """The job of a check that was worked off."""
    answer = client.post(at + "/runs", json=body)
    assert answer.status_code == 202, answer.text
    assert work()
    job: dict[str, Any] = client.get(answer.headers["location"]).json()
    return job


def test_a_version_is_tried_on_a_published_set_and_its_figures_have_exact_intervals(
    running: TestClient, bank: str, work: Any
) -> None:
    at = bank + "/checks/caps"
    uploaded = send(running, at, {"caps.zip": zipped(FOLDERS)})
    assert (uploaded["accepted"], uploaded["rejected"], uploaded["images"]) == (7, 0, 7)
    assert {(each["name"], each["files"]) for each in uploaded["left_out"]} == {
        ("caps/train/good/", 1),
        ("caps/ground_truth/scratch/", 1),
    }
    kinds = {"good": 4, "scratch": 3}
    assert running.get(bank + "/checks").json()["items"][0]["kinds"] == kinds
    problem(running.get(at + "/runs/1"), 404, "not-found")
    job = run(running, at, work)
    assert (job["kind"], job["state"], job["request"]) == (
        "check", "succeeded", {"check": "caps", "version": 1}
    )  # fmt: skip
    found = running.get(at + "/runs/1").json()
    assert found["missed"] == found["found"]["total"] - found["found"]["count"]
    assert (found["found"]["total"], found["alarms"]["total"], found["kinds"][0]["kind"]) == (3, 4, "scratch")
    for share in (found["found"], found["alarms"], found["kinds"][0]["found"]):
        exact = binomtest(share["count"], share["total"]).proportion_ci(method="exact")
        assert (share["low"], share["high"]) == pytest.approx((exact.low, exact.high))
    scores = {each["image"]["sha256"]: each for each in found["items"]}
    good = [each["score"] for each in scores.values() if each["image"]["kind"] == "good"]
    bad = [each["score"] for each in scores.values() if each["image"]["kind"] != "good"]
    pairs = [(b > g) + 0.5 * (b == g) for b in bad for g in good]
    assert found["auroc"] == pytest.approx(sum(pairs) / len(pairs))
    reject = found["thresholds"]["reject"]
    assert all((each["score"] <= reject) == (each["decision"] == "accept") for each in scores.values())
    assert found["says"][0].startswith("The version was built elsewhere")
    whole = running.get(at).json()
    assert whole["job"]["id"] == job["id"]
    assert whole["tried"] == [{name: found[name] for name in whole["tried"][0]}]


def test_a_score_is_that_of_an_inspection_and_the_map_can_be_looked_at(
    running: TestClient, bank: str, work: Any
) -> None:
    at = bank + "/checks/one"
    send(running, at, {"a.png": BAD[0]}, "?kind=scratch")
    run(running, at, work)
    (item,) = running.get(at + "/runs/1").json()["items"]
    inspected = running.post(bank + "/inspect", content=BAD[0], headers={"Content-Type": "image/png"}).json()
    assert item["score"] == pytest.approx(inspected["score"], rel=1e-6)
    assert item["decision"] == inspected["decision"]
    sha256 = item["image"]["sha256"]
    assert running.get(f"{at}/images/{sha256}").content == BAD[0]
    assert running.get(f"{at}/images/{sha256}/thumbnail").headers["content-type"] == "image/jpeg"
    overlay = running.get(f"{at}/runs/1/images/{sha256}/overlay")
    assert (overlay.status_code, overlay.headers["content-type"]) == (200, "image/png")
    problem(running.get(f"{at}/runs/9/images/{sha256}/overlay"), 404, "not-found")
    assert running.delete(f"{at}/images/{sha256}").status_code == 204
    problem(running.get(f"{at}/images/{sha256}"), 404, "not-found")
    problem(running.post(at + "/runs"), 409, "too-few-images")


def test_misses_come_first_then_false_alarms_page_by_page(running: TestClient, bank: str, work: Any) -> None:
    at = bank + "/checks/order"
    send(running, at, FOLDERS)
    run(running, at, work)
    thresholds = [each["score"] for each in running.get(at + "/runs/1").json()["items"]]
    middle = sorted(thresholds)[len(thresholds) // 2]
    assert running.patch(bank, json={"reject_threshold": middle}).status_code == 200
    items, after = [], ""
    while True:
        page = running.get(f"{at}/runs/1?limit=2{after}").json()
        items += page["items"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    outcomes = [each["outcome"] for each in items]
    order = ["missed", "false_alarm", "found", "passed"]
    assert outcomes == sorted(outcomes, key=order.index)
    assert len({each["image"]["sha256"] for each in items}) == 7
    judged = {each["outcome"]: each["decision"] for each in items}
    assert judged["found"] != "accept"
    assert judged["passed"] == "accept"


def test_a_set_is_tried_on_every_new_version_and_versions_are_compared(
    running: TestClient, bank: str, work: Any
) -> None:
    at = bank + "/checks/kept"
    send(running, at, FOLDERS)
    send(running, bank + "/checks/second", {"a.png": BAD[1]}, "?kind=scratch")
    run(running, at, work)
    assert work()  # the version is tried on the other set of itself
    running.post(bank + "/images", files=[("file", (f"{i}.png", data)) for i, data in enumerate(NOMINAL)])
    build = running.post(bank + "/builds", json={"groups": "none"}).json()
    assert work()
    assert running.get(f"/v1/jobs/{build['id']}").json()["version"] == 2
    assert running.get(bank).json()["active_version"] == 2  # before its check has begun
    waiting = running.get("/v1/jobs", params={"bank": bank.rpartition("/")[2], "state": "queued"}).json()
    assert [each["request"] for each in waiting["items"]] == [{"check": "kept", "version": 2}]
    assert work()
    assert work()
    assert not work()
    assert [each["version"] for each in running.get(at).json()["tried"]] == [2, 1]
    assert [each["version"] for each in running.get(bank + "/checks/second").json()["tried"]] == [2, 1]


def test_images_that_a_version_learnt_and_their_parts_are_named_and_not_counted(
    running: TestClient, work: Any
) -> None:
    path = new_bank(running, config=SMALL)
    said = [("serial", (None, f"P{i}")) for i in range(12)]
    files = [("file", (f"{i}.png", data)) for i, data in enumerate(NOMINAL)]
    assert running.post(path + "/images", files=[*said, *files]).json()["accepted"] == 12
    running.post(path + "/builds", json={})
    assert work()
    at = path + "/checks/parts"
    send(running, at, {"learnt.png": NOMINAL[3]}, "?kind=good")
    send(running, at, {"same-part.png": GOOD[0]}, "?kind=good&serial=P3")
    send(running, at, {"other.png": GOOD[1]}, "?kind=ok&serial=new")
    run(running, at, work)
    found = running.get(at + "/runs/1").json()
    learnt = {each["image"]["name"]: each["learnt"] for each in found["items"] if each["outcome"] == "learnt"}
    assert learnt == {"learnt.png": "image", "same-part.png": "part"}
    assert (found["alarms"]["total"], found["found"]["total"], found["auroc"]) == (1, 0, None)
    said = " ".join(found["says"])
    assert "2 images that the version learnt" in said
    assert "No defect is counted" in said
    assert "built elsewhere" not in said
    assert "Few good images" in said


def test_a_corrected_label_counts_without_another_run_and_a_new_image_asks_for_one(
    running: TestClient, bank: str, work: Any
) -> None:
    at = bank + "/checks/labels"
    send(running, at, {"a.png": BAD[0], "b.png": BAD[1]}, "?kind=good")
    run(running, at, work)
    sha256 = running.get(at + "/images").json()["items"][0]["sha256"]
    again = running.post(at + "/images?kind=dent", files=[("file", ("c.png", BAD[0]))])
    refused = problem(again, 409, "label-conflict")
    assert "'dent' for 'c.png', which is labelled 'good'" in refused["detail"]
    running.delete(f"{at}/images/{sha256}")
    name = {"a.png": BAD[0], "b.png": BAD[1]}
    assert send(running, at, name, "?kind=dent")["rejected"] == 1
    found = running.get(at + "/runs/1").json()
    assert (found["found"]["total"], found["alarms"]["total"]) == (1, 1)
    send(running, at, {"new.png": GOOD[2]}, "?kind=good")
    found = running.get(at + "/runs/1").json()
    assert [each["outcome"] for each in found["items"]].count("unscored") == 1
    assert any("1 image that came after this check" in each for each in found["says"])


def test_an_image_said_to_be_of_two_kinds_within_one_upload_is_refused_by_name(
    running: TestClient, bank: str
) -> None:
    answer = send(running, bank + "/checks/twice", {"good/a.png": GOOD[0], "scratch/b.png": GOOD[0]})
    first, second = answer["files"]
    assert (first["status"], second["status"], second["name"]) == ("accepted", "rejected", "scratch/b.png")
    assert second["problem"]["type"] == "/problems/label-conflict"
    assert answer["images"] == 1


def test_files_that_say_nothing_of_themselves_are_refused_by_name(running: TestClient, bank: str) -> None:
    at = bank + "/checks/odd"
    files = {
        "good/a.png": GOOD[0],
        "loose.png": GOOD[1],
        "good/broken.png": GOOD[3][:300],
        "images/b.png": GOOD[2],
    }
    answer = send(running, at, files)
    problems = {each["name"]: each["problem"]["type"] for each in answer["files"] if each["problem"]}
    assert problems == {
        "loose.png": "/problems/label-missing",
        "good/broken.png": "/problems/image-corrupt",
        "images/b.png": "/problems/label-missing",
    }
    form = [("file", ("a.png", GOOD[0]))]
    problem(running.post(bank + "/checks/no-one/images", files=form), 422, "label-missing")
    problem(running.post(bank + "/checks/no-one/images?kind=%07", files=form), 422, "label-missing")
    problem(running.get(bank + "/checks/no-one"), 404, "not-found")
    problem(running.post(bank + "/checks/Odd%20Name/images?kind=good", files=form), 422, "illegal-id")
    problem(running.post("/v1/banks/absent/checks/a/images?kind=good", files=form), 404, "not-found")
    problem(running.post(bank + "/checks/no-one/runs"), 404, "not-found")
    problem(running.post(at + "/runs", json={"version": 7}), 404, "not-found")


def test_a_bank_without_a_version_keeps_a_set_and_cannot_be_checked(running: TestClient) -> None:
    path = new_bank(running, config=SMALL)
    send(running, path + "/checks/early", {"a.png": GOOD[0]}, "?kind=good")
    problem(running.post(path + "/checks/early/runs"), 409, "bank-without-version")
    assert running.get(path + "/checks/early").json()["tried"] == []


def test_a_lost_image_is_named_and_a_worker_that_died_gives_the_same_figures(
    running: TestClient, bank: str, work: Any
) -> None:
    at = bank + "/checks/lost"
    send(running, at, FOLDERS)
    run(running, at, work)
    before = running.get(at + "/runs/1").json()
    service = service_of(running)
    job = running.post(at + "/runs").json()
    problem(running.post(at + "/runs"), 409, "build-running")
    assert service.store.leases.claim("dead") is not None
    assert [taken.id for taken in service.store.leases.release("dead", "it died")] == [job["id"]]
    assert work()
    after = running.get(at + "/runs/1").json()
    assert (after["items"], after["auroc"]) == (before["items"], before["auroc"])
    lost = before["items"][0]["image"]["sha256"]
    copy = service.store.blobs.read(lost)
    service.store.blobs.files.path(lost).unlink()  # type: ignore[attr-defined]  # files of a folder
    assert run(running, at, work)["state"] == "succeeded"
    unreadable = [
        each for each in running.get(at + "/runs/1").json()["items"] if each["outcome"] == "unreadable"
    ]
    assert [each["image"]["sha256"] for each in unreadable] == [lost]
    service.store.blobs.put([copy], limit=len(copy), media_type="image/png")


def test_a_check_waits_for_builds_and_is_cancelled_like_one(
    running: TestClient, bank: str, work: Any
) -> None:
    at = bank + "/checks/later"
    send(running, at, FOLDERS)
    check = running.post(at + "/runs").json()
    running.post(bank + "/images", files=[("file", (f"{i}.png", data)) for i, data in enumerate(NOMINAL)])
    build = running.post(bank + "/builds", json={"groups": "none"}).json()
    assert work()
    assert running.get(f"/v1/jobs/{build['id']}").json()["state"] == "succeeded"
    assert running.get(f"/v1/jobs/{check['id']}").json()["state"] == "queued"
    assert running.post(f"/v1/jobs/{check['id']}/cancel").json()["state"] == "cancelled"
    assert running.get(at).json()["job"]["state"] == "cancelled"


def test_a_deleted_set_leaves_nothing_and_a_check_of_it_ends(
    running: TestClient, bank: str, work: Any
) -> None:
    at = bank + "/checks/gone"
    send(running, at, FOLDERS)
    job = running.post(at + "/runs").json()
    assert running.delete(at).status_code == 204
    assert work()
    assert running.get(f"/v1/jobs/{job['id']}").json()["state"] == "succeeded"
    problem(running.get(at), 404, "not-found")
    assert running.get(bank + "/checks").json()["items"] == []
    target = "bank:" + bank.rpartition("/")[2]
    actions = {each["action"] for each in running.get("/v1/audit", params={"target": target}).json()["items"]}
    assert {"check.create", "check.upload", "job.check", "check.delete"} <= actions
