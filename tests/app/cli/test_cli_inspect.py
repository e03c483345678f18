"""``nominal inspect``: answers, maps, bad images among good ones, banks that cannot be believed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import random_backbone, tiny_weights
from parts import SMALL, build, parts, scratched
from PIL import Image
from safetensors.torch import save_file

from app.cli.console import map_names
from app.imaging.folders import read_image, read_photograph
from app.imaging.pictures import encode_jpeg, encode_png
from app.inspection.engine import Engine
from core.bank import bank_bytes, load_bank, save_bank
from core.config import InputConfig

pytest_plugins = ("command_line",)

TESTS = Path(__file__).resolve().parents[2]
SHAPE = (80, 100)


@pytest.fixture(scope="module")
def content() -> bytes:
    return bank_bytes(build(parts(12, SHAPE)))


@pytest.fixture
def bank(tmp_path, content) -> Path:
    path = tmp_path / "part.bank"
    path.write_bytes(content)
    return path


@pytest.fixture
def new(tmp_path) -> Path:
    """A good part and one with a hole."""
    folder = tmp_path / "new"
    folder.mkdir()
    image = parts(1, SHAPE, seed=4)[0]
    (folder / "good.png").write_bytes(encode_png(image))
    (folder / "hole.png").write_bytes(encode_png(scratched(image, 50, 30, 20)))
    return folder


def test_a_name_of_244_bytes_keeps_its_result_and_its_maps(nominal, bank, new, weights, tmp_path):
    names = ["é" * 120 + ".png", "é" * 120 + "2.png"]
    for name, of in zip(names, ("good.png", "hole.png"), strict=True):
        (new / of).rename(new / name)
    maps = tmp_path / "maps"
    ended = nominal("inspect", bank, *(new / name for name in names), *weights, "--heatmaps", maps, "--json")
    assert [answer["decision"] for answer in ended.json["inspections"]] == ["accept", "reject"]
    assert len(list(maps.iterdir())) == 4


def test_maps_that_cannot_be_written_leave_the_decision(nominal, bank, new, weights, tmp_path):
    maps = tmp_path / "maps"
    (maps / "hole_overlay.png").mkdir(parents=True)
    images = (new / "hole.png", new / "good.png")
    ended = nominal("inspect", bank, *images, *weights, "--heatmaps", maps, "--json")
    hole, good = json.loads(ended.out)["inspections"]
    assert ended.status == 1
    assert (hole["decision"], "overlay" in hole) == ("reject", False)
    assert hole["error"].startswith("Its maps could not be written: ")
    assert (good["decision"], "error" in good) == ("accept", False)
    shown = nominal("inspect", bank, *images, *weights, "--heatmaps", maps)
    assert "reject" in shown.out
    assert "Its maps could not be written" in shown.err


@pytest.fixture
def weights(tiny) -> tuple[str, ...]:
    return tiny[2:]


def test_answers_are_those_of_the_engine(nominal, weights, bank, new):
    images = [new / "good.png", new / "hole.png"]
    found = nominal("inspect", bank, *images, *weights, "--json").json
    assert found["bank"] == str(bank)
    expected = Engine(random_backbone(), load_bank(bank)).inspect([read_image(i) for i in images])
    for answer, path, engine in zip(found["inspections"], images, expected, strict=True):
        assert (answer["image"], answer["score"]) == (str(path), engine.score)
        assert answer["decision"] == engine.decision
        assert answer["threshold_reject"] == answer["threshold_review"] == engine.thresholds.reject
        assert [r["area"] for r in answer["regions"]] == [r.area for r in engine.regions]
        assert answer["nearest"]["image"] == engine.nearest.image
        assert set(answer["milliseconds"]) == {"preprocess", "features", "search", "map"}
    assert [a["decision"] for a in found["inspections"]] == ["accept", "reject"]


def test_the_table_names_every_image_with_its_decision(nominal, weights, bank, new):
    ended = nominal("inspect", bank, new / "good.png", new / "hole.png", *weights)
    assert ended.status == 0
    lines = {line.split()[0]: line for line in ended.out.splitlines()}
    assert " accept " in lines["good.png"]
    assert " reject " in lines["hole.png"]


def test_maps_are_written_whole_in_score_units_at_the_original_size(nominal, weights, bank, new, tmp_path):
    out = tmp_path / "deep" / "maps"
    answer = nominal("inspect", bank, new / "hole.png", "--heatmaps", out, *weights, "--json").json[
        "inspections"
    ][0]
    assert sorted(p.name for p in out.iterdir()) == ["hole_map.npy", "hole_overlay.png"]
    heat = np.load(answer["map"], allow_pickle=False)
    assert (heat.shape, heat.dtype) == ((80, 100), np.float32)
    assert heat.max() == pytest.approx(answer["regions"][0]["peak"])
    with Image.open(answer["overlay"]) as overlay:
        assert overlay.size == (100, 80)


def test_large_jpeg_is_learnt_and_inspected_at_a_fraction_of_its_scale_and_drawn_on_whole(
    nominal, tiny, weights, tmp_path
):
    folder, out = tmp_path / "good", tmp_path / "jpeg.bank"
    folder.mkdir()
    for i, image in enumerate(parts(9, (256, 256))):
        (folder / f"{i}.jpg").write_bytes(encode_jpeg(image))
    options = ("--size", 64, "--reduced-jpeg", "--target-false-reject", 0.2, "--groups", "none")
    assert nominal("build", folder, "--out", out, *tiny, *options).status == 0
    hole = tmp_path / "hole.jpg"
    hole.write_bytes(encode_jpeg(scratched(parts(1, (256, 256), seed=4)[0], 130, 60, 60)))
    bank = load_bank(out)
    photographs = [read_photograph(path, bank.config.input) for path in (folder / "0.jpg", hole)]
    assert [photograph.reduced for photograph in photographs] == [2, 2]
    assert np.array_equal(bank.conformance.images[0], photographs[0].pixels)
    expected = Engine(random_backbone(), bank).inspect(photographs)
    (answer,) = nominal("inspect", out, hole, "--heatmaps", tmp_path / "maps", *weights, "--json").json[
        "inspections"
    ]
    assert (answer["score"], answer["decision"]) == (expected[1].score, "reject")
    assert np.array_equal(np.load(answer["map"]), expected[1].heatmap)
    with Image.open(answer["overlay"]) as overlay:
        assert overlay.size == (256, 256)
    assert nominal("show", out, "--json").json["reduced_jpeg"] is True


def test_images_of_the_same_name_in_different_folders_keep_their_own_maps(
    nominal, weights, bank, new, tmp_path
):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "hole.png").write_bytes((new / "good.png").read_bytes())
    images = [new / "hole.png", tmp_path / "b" / "hole.png"]
    answers = nominal("inspect", bank, *images, "--heatmaps", tmp_path / "maps", *weights, "--json").json[
        "inspections"
    ]
    maps = [np.load(a["map"]) for a in answers]
    assert len(list((tmp_path / "maps").iterdir())) == 4
    assert maps[0].max() > 1.5 * maps[1].max()


def test_no_two_images_share_the_name_of_their_maps():
    paths = ["a/x.png", "b/x.png", "x.jpg", "x-2.png", "X.png", "c/x-2-2.png", "y.png"]
    names = map_names([Path(p) for p in paths])
    assert names[0] == "x"
    assert names[-1] == "y"
    assert len({name.casefold() for name in names}) == len(paths)


def test_one_bad_image_is_named_and_the_others_answered(nominal, weights, bank, new, tmp_path):
    (new / "bad.png").write_bytes((new / "good.png").read_bytes()[:200])
    images = [new / "good.png", new / "bad.png", new / "absent.png", new / "hole.png"]
    ended = nominal("inspect", bank, *images, "--heatmaps", tmp_path / "maps", *weights, "--json")
    assert ended.status == 1
    answers = json.loads(ended.out)["inspections"]
    assert [a.get("decision", "refused") for a in answers] == ["accept", "refused", "refused", "reject"]
    for answer, path in zip(answers, images, strict=True):
        assert answer["image"] == str(path)
        if "error" in answer:
            assert str(path) in answer["error"]
            assert f"{path}: {answer['error']}" in ended.err
    assert sorted(p.name for p in (tmp_path / "maps").iterdir()) == sorted(
        f"{name}_{kind}" for name in ("good", "hole") for kind in ("map.npy", "overlay.png")
    )
    assert nominal("inspect", bank, *images, *weights).out.count("refused") == 2


def test_a_folder_stands_for_its_images_and_what_is_left_out_of_it_is_named(
    nominal, weights, bank, new, tmp_path
):
    (new / "@eaDir").mkdir()
    (new / "@eaDir" / "good.png").write_bytes((new / "good.png").read_bytes())
    (new / "notes.txt").write_text("taken on Monday")
    ended = nominal("inspect", bank, new, *weights, "--json")
    assert [a["image"] for a in ended.json["inspections"]] == [str(new / "good.png"), str(new / "hole.png")]
    assert f"{new}: Not read, 1 file: @eaDir/" in ended.err
    assert f"{new}: Not read, 1 file: notes.txt" in ended.err
    empty = tmp_path / "empty"
    empty.mkdir()
    refused = nominal("inspect", bank, empty, *weights)
    assert refused.status == 1
    assert "A folder must hold at least one image" in refused.err


def test_an_image_that_does_not_fit_the_banks_input_is_refused_alone(nominal, weights, new, tmp_path):
    bank = tmp_path / "short.bank"
    save_bank(build(parts(6), replace(SMALL, input=InputConfig(64, "short_side"))), bank)
    (new / "long.png").write_bytes(encode_png(np.zeros((16, 800, 3), np.uint8)))
    ended = nominal("inspect", bank, new / "long.png", new / "good.png", *weights, "--json")
    long, good = json.loads(ended.out)["inspections"]
    assert ended.status == 1
    assert "use fit letterbox" in long["error"].lower()
    assert "score" in good


@pytest.mark.parametrize("name", ["part[1].png", "[red]part.png", "[bold]", "x\x1b[2Jy.png"])
def test_a_name_is_shown_as_it_is(name, nominal, weights, bank, new):
    path = new / name
    path.write_bytes(encode_jpeg(parts(1)[0]))
    ended = nominal("inspect", bank, path, *weights)
    assert ended.status == 0
    assert "\x1b" not in ended.out
    assert path.name.replace("\x1b", "\\x1b") in ended.out


def test_a_folder_of_maps_that_cannot_be_made_is_refused_before_any_work(nominal, bank, new, tmp_path):
    (tmp_path / "file").write_bytes(b"kept")
    ended = nominal("inspect", bank, new / "good.png", "--heatmaps", tmp_path / "file" / "maps")
    assert (ended.status, ended.out) == (1, "")
    assert re.match(
        r"\w+Error: The system must let a file be read or written; received .*file.*\. Check", ended.err
    )


# Banks that cannot be believed


def edited(content: bytes) -> bytes:
    middle = len(content) - 1000
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


BANKS = {
    "truncated": (lambda content: content[:-7], "BankCorrupt", "truncated"),
    "cut in its header": (lambda content: content[:100], "BankCorrupt", "truncated"),
    "edited": (edited, "BankCorrupt", "sha256"),
    "newer": (
        lambda c: re.sub(rb'"version":"\d"', b'"version":"9"', c, count=1),
        "BankFormatTooNew",
        "update Nominal",
    ),
    "hostile": (lambda c: b"\xff" * 7 + b"\x7f" + c[8:], "BankHostile", "at most"),
    "of huge shapes": (lambda c: c.replace(b'"shape":[', b'"shape":[99999999,', 1), "Bank", "must"),
    "no bank": (lambda c: encode_png(parts(1)[0]), "BankCorrupt", "safetensors"),
    "empty": (lambda c: b"", "BankCorrupt", "0 bytes"),
}


@pytest.mark.parametrize("kind", BANKS)
@pytest.mark.parametrize("command", ["inspect", "show", "eval"])
def test_a_bank_that_does_not_hold_is_refused(kind, command, nominal, bank, new, content):
    change, error, reason = BANKS[kind]
    bank.write_bytes(change(content))
    (new / "train" / "good").mkdir(parents=True)
    for name in ("good", "hole"):
        (new / "test" / name).mkdir(parents=True)
        (new / "test" / name / "0.png").write_bytes((new / f"{name}.png").read_bytes())
    words = {"inspect": (bank, new / "good.png"), "show": (bank,), "eval": (new, "--bank", bank)}[command]
    ended = nominal(command, *words, "--json")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith(error)
    assert reason.lower() in ended.err.lower()
    assert re.match(r"\w+: .+; received .+\. .+\.\n$", ended.err)


@pytest.mark.parametrize("place", ["absent.bank", "."])
def test_a_bank_that_is_no_file_is_refused(place, nominal, new, tmp_path):
    ended = nominal("inspect", tmp_path / place, new / "good.png")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("BankError: A bank must be a readable file; received ")


def test_other_weights_than_the_banks_are_refused(nominal, tiny, bank, new, tmp_path):
    save_file(tiny_weights(seed=1).tensors, tmp_path / "other.safetensors")
    ended = nominal("inspect", bank, new / "good.png", "--weights", tmp_path / "other.safetensors", "--json")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("BankMismatch: The bank needs tiny with weights ")


def test_a_bank_of_a_backbone_that_is_not_in_the_table_is_refused(nominal, bank, new):
    ended = nominal("inspect", bank, new / "good.png")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("UnknownBackbone: ")


def test_no_image_at_all_is_a_usage_error(nominal, bank):
    assert nominal("inspect", bank).status == 2


def test_names_that_are_no_text_neither_stop_the_answers_nor_print_a_traceback(bank, weights, new, tmp_path):
    """In a process of its own, whose output must really be encoded."""
    odd = os.fsencode(new) + b"/part-\xff.png"
    Path(os.fsdecode(odd)).write_bytes((new / "good.png").read_bytes())
    program = f"import sys; sys.path[:0] = [{str(TESTS)!r}]; from fakes import tiny_spec; "
    program += "from models.spec import SPECS; SPECS['tiny'] = tiny_spec(); from app.cli import main; main()"
    words = [
        sys.executable,
        "-c",
        program,
        "inspect",
        str(bank),
        odd,
        "--heatmaps",
        str(tmp_path / "maps"),
        *weights,
    ]
    shown = subprocess.run(words, capture_output=True, cwd=TESTS.parent)
    assert (shown.returncode, b"Traceback" in shown.stderr) == (0, False)
    assert rb"part-\udcff.png" in shown.stdout
    assert len(list((tmp_path / "maps").iterdir())) == 2
