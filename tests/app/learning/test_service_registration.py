"""Registration over HTTP: a bank that finds parts, what it answers and records, and the sets that it refuses."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pytest
from moved_parts import SIZE, moved, part, taken, unlike
from parts import scratched
from service_kit import inspect, problem, wait_until
from starlette.testclient import TestClient
from test_service_builds import JOBS, state, working

from app.imaging.pictures import encode_png
from app.settings import Settings
from core.judging.scoring import UNLOCATED
from models.backbone import Backbone
from nominal_client.answers.insight import Fits
from nominal_client.answers.inspections import Inspection

CONFIG = {
    "input": {"size": 128},
    "coreset_ratio": 0.2,
    "min_bank_vectors": 0,
    "target_false_reject": 0.2,
    "registration": {"on": True},
}


def upload(client: TestClient, images: list[np.ndarray], **config: Any) -> None:
    assert client.post("/v1/banks", json={"id": "caps", "config": CONFIG | config}).status_code == 201
    files = [("file", (f"{i}.png", encode_png(image))) for i, image in enumerate(images)]
    assert client.post("/v1/banks/caps/images", files=files).json()["accepted"] == len(images)


def ended(client: TestClient, job: dict[str, Any]) -> dict[str, Any]:
    """The job once it has ended."""
    wait_until(lambda: state(client, job) not in ("queued", "running"), 120)
    found: dict[str, Any] = client.get(f"/v1/jobs/{job['id']}").json()
    return found


def test_a_part_is_located_inspected_or_rejected_with_the_reason(
    client: TestClient, settings: Settings, backbone: Backbone
) -> None:
    upload(client, taken(8), registration={"on": True, "reference": "0.png"})
    with working(settings, backbone):
        done = ended(client, client.post(JOBS, json={"groups": "none"}).json())
    assert done["state"] == "succeeded", done
    image, matrix = moved(scratched(part(), 110, 170, 30), 60.0)
    answer = inspect(client, encode_png(image), "?heatmap=raw")
    Inspection.model_validate(answer)
    found = answer["location"]
    assert (found["located"], found["reason"], answer["reason"]) == (True, None, None)
    assert found["rotation"] == pytest.approx(60, abs=1)
    np.testing.assert_allclose(np.array(found["transform"])[:2, :2], matrix[:2, :2], atol=0.05)
    assert len(found["outline"]) == 4
    assert answer["decision"] == "reject"
    x, y = (matrix @ (170, 110, 1))[:2]
    assert np.hypot(answer["regions"][0]["peak_x"] - x, answer["regions"][0]["peak_y"] - y) < 40
    assert np.hypot(answer["nearest"]["at_x"] - x, answer["nearest"]["at_y"] - y) < 60
    blank = encode_png(np.full((*SIZE, 3), 77, np.uint8))
    lost = inspect(client, blank, "?heatmap=raw")
    Inspection.model_validate(lost)
    assert (lost["decision"], lost["reason"], lost["score"]) == ("reject", "not_located", UNLOCATED)
    assert (lost["nearest"], lost["regions"], lost["location"]["located"]) == (None, [], False)
    assert "0 points agree" in lost["location"]["reason"]
    kept = client.get(f"/v1/inspections/{lost['id']}").json()
    assert (kept["reason"], kept["location"]) == ("not_located", lost["location"])
    rows = list(csv.DictReader(io.StringIO(client.get("/v1/inspections/export?format=csv").text)))
    assert sorted(row["reason"] for row in rows) == ["", "not_located"]
    told = Fits.model_validate(client.get("/v1/banks/caps/versions/1/fits?limit=3").json())
    assert (told.method, told.reference.name, told.reference.present, told.images) == (
        "sift",
        "0.png",
        True,
        8,
    )
    assert told.keypoints > 50
    assert [fit.fit for fit in told.items] == sorted(fit.fit for fit in told.items)
    assert all(abs(fit.rotation - 3.0 * int(fit.image.name[0])) < 1 for fit in told.items)
    assert all(
        fit.inliers >= 8 and fit.residual < 3 and fit.shift and abs(fit.scale - 1) < 0.05
        for fit in told.items
    )
    assert client.get("/v1/banks/caps/versions/1").json()["summary"]["registered"]["method"] == "sift"
    explored = client.get("/v1/banks/caps/exploration?reject_threshold=1e9")
    assert explored.status_code == 200, explored.text


def test_a_version_that_registers_parts_is_compared_with_one_that_does_not_each_by_its_own_view(
    client: TestClient, settings: Settings, backbone: Backbone
) -> None:
    upload(client, taken(8), registration={"on": True, "reference": "0.png"})
    flawed = encode_png(moved(scratched(part(), 110, 170, 30), 60.0)[0])
    plain = {"groups": "none", "config": {"registration": None}, "activate": False}
    with working(settings, backbone):
        assert ended(client, client.post(JOBS, json={"groups": "none"}).json())["state"] == "succeeded"
        assert ended(client, client.post(JOBS, json=plain).json())["state"] == "succeeded"
    registered = inspect(client, flawed)
    (line,) = client.post("/v1/banks/caps/compare", json={"a": 1, "b": 2}).text.splitlines()
    pair = json.loads(line)
    client.post("/v1/banks/caps/versions/2/activate")
    as_taken = inspect(client, flawed)
    assert (registered["location"] is None, as_taken["location"] is None) == (False, True)
    problem(client.get("/v1/banks/caps/versions/2/fits"), 404, "not-found")
    assert abs(registered["score"] - as_taken["score"]) > 0.01 * as_taken["score"]
    assert pair["a"]["score"] == pytest.approx(registered["score"], rel=1e-5)
    assert pair["b"]["score"] == pytest.approx(as_taken["score"], rel=1e-5)


def test_parts_that_cannot_be_registered_fail_the_build_and_nothing_is_made(
    client: TestClient, settings: Settings, backbone: Backbone
) -> None:
    upload(client, [unlike(i) for i in range(6)])
    with working(settings, backbone):
        done = ended(client, client.post(JOBS).json())
        named = ended(
            client,
            client.post(
                JOBS, json={"config": {"registration": {"on": True, "reference": "none.png"}}}
            ).json(),
        )
    assert (done["state"], done["error"]["type"]) == ("failed", "/problems/registration-impossible")
    assert "--augment" in done["error"]["detail"]
    assert "must be one of the nominal photographs" in named["error"]["detail"]
    assert client.get("/v1/banks/caps").json()["last_version"] == 0


def test_settings_that_exclude_each_other_are_refused(client: TestClient) -> None:
    for config in (
        {"position": 1.0},
        {"augment": {"flips": True}},
        {"registration": {"on": True, "rotation": 200.0}},
    ):
        refused = client.post("/v1/banks", json={"id": "caps", "config": CONFIG | config})
        problem(refused, 422, "invalid-config")
