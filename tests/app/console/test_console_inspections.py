"""Inspections in the console: images in, pictures out, exports; what a role may do, what is not kept."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import torch
from fakes import evenly_padded_backbone
from parts import SMALL, parts
from PIL import Image
from service_kit import problem, service_of
from starlette.testclient import TestClient
from test_console_access import HTML, new_key, sign_in

from app.console.pictures import RecentImages
from app.console.widgets.filters import Wanted
from app.imaging.pictures import ALPHAS, encode_png
from app.insight import places
from app.inspection.backbones import backbone_ref
from app.settings import Settings
from app.store.inspections import Filter
from app.store.schema import Inspection
from core.bank import bank_bytes
from core.build import Build
from core.config import InputConfig, PatchConfig
from core.features.patches import patch_features
from core.input.preprocess import frame, patch_grid

INSPECT = "/console/v1/banks/caps/inspect"
NAMES = re.compile(r"\bp\d{3}\b")
STEPS = re.compile(r"/console/inspections\?before=[\w-]+")
PICTURES = ("photo", "layer", "map", "worst")


@pytest.fixture
def forgetful(serve: Callable[..., TestClient], settings: Settings, bank_file: bytes) -> TestClient:
    """A console with the bank ``caps`` that keeps no image of an accepted part."""
    client = serve(settings.model_copy(update={"console": True, "image_keep": "rejected"}))
    client.post("/v1/banks", json={"id": "caps"})
    assert client.post("/v1/banks/caps/import?activate=true", content=bank_file).status_code == 201
    return client


def inspected(client: TestClient, image: bytes, serial: str = "A1") -> dict[str, Any]:
    """The ledger's row of an image sent as the page sends it."""
    answer = client.post(INSPECT, files={"image": ("part.png", image)}, data={"serial": serial})
    assert answer.status_code == 200, answer.text
    row: dict[str, Any] = client.get(f"/v1/inspections/{answer.json()['id']}").json()
    return row


def picture(client: TestClient, id: str, kind: str) -> Image.Image:
    answer = client.get(f"/console/media/inspections/{id}/{kind}")
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


def shown(client: TestClient, path: str) -> str:
    """The page's text as it is sent."""
    answer = client.get(f"/console{path}", headers=HTML)
    assert answer.status_code == 200
    return answer.text


# Images in


def test_an_image_dropped_lands_in_the_ledger_as_the_lines_do(taught: TestClient, bad: bytes) -> None:
    row = inspected(taught, bad)
    by_api = taught.post("/v1/banks/caps/inspect", content=bad, headers={"Content-Type": "image/png"}).json()
    assert (row["decision"], row["serial"], row["name"], row["bank"]) == ("reject", "A1", "part.png", "caps")
    assert row["score"] == pytest.approx(by_api["score"], rel=1e-5)


def test_a_file_that_is_no_image_is_refused_plainly_and_not_written_down(taught: TestClient) -> None:
    told = problem(taught.post(INSPECT, content=b"no image"), 415, "image-format")
    assert "Save the image in one of these formats" in told["detail"]
    assert taught.get("/v1/inspections").json()["items"] == []


def test_an_image_larger_than_the_limit_is_refused_while_it_is_read(
    serve: Callable[..., TestClient], settings: Settings, bank_file: bytes, bad: bytes
) -> None:
    client = serve(settings.model_copy(update={"console": True, "max_image_bytes": 1000}))
    client.post("/v1/banks", json={"id": "caps"})
    client.post("/v1/banks/caps/import?activate=true", content=bank_file)
    problem(client.post(INSPECT, content=iter([bad, bad])), 413, "image-too-large")
    assert service_of(client).inspecting.memory.used == 0


def test_a_reader_may_look_and_not_inspect(taught: TestClient, bad: bytes) -> None:
    id = inspected(taught, bad)["id"]
    text, _ = new_key(taught, "read")
    sign_in(taught, text)
    problem(taught.post(INSPECT, content=bad), 403, "forbidden")
    assert picture(taught, id, "photo").size == (64, 64)
    assert "This needs the role inspect" in shown(taught, "/banks/caps/inspect")


# Pictures


def test_a_picture_lies_over_the_photo_and_hides_no_usual_place(taught: TestClient, bad: bytes) -> None:
    id = inspected(taught, bad)["id"]
    assert picture(taught, id, "photo").format == "JPEG"
    layer, map_ = picture(taught, id, "layer"), picture(taught, id, "map")
    assert layer.size == map_.size == (64, 64)
    np.testing.assert_array_equal(np.array(layer), np.array(map_))
    opacity = np.array(layer.convert("RGBA"))[..., 3]
    np.testing.assert_array_equal(opacity, ALPHAS[np.array(layer)])


def test_the_worst_place_is_cut_out_with_its_marker(taught: TestClient, bad: bytes) -> None:
    cut = picture(taught, inspected(taught, bad)["id"], "worst")
    assert cut.size == (places.PICTURE, places.PICTURE)


def test_the_nearest_good_part_of_a_bank_built_elsewhere_is_not_at_hand(
    taught: TestClient, bad: bytes
) -> None:
    id = inspected(taught, bad)["id"]
    told = problem(taught.get(f"/console/media/inspections/{id}/nearest"), 404, "picture-unavailable")
    assert "without its images" in told["detail"]
    assert "did not come along" in shown(taught, f"/inspections/{id}")


def test_an_accepted_image_is_shown_from_memory_although_the_policy_does_not_keep_it(
    forgetful: TestClient, good: bytes
) -> None:
    row = inspected(forgetful, good)
    assert (row["decision"], row["image_sha256"]) == ("accept", None)
    assert all(picture(forgetful, row["id"], kind) for kind in PICTURES)
    assert "Shown from memory" in shown(forgetful, f"/inspections/{row['id']}")


def test_a_picture_that_was_not_kept_says_which_setting_keeps_it(forgetful: TestClient, good: bytes) -> None:
    sent = forgetful.post("/v1/banks/caps/inspect", content=good, headers={"Content-Type": "image/png"})
    id = sent.json()["id"]
    for kind in PICTURES:
        problem(forgetful.get(f"/console/media/inspections/{id}/{kind}"), 404, "picture-unavailable")
    assert "NOMINAL_IMAGE_KEEP=rejected" in shown(forgetful, f"/inspections/{id}")


def test_the_nearest_good_part_and_the_worst_place_are_marked_where_a_resnet_saw_them(
    serve: Callable[..., TestClient], settings: Settings
) -> None:
    even = evenly_padded_backbone()
    images = [spotted(image, 40, 24, 200) for image in parts(8)]
    files = [encode_png(image) for image in images]
    names = [f"{hashlib.sha256(data).hexdigest()}/{i}.png" for i, data in enumerate(files)]
    config = replace(SMALL, coreset_ratio=1.0, patch=PatchConfig(size=1))
    bank = Build(even, backbone_ref(even), config, offset=even.spec.offset)
    client = serve(settings.model_copy(update={"console": True}), backbone=even)
    client.post("/v1/banks", json={"id": "caps"})
    client.post("/v1/banks/caps/images", files=[("file", (f"{i}.png", data)) for i, data in enumerate(files)])
    made = bank_bytes(bank.run(zip(names, images, strict=True), len(images)))
    assert client.post("/v1/banks/caps/import?activate=true", content=made).status_code == 201
    row = inspected(client, encode_png(spotted(parts(1, seed=3)[0], 24, 40, 250)))
    assert marked(picture(client, row["id"], "worst")) == pytest.approx((24, 40), abs=0.5)
    assert marked(picture(client, row["id"], "nearest")) == pytest.approx((40, 24), abs=0.5)


def spotted(image: np.ndarray, y: int, x: int, level: int) -> np.ndarray:
    """The image darkened but for the pixel (y, x)."""
    dark = image // 8
    dark[y, x] = level
    return dark


def marked(drawn: Image.Image) -> tuple[float, float]:
    """The middle of the marker, in pixels of the 64 x 64 image that the picture shows whole."""
    rgb = np.array(drawn.convert("RGB")).astype(int)
    rows, columns = np.nonzero((rgb[..., 1] > 150) & (rgb[..., 2] > 150) & (rgb[..., 0] < 100))
    return tuple((each.min() + each.max() + 1) / 2 / places.PICTURE * 64 for each in (rows, columns))


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_patch_of_a_good_part_lies_in_the_grid_that_its_vector_was_taken_from(stride: int) -> None:
    geometry = frame(InputConfig(size=96, fit="short_side"), 100, 150)
    maps = torch.zeros(1, 2, geometry.rows.input // 8, geometry.columns.input // 8)
    assert patch_grid(geometry, 8, stride) == patch_features([maps], PatchConfig(stride=stride)).grid


def test_a_place_at_the_border_is_shown_whole() -> None:
    image = np.zeros((40, 90, 3), np.uint8)
    geometry = frame(InputConfig(size=64), 40, 90)
    for y, x in ((0, 0), (39, 89), (20, 45)):
        drawn = Image.open(io.BytesIO(places.cut(image, geometry, y, x)))
        assert drawn.size == (places.PICTURE, places.PICTURE)
        assert np.array(drawn.convert("RGB"))[..., 1].max() > 150  # the marker


def test_the_map_is_read_as_values_and_a_nominal_image_is_shown_by_its_version(
    taught: TestClient, bad: bytes, good: bytes
) -> None:
    row = inspected(taught, bad)
    raw = taught.get(f"/v1/inspections/{row['id']}/heatmap?form=raw").content
    assert taught.get(f"/console/media/inspections/{row['id']}/values").content == raw
    sent = taught.post("/v1/banks/caps/images", files=[("file", ("g.png", good))]).json()["files"][0]
    at = f"/console/media/banks/caps/nominal/{sent['sha256']}"
    assert Image.open(io.BytesIO(taught.get(f"{at}?side=32").content)).size == (32, 32)
    other = taught.get(f"/console/media/banks/caps/versions/1/nominal/{sent['sha256']}/layer")
    assert "has not learnt" in problem(other, 404, "picture-unavailable")["detail"]
    problem(taught.get(f"/console/media/banks/caps/nominal/{'0' * 64}"), 404, "not-found")


# Held in memory


def test_images_held_in_memory_are_bounded_and_the_oldest_leave() -> None:
    recent = RecentImages(most_bytes=10)
    recent.add("a", b"12345")
    recent.add("b", b"12345")
    recent.add("c", b"123")
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (None, b"12345", b"123")
    recent.add("d", bytes(11))
    assert recent.get("d") is None


# Exports and filters


def test_an_export_holds_what_the_filter_names(taught: TestClient, bad: bytes) -> None:
    inspected(taught, bad, "A1")
    inspected(taught, bad, "B2")
    answer = taught.get("/console/v1/inspections/export?format=csv&serial=B2&decision=reject")
    assert answer.headers["content-disposition"] == 'attachment; filename="inspections.csv"'
    assert [line.split(",")[4] for line in answer.text.splitlines()] == ["serial", "B2"]
    lines = taught.get("/console/v1/inspections/export?format=jsonl").text.splitlines()
    assert len(lines) == 2


def test_a_filter_survives_the_address_and_drops_what_means_nothing() -> None:
    wanted = Wanted.of({"bank": "caps", "decision": "reject", "verdict": "none", "since": "2026-11-01"})
    assert wanted.query() == "?bank=caps&decision=reject&verdict=none&since=2026-11-01"
    found = wanted.filter()
    assert (found.bank, found.decision, found.verdict, found.reviewed) == ("caps", "reject", None, False)
    assert found.since is not None
    assert found.since.isoformat() == "2026-11-01T00:00:00+00:00"
    assert Wanted.of({"decision": "maybe", "since": "yesterday", "verdict": "x"}).filter() == Filter()


def test_an_export_names_the_filter_as_the_api_reads_it(taught: TestClient, bad: bytes) -> None:
    id = inspected(taught, bad, "A 1")["id"]
    day = service_of(taught).store.inspections.get(id).created_at.date()
    wanted = Wanted(
        bank="caps", decision="reject", serial="A 1", verdict="none", since=f"{day}", until=f"{day}"
    )
    found = taught.get(f"/console/v1/inspections/export{wanted.export_query('jsonl')}")
    assert [json.loads(line)["id"] for line in found.text.splitlines()] == [id]
    for other in (
        replace(wanted, verdict="false_alarm"),
        replace(wanted, since=f"{day + timedelta(days=1)}"),
    ):
        answer = taught.get(f"/console/v1/inspections/export{other.export_query('jsonl')}")
        assert (answer.status_code, answer.text) == (200, "")


def test_the_last_day_of_a_filter_is_included() -> None:
    until = Wanted.of({"until": "2026-11-30"}).filter().until
    assert until is not None
    assert until.isoformat() == "2026-12-01T00:00:00+00:00"


def test_the_last_day_of_the_calendar_can_be_asked_for() -> None:
    wanted = Wanted.of({"since": "0001-01-01", "until": "9999-12-31"})
    assert wanted.filter().until == datetime.max.replace(tzinfo=UTC)
    assert "until=9999-12-31T23" in wanted.export_query("csv")


# Pages


def test_the_ledger_is_read_a_page_at_a_time_forwards_and_back(taught: TestClient, bad: bytes) -> None:
    store, first = service_of(taught).store, inspected(taught, bad)["id"]
    values = {c.key: getattr(store.inspections.get(first), c.key) for c in Inspection.__table__.columns}
    del values["id"]
    store.inspections.add([Inspection(**values | {"name": f"p{i:03d}", "serial": None}) for i in range(119)])
    seen, path = [], "/inspections"
    for _ in range(3):
        text = shown(taught, path)
        seen += NAMES.findall(text)
        onward = STEPS.findall(text)
        path = onward[-1].removeprefix("/console")
    assert sorted(set(seen)) == [f"p{i:03d}" for i in range(119)]
    assert len(set(NAMES.findall(text))) == 19
    back = shown(taught, onward[-1].removeprefix("/console"))
    assert len(set(NAMES.findall(back))) == 50


def test_an_empty_ledger_and_a_filter_without_match_say_what_to_do(taught: TestClient, bad: bytes) -> None:
    assert "Nothing was inspected yet" in shown(taught, "/inspections")
    assert "Nothing waits for review" in shown(taught, "/review")
    inspected(taught, bad)
    assert "Widen the filters" in shown(taught, "/inspections?serial=other")
    assert "Widen the filters" in shown(taught, "/review?serial=other")
    assert "Nothing inspected here yet" in shown(taught, "/banks/caps/inspect")


def test_a_bank_that_learnt_nothing_leads_to_teaching(taught: TestClient) -> None:
    taught.post("/v1/banks", json={"id": "fresh"})
    assert "has not learned anything yet" in shown(taught, "/banks/fresh/inspect")


def test_what_the_address_names_is_shown_again(taught: TestClient, bad: bytes) -> None:
    id = inspected(taught, bad)["id"]
    text = shown(taught, f"/banks/caps/inspect?shown=gone,{id}")
    assert f"/console/media/inspections/{id}/layer" in text
    assert "1 image inspected" in text


def test_an_inspection_that_is_gone_is_said(taught: TestClient) -> None:
    assert "retention may have deleted it" in shown(taught, "/inspections/gone")


def test_the_queue_shows_the_rejected_first_and_every_key(
    taught: TestClient, bad: bytes, good: bytes
) -> None:
    rejected = inspected(taught, bad)["id"]
    inspected(taught, good)
    text = shown(taught, "/review")
    assert f"/console/media/inspections/{rejected}/photo" in text
    for words in ("Confirm defect", "False alarm", "Teach as good", "Skip", "Undo"):
        assert words in text


def test_a_part_whose_image_could_not_be_kept_is_shown_with_the_reason(
    taught: TestClient, bad: bytes
) -> None:
    service_of(taught).store.blobs.staging.reserve = 1 << 60
    answer = taught.post("/v1/banks/caps/inspect", content=bad, headers={"Content-Type": "image/png"})
    page = shown(taught, f"/inspections/{answer.json()['id']}")
    assert "its image could not be kept (storage-full)" in page
