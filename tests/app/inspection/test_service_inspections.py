"""One image over HTTP, from bytes to an acknowledged line of the ledger."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from parts import SMALL, build, parts, scratched
from PIL import Image
from service_kit import PNG, inspect, problem, service_of
from starlette.testclient import TestClient

from app.imaging.decode import decode_image, decode_photograph
from app.imaging.pictures import encode_jpeg, encode_png, overlay
from app.inspection.engine import BATCH_PIXELS, Engine, Inspection, Prepared, Work, run_batch
from app.settings import Settings
from core.bank import bank_bytes, load_bank
from core.config import DetectorConfig, InputConfig
from core.judging.scoring import Thresholds
from models.backbone import Backbone


def test_an_inspection_over_http_answers_what_the_engine_answers(
    banked: TestClient, bank_file: bytes, backbone: Backbone, bad: bytes
) -> None:
    expected = Engine(backbone, load_bank(bank_file)).inspect([decode_image(bad)])[0]
    answer = inspect(banked, bad, "?serial=A-17&station=line%202")
    assert answer["score"] == pytest.approx(expected.score, rel=1e-5)
    assert (answer["decision"], expected.decision) == ("reject", "reject")
    assert answer["thresholds"] == {
        "review": expected.thresholds.review,
        "reject": expected.thresholds.reject,
    }
    assert len(answer["regions"]) == len(expected.regions) > 0
    nearest = answer["nearest"]
    assert (nearest["image"], nearest["row"], nearest["column"]) == (
        expected.nearest.image,
        expected.nearest.row,
        expected.nearest.column,
    )
    assert (answer["serial"], answer["station"], answer["version"]) == ("A-17", "line 2", 1)
    assert set(answer["timings"]) == {"queue", "decode", "preprocess", "features", "search", "map", "total"}
    assert answer["digests"]["weights"] == backbone.digest


def test_what_was_answered_is_in_the_ledger_word_for_word(
    banked: TestClient, good: bytes, bad: bytes
) -> None:
    answers = [inspect(banked, image) for image in (good, bad)]
    listed = banked.get("/v1/inspections").json()
    assert listed == {"items": answers[::-1], "next": None}
    for answer in answers:
        assert banked.get(answer["links"]["self"]).json() == answer


def test_a_form_is_inspected_like_the_raw_body_and_names_the_part(banked: TestClient, bad: bytes) -> None:
    response = banked.post(
        "/v1/banks/caps/inspect?serial=query",
        files={"image": ("photos/cap 1.png", bad, "image/png")},
        data={"serial": "form", "station": "s"},
    )
    answer = response.json()
    assert response.status_code == 200, response.text
    assert (answer["name"], answer["serial"], answer["station"]) == ("photos/cap 1.png", "form", "s")
    assert answer["score"] == inspect(banked, bad)["score"]


def test_only_the_images_that_the_policy_keeps_are_kept(
    serve: Callable[..., TestClient], settings: Settings, bank_file: bytes, good: bytes, bad: bytes
) -> None:
    for keep, expected in (
        ("all", [True, True]),
        ("sample", [True, True]),
        ("rejected", [False, True]),
        ("none", [False, False]),
    ):
        client = serve(settings.model_copy(update={"image_keep": keep, "data_dir": settings.data_dir / keep}))
        client.post("/v1/banks", json={"id": "caps"})
        client.post("/v1/banks/caps/import?activate=true", content=bank_file)
        answers = [inspect(client, image) for image in (good, bad)]
        assert [answer["image_sha256"] is not None for answer in answers] == expected
        for answer, image, kept in zip(answers, (good, bad), expected, strict=True):
            assert (answer["links"]["heatmap"] is not None) is kept
            found = client.get(f"/v1/inspections/{answer['id']}/image")
            if kept:
                assert (found.content, found.headers["content-type"]) == (image, "image/png")
            else:
                problem(found, 404, "picture-unavailable")


# The map


def test_the_raw_map_inline_is_the_engines_map_to_the_bit(
    banked: TestClient, bank_file: bytes, backbone: Backbone, bad: bytes
) -> None:
    expected = Engine(backbone, load_bank(bank_file)).inspect([decode_image(bad)])[0]
    inline = inspect(banked, bad, "?heatmap=raw")["heatmap"]
    found = np.load(io.BytesIO(base64.b64decode(inline["data"])), allow_pickle=False)
    assert (inline["kind"], inline["media_type"]) == ("raw", "application/x-npy")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.heatmap, rtol=1e-4)


@pytest.mark.parametrize("kind", ["png", "overlay"])
def test_pictures_inline_and_by_link_are_the_same_and_of_the_images_size(
    banked: TestClient, bad: bytes, kind: str
) -> None:
    answer = inspect(banked, bad, f"?heatmap={kind}")
    inline = base64.b64decode(answer["heatmap"]["data"])
    link = answer["links"]["overlay" if kind == "overlay" else "heatmap"]
    assert banked.get(link).content == inline
    assert Image.open(io.BytesIO(inline)).size == (64, 64)


def test_a_caller_who_accepts_pictures_gets_the_picture_with_the_decision_in_headers(
    banked: TestClient, bad: bytes
) -> None:
    response = banked.post("/v1/banks/caps/inspect", content=bad, headers={**PNG, "Accept": "image/png"})
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
    answer = banked.get(response.headers["location"]).json()
    assert response.headers["nominal-decision"] == answer["decision"] == "reject"
    assert float(response.headers["nominal-score"]) == answer["score"]
    assert banked.get(answer["links"]["overlay"]).content == response.content
    raw = banked.post("/v1/banks/caps/inspect", content=bad, headers={**PNG, "Accept": "application/x-npy"})
    assert np.load(io.BytesIO(raw.content)).shape == (64, 64)
    refused = banked.post("/v1/banks/caps/inspect", content=bad, headers={**PNG, "Accept": "text/html"})
    problem(refused, 406, "not-acceptable")


def test_a_map_of_an_image_of_any_shape_has_that_shape(banked: TestClient) -> None:
    wide = encode_png(parts(1, shape=(48, 150), seed=3)[0])
    inline = inspect(banked, wide, "?heatmap=raw")
    assert (inline["width"], inline["height"]) == (150, 48)
    assert np.load(io.BytesIO(base64.b64decode(inline["heatmap"]["data"]))).shape == (48, 150)


# Thresholds


def test_thresholds_of_the_request_go_over_the_banks_which_go_over_the_versions(
    banked: TestClient, good: bytes
) -> None:
    own = inspect(banked, good)
    score = own["score"]
    assert own["decision"] == "accept"
    changed = banked.patch("/v1/banks/caps", json={"reject_threshold": score / 2})
    assert changed.status_code == 200
    assert inspect(banked, good)["thresholds"] == {"review": score / 2, "reject": score / 2}
    asked = inspect(banked, good, f"?review_threshold={score / 2!r}&reject_threshold={score * 2!r}")
    assert asked["decision"] == "review"
    banked.patch("/v1/banks/caps", json={"reject_threshold": None})
    assert inspect(banked, good)["thresholds"] == own["thresholds"]


def test_a_review_threshold_above_the_reject_threshold_is_refused(banked: TestClient, good: bytes) -> None:
    response = banked.post(
        "/v1/banks/caps/inspect?review_threshold=9&reject_threshold=2", content=good, headers=PNG
    )
    problem(response, 422, "invalid-config")


# Batches


def test_concurrent_callers_share_batches_and_get_the_answer_a_lone_caller_gets(banked: TestClient) -> None:
    images = [encode_png(scratched(image, 10 + i, 20)) for i, image in enumerate(parts(24, seed=5))]
    alone = [inspect(banked, image)["score"] for image in images]
    with ThreadPoolExecutor(12) as pool:
        together = [answer["score"] for answer in pool.map(lambda image: inspect(banked, image), images)]
    np.testing.assert_allclose(together, alone, rtol=1e-4)
    assert len({answer["id"] for answer in banked.get("/v1/inspections").json()["items"]}) == 48


def test_what_is_wrong_with_the_bank_is_said_before_what_is_wrong_with_the_image(banked: TestClient) -> None:
    for bank, status, slug in (("nowhere", 404, "not-found"), ("caps", 415, "image-format")):
        answer = banked.post(f"/v1/banks/{bank}/inspect", content=b"no image", headers=PNG)
        problem(answer, status, slug)


def test_a_batch_answers_file_by_file_in_the_order_sent(banked: TestClient, good: bytes, bad: bytes) -> None:
    files = [("image", ("a.png", bad)), ("image", ("b.png", b"no image")), ("image", ("c.png", good))]
    items = banked.post("/v1/banks/caps/inspect/batch", files=files, data={"serial": "7"}).json()["items"]
    assert [item["name"] for item in items] == ["a.png", "b.png", "c.png"]
    assert items[0]["inspection"]["decision"] == "reject"
    assert items[1]["problem"]["type"] == "/problems/image-format"
    assert items[2]["inspection"]["decision"] == "accept"
    assert [item["inspection"]["serial"] for item in items if item["inspection"]] == ["7", "7"]


# The ledger

EVER, NEVER = "9999-12-31T23:59:59.9999999-05:00", "0001-01-01T00:00:00+14:00"


@pytest.mark.parametrize("path", ["inspections", "inspections/export", "reviews/queue", "reviews/agreement"])
def test_times_at_either_end_of_the_calendar_name_all_inspections_or_none(
    banked: TestClient, good: bytes, path: str
) -> None:
    id = inspect(banked, good)["id"]
    for query, found in (
        ({"until": EVER}, True),
        ({"since": NEVER}, True),
        ({"since": NEVER, "until": EVER}, True),
        ({"since": EVER}, False),
        ({"until": NEVER}, False),
        ({"since": "0001-01-01T00:00:00-14:00", "until": "9999-12-31T23:59:59+14:00"}, True),
    ):
        answer = banked.get(f"/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        counted = sum(answer.json()["waiting"].values()) if path == "reviews/agreement" else 0
        assert (id in answer.text or counted == 1) == found, (query, answer.text)


def test_the_ledger_is_filtered_by_bank_decision_serial_station_verdict_and_time(
    banked: TestClient, good: bytes, bad: bytes
) -> None:
    first = inspect(banked, good, "?serial=1&station=x")
    second = inspect(banked, bad, "?serial=2&station=y")
    banked.post(f"/v1/inspections/{second['id']}/reviews", json={"verdict": "confirmed_defect"})
    for query, expected in (
        ("bank=caps", [second, first]),
        ("bank=other", []),
        ("decision=reject", [second]),
        ("serial=1", [first]),
        ("station=y", [second]),
        ("verdict=confirmed_defect", [second]),
        ("reviewed=false", [first]),
        (f"since={second['created_at']}", [second]),
        (f"until={second['created_at']}", [first]),
    ):
        found = banked.get(f"/v1/inspections?{query}").json()["items"]
        assert [item["id"] for item in found] == [item["id"] for item in expected], query


def test_pages_of_the_ledger_follow_each_other_without_gap_or_overlap(
    banked: TestClient, good: bytes
) -> None:
    ids = [inspect(banked, good)["id"] for _ in range(5)][::-1]
    found, before = [], ""
    for _ in range(3):
        page = banked.get(f"/v1/inspections?limit=2{before}").json()
        found += [item["id"] for item in page["items"]]
        before = f"&before={page['next']}"
    assert found == ids
    assert page["next"] is None


def test_the_ledger_is_exported_as_csv_and_json_lines(banked: TestClient, good: bytes, bad: bytes) -> None:
    answers = [inspect(banked, good, "?serial==1%2B1"), inspect(banked, bad)]
    rows = list(csv.DictReader(io.StringIO(banked.get("/v1/inspections/export").text)))
    assert [row["id"] for row in rows] == [answer["id"] for answer in answers[::-1]]
    assert rows[1]["serial"] == "'=1+1"  # no spreadsheet runs it
    assert float(rows[0]["score"]) == answers[1]["score"]
    lines = banked.get("/v1/inspections/export?format=jsonl&decision=accept").text.splitlines()
    assert [json.loads(line) for line in lines] == [answers[0]]


def test_an_inspection_outlives_its_bank_and_its_map_goes_with_the_version(
    banked: TestClient, bad: bytes
) -> None:
    answer = inspect(banked, bad)
    assert banked.delete("/v1/banks/caps").status_code == 204
    assert banked.get(answer["links"]["self"]).json() == answer
    problem(banked.get(answer["links"]["heatmap"]), 404, "picture-unavailable")


# Reviews, and teaching


def test_reviews_are_revised_under_if_match_and_the_latest_counts(banked: TestClient, bad: bytes) -> None:
    link = inspect(banked, bad)["links"]["self"]
    first = banked.post(
        f"{link}/reviews", json={"verdict": "false_alarm", "note": "dust"}, headers={"If-Match": '"0"'}
    )
    assert (first.status_code, first.json()["revision"], first.headers["etag"]) == (201, 1, '"1"')
    stale = banked.post(f"{link}/reviews", json={"verdict": "confirmed_defect"}, headers={"If-Match": '"0"'})
    problem(stale, 412, "stale-revision")
    banked.post(f"{link}/reviews", json={"verdict": "confirmed_defect"}, headers={"If-Match": '"1"'})
    assert [review["verdict"] for review in banked.get(f"{link}/reviews").json()["items"]] == [
        "false_alarm",
        "confirmed_defect",
    ]
    assert banked.get(link).json()["verdict"] == "confirmed_defect"


def test_a_false_alarm_joins_the_nominal_set_once_and_nothing_else_does(
    banked: TestClient, bad: bytes
) -> None:
    answer = inspect(banked, bad)
    link = answer["links"]["self"]
    problem(banked.post(f"{link}/teach"), 409, "not-a-false-alarm")
    banked.post(f"{link}/reviews", json={"verdict": "false_alarm"})
    assert banked.post(f"{link}/teach").json() == {"status": "accepted", "nominal_images": 1}
    assert banked.post(f"{link}/teach").json() == {"status": "duplicate", "nominal_images": 1}
    image = banked.get("/v1/banks/caps/images").json()["items"][0]
    assert (image["sha256"], image["source"], image["inspection_id"]) == (
        answer["image_sha256"],
        "false_alarm",
        answer["id"],
    )


def test_a_false_alarm_whose_image_was_not_kept_cannot_join(
    serve: Callable[..., TestClient], settings: Settings, bank_file: bytes, bad: bytes
) -> None:
    client = serve(settings.model_copy(update={"image_keep": "none"}))
    client.post("/v1/banks", json={"id": "caps"})
    client.post("/v1/banks/caps/import?activate=true", content=bank_file)
    link = inspect(client, bad)["links"]["self"]
    client.post(f"{link}/reviews", json={"verdict": "false_alarm"})
    problem(client.post(f"{link}/teach"), 409, "image-not-kept")


def test_a_large_jpeg_is_inspected_at_a_fraction_of_its_scale_and_drawn_on_whole(
    client: TestClient, backbone: Backbone
) -> None:
    bank = build(parts(6), replace(SMALL, input=InputConfig(64, reduced_jpeg=True)), backbone)
    client.post("/v1/banks", json={"id": "caps"})
    client.post("/v1/banks/caps/import?activate=true", content=bank_bytes(bank))
    data = encode_jpeg(scratched(parts(1, (256, 384))[0], 130, 60, 60))
    photograph = decode_photograph(data, bank.config.input)
    assert photograph.pixels.shape == (128, 192, 3)
    expected = Engine(backbone, bank).inspect([photograph])[0]
    service_of(client).inspecting.registry.drop(
        "caps"
    )  # the first of these is decoded once its version is loaded
    for answer in (inspect(client, data, "?heatmap=overlay"), inspect(client, data, "?heatmap=overlay")):
        assert answer["score"] == pytest.approx(expected.score, rel=1e-5)
        assert (answer["width"], answer["height"]) == (384, 256)
        assert [r["area"] for r in answer["regions"]] == [r.area for r in expected.regions]
        drawn = base64.b64decode(answer["heatmap"]["data"])
        shown = overlay(decode_image(data), expected.heatmap, expected.map_threshold, expected.regions)
        assert np.abs(decode_image(drawn).astype(int) - shown).max() <= 2
        assert client.get(answer["links"]["overlay"]).content == drawn


def test_what_is_no_image_has_no_version_loaded_for_it(banked: TestClient) -> None:
    registry = service_of(banked).inspecting.registry
    registry.drop("caps")
    problem(banked.post("/v1/banks/caps/inspect", content=b"text", headers=PNG), 415, "image-format")
    assert registry.loaded() == []


# Large inputs


class Recording(Engine):
    """An engine that notes how many images it was given at a time."""

    def judge(self, images: Sequence[Prepared], thresholds: Thresholds) -> list[Callable[[], Inspection]]:
        self.groups = [*getattr(self, "groups", []), len(images)]
        return super().judge(images, thresholds)


def test_a_batch_of_large_inputs_passes_the_backbone_in_groups_of_bounded_pixels(backbone: Backbone) -> None:
    side = 512
    most = BATCH_PIXELS // side**2
    config = DetectorConfig(InputConfig(size=side), coreset_ratio=0.001, target_false_reject=0.4)
    engine = Recording(backbone, build(parts(3), config, backbone))
    images = parts(most + 1, seed=2)
    works = [Work(engine.prepare(image), engine.thresholds, engine) for image in images]
    answers = run_batch(("caps", 1), works)
    assert engine.groups == [most, 1]
    assert all(isinstance(answer, Inspection) for answer in answers)
    alone = [engine.inspect([image])[0].score for image in images[-2:]]
    np.testing.assert_allclose([answer.score for answer in answers[-2:]], alone, rtol=1e-4)
