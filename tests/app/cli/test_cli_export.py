"""``nominal export``: its file scores as ``nominal inspect``, by the example of docs/export.md, or is not there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parts import SMALL, build, parts, scratched
from PIL import Image

from app.inspection.export import FOLLOWED
from core.bank import Bank, Conformance, load_bank, save_bank
from core.config import DetectorConfig
from core.declared import all_settings
from core.input.mask import mask_text
from models import exchange

pytest_plugins = ("command_line",)

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
FORMATS = [
    "openvino",
    pytest.param(
        "onnx",
        marks=pytest.mark.skipif(
            not (find_spec("onnx") and find_spec("onnxruntime")), reason="the extra export is not installed"
        ),
    ),
]
SUFFIX = {"openvino": ".xml", "onnx": ".onnx"}
Run = Callable[..., Any]


def example() -> str:
    found = re.search(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def detected(file: Path, images: list[Path]) -> dict[str, tuple[float, str, float, float]]:
    """Of each image its score, decision and highest place, as the example prints them in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-", file, *images], input=example(), capture_output=True, text=True, check=True
    )
    rows = (line.split() for line in done.stdout.splitlines())
    return {path: (float(score), decision, float(x), float(y)) for path, score, decision, x, y in rows}


def photographs(folder: Path) -> list[Path]:
    """A good part, a scratched one, and the latter in other shapes, depths and encodings."""
    good, bad = parts(1, (70, 97), seed=8)[0], scratched(parts(1, (70, 97), seed=9)[0], 30, 60, 16)
    large = np.repeat(np.repeat(bad[:64, :96], 4, axis=0), 4, axis=1)  # 256 x 384
    Image.fromarray(good).save(folder / "good.png")
    Image.fromarray(bad).save(folder / "bad.png")
    Image.fromarray(bad[:, :64]).save(folder / "narrow.png")
    Image.fromarray(np.dstack([bad, good[..., 0]])).save(folder / "alpha.png")
    Image.fromarray(bad[..., 0].astype(np.uint16) << 4).save(folder / "twelve.png")
    Image.fromarray(large).save(folder / "large.jpg", quality=90)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(bad).save(folder / "turned.jpg", quality=90, exif=exif)
    return sorted(folder.iterdir())


@pytest.fixture
def exported(nominal: Run, tiny, tmp_path) -> Callable[[Bank, str], tuple[Path, Path]]:
    """A bank's file and what is exported of it."""

    def run(bank: Bank, format: str) -> tuple[Path, Path]:
        save_bank(bank, tmp_path / "part.bank")
        found = nominal("export", tmp_path / "part.bank", "--format", format, *tiny[2:], "--json").json
        assert (found["format"], found["images"]) == (format, 3)
        assert max(found["score_difference"], found["map_difference"]) < 1e-4
        assert found["bytes"] == sum(Path(file).stat().st_size for file in found["files"])
        assert min(found["file_milliseconds"], found["nominal_milliseconds"]) > 0
        return tmp_path / "part.bank", tmp_path / f"part{SUFFIX[format]}"

    return run


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"input": {"fit": "short_side", "significant_bits": 12, "grey": True}, "reweight": True},
        {"input": {"fit": "letterbox", "reduced_jpeg": True}, "score": "map"},
    ],
    ids=["stretch", "short_side", "letterbox"],
)
def test_the_example_scores_as_nominal_inspects(nominal, tiny, exported, tmp_path, format, change):
    config = SMALL.changed(change)
    bank, file = exported(build(parts(12, (70, 97)), config), format)
    (folder := tmp_path / "photographs").mkdir()
    images = photographs(folder)
    found = detected(file, images)
    for answer in nominal("inspect", bank, *images, *tiny[2:], "--json").json["inspections"]:
        score, decision, x, y = found[answer["image"]]
        assert score == pytest.approx(answer["score"], rel=0.01), answer["image"]
        if abs(answer["score"] / answer["threshold_reject"] - 1) > 0.01:
            assert decision == answer["decision"]
        if decision == "reject":
            with Image.open(answer["image"]) as image:
                turned = image.getexif().get(0x0112) == 6
                width, height = image.size[::-1] if turned else image.size
            worst = answer["regions"][0]
            assert (x, y) == pytest.approx((worst["peak_x"] / width, worst["peak_y"] / height), abs=0.04)
    assert {decision for _, decision, _, _ in found.values()} == {"accept", "reject"}


def test_the_example_has_at_most_forty_lines():
    assert len(example().splitlines()) <= 40


@pytest.mark.parametrize("format", FORMATS)
def test_the_file_says_how_it_is_used(exported, format):
    bank, file = exported(build(parts(12), SMALL.changed({"input": {"crop": 32}})), format)
    if format == "onnx":
        import onnxruntime

        text = onnxruntime.InferenceSession(file).get_modelmeta().custom_metadata_map["nominal"]
    else:
        text = exchange.import_openvino().Core().read_model(file).get_rt_info("nominal").value
    facts = json.loads(text)
    assert DetectorConfig.from_json(facts["config"]) == load_bank(bank).config
    assert facts["backbone"]["digest"] == load_bank(bank).backbone.digest
    assert (facts["picture"]["size"], facts["picture"]["crop"], facts["tolerance"]) == (64, 32, 0.02)
    assert [name for name in facts if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_out_of_tolerance_is_deleted(nominal, tiny, tmp_path, format):
    bank = build(parts(12))
    off = replace(bank.conformance, scores=bank.conformance.scores * np.float32(1.05))
    save_bank(replace(bank, conformance=off), tmp_path / "part.bank")
    ended = nominal("export", tmp_path / "part.bank", "--format", format, *tiny[2:])
    assert ended.status == 1
    assert ended.err.startswith("BankMismatch: The exported file's scores of the conformance images")
    assert "a difference of 4.76%" in ended.err
    assert [file.name for file in tmp_path.iterdir()] == ["part.bank"]


def test_a_bank_that_cannot_be_proven_is_refused(nominal, tiny, tmp_path):
    save_bank(replace(build(parts(12)), conformance=Conformance()), tmp_path / "part.bank")
    ended = nominal("export", tmp_path / "part.bank", "--format", "openvino", *tiny[2:])
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("BankError: An export is proven on the bank's conformance images")


def test_every_later_setting_is_followed_or_refused_by_name(nominal, tiny, tmp_path):
    later = {each.key for each in all_settings(DetectorConfig) if each.later}
    assert later >= FOLLOWED
    refused = {
        "input.mask",
        *(each.key for each in all_settings(DetectorConfig) if each.part == "registration"),
    }
    assert later - FOLLOWED == refused
    mask = np.ones((64, 64), bool)
    mask[:16] = False
    config = SMALL.changed({"input": {"mask": mask_text(mask)}})
    save_bank(build(parts(12), config), tmp_path / "part.bank")
    ended = nominal("export", tmp_path / "part.bank", "--format", "openvino", *tiny[2:])
    assert (ended.status, ended.out) == (1, "")
    assert "received a bank with input.mask" in ended.err


def test_a_format_whose_packages_are_absent_is_named(nominal, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(exchange, "find_spec", lambda name: None if name == "onnxruntime" else object())
    ended = nominal("export", tmp_path / "part.bank", "--format", "onnx", *tiny[2:])
    assert ended.status == 1
    assert "received no onnxruntime. Install nominal-inspection[export]" in ended.err


@pytest.mark.parametrize(
    "words", [("--format", "tflite"), (), ("--format", "openvino", "--out", "part.onnx")]
)
def test_bad_options_are_refused_before_any_work(nominal, tmp_path, words):
    assert nominal("export", tmp_path / "part.bank", *words).status == 2


def test_a_detector_too_large_for_one_onnx_file_is_refused(nominal, tiny, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    monkeypatch.setattr(exchange, "LARGEST_ONNX", 1000)
    save_bank(build(parts(12)), tmp_path / "part.bank")
    ended = nominal("export", tmp_path / "part.bank", "--format", "onnx", *tiny[2:])
    assert ended.status == 1
    assert "An ONNX file must hold at most 1,000 bytes" in ended.err
