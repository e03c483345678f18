"""Each fault that peers are known for is impossible here; COVERED names the tests elsewhere, the rest stand here."""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
from parts import parts
from PIL import Image
from service_kit import PNG, inspect, new_bank, problem
from starlette.testclient import TestClient

from app.imaging.pictures import encode_jpeg, encode_png

ROOT = Path(__file__).parents[3]
COVERED = {
    "two preprocessing paths": "test_an_inspection_over_http_answers_what_the_engine_answers",
    "exported scores differ": "test_a_bundle_taken_out_and_in_again_is_the_same_and_scores_the_same",
    "a conformal rank clamped to n": "test_a_rate_the_version_does_not_support_is_refused_with_the_images_it_needs",
    "training that needs defects": "test_a_build_makes_the_next_version_activates_it_and_the_bank_inspects",
    "maps at the model's size": "test_a_map_of_an_image_of_any_shape_has_that_shape",
    "coreset without progress": "test_events_tell_every_stage_then_the_end_then_stop",
    "training that cannot be stopped": "test_a_build_is_cancelled_at_any_stage_and_leaves_no_version",
    "batches that exhaust memory": "test_a_batch_of_large_inputs_passes_the_backbone_in_groups_of_bounded_pixels",
    "a build that takes all memory": "test_a_build_that_does_not_fit_its_memory_is_refused_with_the_numbers",
    "containers as root": "test_the_image_runs_as_a_fixed_user_other_than_root",
    "unbounded queues": "test_past_a_full_queue_callers_are_refused_with_the_seconds_to_wait_and_nobody_else_suffers",
    "readiness that flips while a model loads": "test_readiness_does_not_flip_while_banks_load_fail_or_are_built",
    "health behind authentication": "test_every_operation_needs_a_key_of_its_role_and_no_other_answers_without",
    "no authentication": "test_on_an_open_address_no_key_means_no_entry",
    "full-disk surprises": "test_on_a_disk_without_one_byte_every_write_is_refused_reads_go_on_and_space_heals_it",
    "zip bombs": "test_of_an_archive_that_is_a_bomb_what_came_before_is_kept",
    "a GET that creates": "test_reading_never_creates",
    "no GET for one job": "test_a_running_build_tells_its_stage_and_how_far_it_is",
}


def test_every_test_that_covers_a_fault_is_there() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [fault for fault, name in COVERED.items() if f"def {name}(" not in tests] == []


def test_colours_are_not_swapped_and_grey_images_are_inspected(banked: TestClient) -> None:
    part = parts(1, seed=7)[0]
    tinted = part.copy()
    tinted[..., 0] = np.clip(tinted[..., 0].astype(int) + 60, 0, 255)
    red, blue = (inspect(banked, encode_png(image))["score"] for image in (tinted, tinted[..., ::-1].copy()))
    assert red != pytest.approx(blue, rel=1e-2)  # a server that mixed up RGB and BGR would not tell
    grey = io.BytesIO()
    Image.fromarray(part).convert("L").save(grey, "PNG")
    as_rgb = encode_png(np.asarray(Image.open(grey).convert("RGB")))
    assert inspect(banked, grey.getvalue())["score"] == inspect(banked, as_rgb)["score"]


def test_uploaded_images_are_kept_as_they_came_and_never_recompressed(running: TestClient) -> None:
    sent = encode_jpeg(parts(1)[0], quality=40)
    url = new_bank(running) + "/images"
    sha256 = running.post(url, content=sent).json()["files"][0]["sha256"]
    assert sha256 == hashlib.sha256(sent).hexdigest()
    assert running.get(f"{url}/{sha256}").content == sent


def test_scores_and_maps_are_raw_so_a_good_part_peaks_below_the_threshold(
    banked: TestClient, good: bytes, bad: bytes
) -> None:
    def peak_and_threshold(image: bytes) -> tuple[float, float]:
        inline = inspect(banked, image, "?heatmap=raw")["heatmap"]
        heat = np.load(io.BytesIO(base64.b64decode(inline["data"])), allow_pickle=False)
        return float(heat.max()), inline["threshold"]

    (calm, level), (wild, same) = peak_and_threshold(good), peak_and_threshold(bad)
    assert calm <= level < wild
    assert same <= level  # of a part that is not accepted the worst place shows whatever the level
    black = encode_png(np.zeros((64, 64, 3), np.uint8))
    scores = [inspect(banked, image)["score"] for image in (good, bad, black)]
    assert len(set(scores)) == 3  # nothing saturates: worse parts have larger scores
    assert scores[0] < scores[1]


@pytest.mark.parametrize(
    "data", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM", b"GIF89a", b"\0" * 100]
)
def test_what_cannot_be_decoded_is_the_callers_fault_and_not_the_servers(
    banked: TestClient, data: bytes
) -> None:
    response = banked.post("/v1/banks/caps/inspect", content=data, headers=PNG)
    assert response.status_code in (415, 422)
    problem(response, response.status_code, response.json()["type"].removeprefix("/problems/"))
    assert banked.get("/v1/inspections").json()["items"] == []


def test_every_error_has_one_shape(client: TestClient) -> None:
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("PUT", "/v1/banks", 405),
        ("GET", "/v1/banks?limit=0", 422),
        ("POST", "/v1/banks", 422),
        ("GET", "/v1/banks/none", 404),
        ("GET", "/v1/jobs/none/events", 404),
        ("POST", "/v1/banks/none/inspect", 404),
    ):
        response = client.request(method, path, headers=PNG if method == "POST" else {})
        document = response.json()
        assert response.headers["content-type"] == "application/problem+json", path
        assert (response.status_code, document["status"]) == (status, status), path
        assert {"type", "title", "status", "detail", "instance", "request_id"} <= set(document)


def test_no_metric_has_a_banks_name_in_its_own(banked: TestClient, good: bytes) -> None:
    inspect(banked, good)
    text = banked.get("/metrics").text
    names = set(re.findall(r"^([a-zA-Z_:][\w:]*)", text, re.MULTILINE))
    assert 'bank="caps"' in text
    assert not any("caps" in name for name in names)


OWN_FILES = ("app/learning/sharded/host.py",)  # reads what it wrote into a folder for this user only


def test_nothing_from_outside_is_ever_unpickled_and_no_shell_or_eval_runs() -> None:
    banned = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
    for path in (
        *(ROOT / "app").rglob("*.py"),
        *(ROOT / "core").rglob("*.py"),
        *(ROOT / "models").rglob("*.py"),
    ):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = {alias.name.partition(".")[0] for alias in node.names}
                modules.add((getattr(node, "module", None) or "").partition(".")[0])
                assert not modules & banned or path.relative_to(ROOT).as_posix() in OWN_FILES, path
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert called not in ("eval", "exec", "os.system"), path
                assert given.get("shell") != "True", path
                assert called != "torch.load" or given.get("weights_only") == "True", path
                assert called != "np.load" or given.get("allow_pickle", "False") == "False", path
