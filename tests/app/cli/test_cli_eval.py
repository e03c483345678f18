"""``nominal eval``: a dataset in MVTec form, its metrics as JSON, what it refuses before any work."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from parts import parts, scratched

from app.imaging.pictures import encode_png
from core.bank import load_bank

pytest_plugins = ("command_line",)

KEYS = {
    *("image_auroc", "image_aupr", "image_f1max", "pixel_auroc", "aupro", "false_reject", "detection"),
    *("build_seconds", "ms_per_image", "peak_memory_mb", "bank_vectors", "backbone", "size", "seed"),
}


def put(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(image))


@pytest.fixture
def dataset(tmp_path) -> Path:
    root = tmp_path / "set"
    for i, image in enumerate(parts(20)):
        put(root / "train" / "good" / f"{i}.png", image)
    for i, image in enumerate(parts(6, seed=1)):
        put(root / "test" / "good" / f"{i}.png", image)
        put(root / "test" / "hole" / f"{i}.png", scratched(image, 15 + 6 * i, 40, 16))
        put(
            root / "ground_truth" / "hole" / f"{i}_mask.png",
            scratched(np.full((64, 64), 255, np.uint8), 0, 0),
        )
    return root


def test_json_has_every_documented_key(nominal, tiny, dataset):
    found = nominal(
        "eval",
        dataset,
        *tiny,
        "--size",
        64,
        "--coreset-ratio",
        0.1,
        "--min-bank-vectors",
        0,
        "--seed",
        3,
        "--json",
    ).json
    assert set(found) >= KEYS
    assert (found["backbone"], found["size"], found["seed"], found["bank_vectors"]) == ("tiny", 64, 3, 128)
    assert found["form"] == "MVTec AD or MPDD"
    assert found["image_auroc"] == 1
    assert found["build_seconds"] > 0
    assert found["ms_per_image"] > 0
    assert found["peak_memory_mb"] > 50
    assert found["false_reject"]["0.01"]["threshold"] is None
    for kind in ("false_reject", "detection"):
        at = found[kind]["0.05"]
        assert {"threshold", "rate", "n"} <= set(at)
        assert at["n"] == 6


def test_what_a_dataset_holds_besides_images_is_said_with_counts(nominal, tiny, dataset):
    for name in (
        "train/good/@eaDir/0.png",
        "train/good/@eaDir/1.png",
        "test/hole/notes.txt",
        "test/hole/2.tga",
    ):
        (dataset / name).parent.mkdir(exist_ok=True)
        (dataset / name).write_bytes(b"words")
    ended = nominal("eval", dataset, *tiny, "--size", 64, "--json")
    hidden = "hidden, or kept by a system for itself"
    assert f"Not read, 2 files: train/good/@eaDir/ ({hidden})." in ended.err
    other = "not an image of a kind that is read"
    assert f"Not read, 2 files: test/hole/2.tga, test/hole/notes.txt ({other})." in ended.err
    assert ended.json["test_images"] == 12


def test_a_set_of_another_form_is_evaluated_and_the_form_is_said(nominal, tiny, dataset):
    shutil.move(dataset / "train" / "good", dataset / "train" / "ok")
    shutil.move(dataset / "test" / "good", dataset / "test" / "ok")
    ended = nominal("eval", dataset, *tiny, "--size", 64, "--json")
    assert "Read as BTAD: 20 good images to learn, 6 good and 6 defective to test." in ended.err
    assert (ended.json["form"], ended.json["image_auroc"], ended.json["kinds"]["hole"]["images"]) == (
        "BTAD",
        1,
        6,
    )


def test_a_rate_the_set_does_not_support_is_said_and_its_metrics_are_null(nominal, tiny, dataset):
    ended = nominal("eval", dataset, *tiny, "--size", 64, "--json")
    assert "20 nominal images support a false-reject rate of 4.77% at best; 1.00% was asked" in ended.err
    assert ended.json["detection"]["0.01"] == {
        "threshold": None,
        "rate": None,
        "n": 0,
        "low": None,
        "high": None,
    }


def test_a_supported_rate_other_than_the_usual_is_reported_too(nominal, tiny, dataset):
    ended = nominal("eval", dataset, *tiny, "--size", 64, "--target-false-reject", 0.25, "--json")
    assert set(ended.json["detection"]) == {"0.01", "0.05", "0.25"}
    assert "at best" not in ended.err


def test_without_masks_the_pixel_metrics_are_null(nominal, tiny, dataset):
    shutil.rmtree(dataset / "ground_truth")
    ended = nominal("eval", dataset, *tiny, "--size", 64, "--json")
    assert (ended.json["pixel_auroc"], ended.json["aupro"]) == (None, None)
    assert nominal("eval", dataset, *tiny, "--size", 64).out.count("no masks") == 2


def test_a_given_bank_is_evaluated_as_it_is(nominal, tiny, dataset, tmp_path):
    out = tmp_path / "part.bank"
    nominal(
        "build", dataset / "train" / "good", "--out", out, *tiny, "--size", 96, "--target-false-reject", 0.1
    )
    before = out.read_bytes()
    found = nominal("eval", dataset, "--bank", out, *tiny[2:], "--json").json
    assert (found["build_seconds"], found["size"]) == (None, 96)
    assert found["bank_vectors"] == len(load_bank(out).vectors)
    assert out.read_bytes() == before


def test_the_table_says_what_the_json_says(nominal, tiny, dataset):
    shown = nominal("eval", dataset, *tiny, "--size", 64).out
    lines = {" ".join(line.split()[:2]): line for line in shown.splitlines()}
    assert lines["image auroc"].split()[-1] == "1.0000"
    assert "not supported by so few nominal images" in shown
    assert "of 6 defective detected" in shown


BROKEN = {
    "neither train nor test": (["train", "test"], "MVTec form"),
    "no nominal training images": (["train"], "train/good"),
    "no test images": (["test"], "test"),
    "no defective images": (["test/hole"], "received 6 good and 0 defective"),
    "no good test images": (["test/good"], "received 0 good and 6 defective"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_folder_in_another_form_is_refused_before_any_work(kind, nominal, dataset):
    gone, reason = BROKEN[kind]
    for folder in gone:
        shutil.rmtree(dataset / folder)
    ended = nominal("eval", dataset, "--backbone", "nonesuch", "--json")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("FolderError: ")
    assert reason in ended.err


@pytest.mark.parametrize("place", ["train/good/3.png", "test/hole/2.png", "ground_truth/hole/2_mask.png"])
def test_a_bad_image_anywhere_is_named(place, nominal, tiny, dataset):
    (dataset / place).write_bytes((dataset / place).read_bytes()[:-20])
    ended = nominal("eval", dataset, *tiny, "--size", 64, "--json")
    assert (ended.status, ended.out) == (1, "")
    assert "Traceback" not in ended.err
    last = ended.err.splitlines()[-1]
    assert last.startswith("ImageCorrupt: ")
    assert place in last


def test_bad_images_are_skipped_by_option_and_named(nominal, tiny, dataset):
    places = ["train/good/3.png", "test/hole/2.png", "ground_truth/hole/4_mask.png"]
    for place in places:
        (dataset / place).write_bytes((dataset / place).read_bytes()[:-20])
    ended = nominal("eval", dataset, *tiny, "--size", 64, "--skip-bad", "--json")
    assert (ended.json["test_images"], ended.json["nominal_images"]) == (10, 19)
    assert ended.json["kinds"]["hole"]["images"] == 4
    skipped = [line for line in ended.err.splitlines() if line.startswith("Skipped ")]
    assert len(skipped) == 3
    assert all(any(place in line for line in skipped) for place in places)


def test_kinds_of_defect_are_shown_in_the_terminal(nominal, tiny, dataset):
    ended = nominal("eval", dataset, *tiny, "--size", 64, "--target-false-reject", 0.1)
    assert re.search(r"hole +6 images, detected at 5\.00%: \d, 10\.00%: \d; AUPRO [\d.]+", ended.out)


def test_test_images_of_parts_that_train_holds_are_named_and_rates_count_parts(nominal, tiny, dataset):
    for i in range(4):
        for shot in range(2):
            shutil.copy(dataset / f"train/good/{i}.png", dataset / f"test/good/again{i}_{shot}.png")
    ended = nominal("eval", dataset, *tiny, "--size", 64, "--json")
    warned = re.search(r"(\d+) of 20 test images show \d+ parts that train/good shows too", ended.err)
    assert warned, ended.err
    assert int(warned[1]) >= 8  # the copies; drawn parts are alike
    at = ended.json["false_reject"]["0.05"]
    assert at["n"] == 14
    assert at["parts"] <= 10
    assert "train/good shows too" not in nominal("eval", dataset, *tiny, "--size", 64, "--groups", "none").err


def test_groups_of_a_dataset_are_taken_from_a_table_of_all_its_images(nominal, tiny, dataset, tmp_path):
    names = [
        p.relative_to(dataset).as_posix() for p in sorted(dataset.rglob("*.png")) if "_mask" not in p.name
    ]
    lines = [f"{name},{'shared' if name.endswith('good/3.png') else name}" for name in names]
    table = tmp_path / "parts.csv"
    table.write_text("\n".join(lines))
    ended = nominal("eval", dataset, *tiny, "--size", 64, "--groups", table, "--json")
    assert "1 of 12 test images show 1 part that train/good shows too" in ended.err
    table.write_text("\n".join(lines[1:]))
    refused = nominal("eval", dataset, *tiny, "--groups", table)
    assert refused.status == 1
    assert "GroupsFileError" in refused.err


def test_groups_count_for_a_finished_bank_too_with_the_table_of_the_whole_dataset(
    nominal, tiny, dataset, tmp_path
):
    bank, table = tmp_path / "bank.nominal", tmp_path / "parts.csv"
    quick = ("--size", 64, "--groups", "none", "--target-false-reject", 0.1)
    built = nominal("build", dataset / "train/good", "--out", bank, *tiny, *quick)
    assert built.status == 0, built.err
    names = [
        p.relative_to(dataset).as_posix() for p in sorted(dataset.rglob("*.png")) if "_mask" not in p.name
    ]
    good = [name for name in names if name.startswith("test/good")]
    table.write_text("\n".join(f"{name},{'one' if name in good[:2] else name}" for name in names))
    ended = nominal("eval", dataset, "--bank", bank, *tiny[2:], "--groups", table, "--json")
    assert ended.status == 0, ended.err
    assert "train/good shows too" not in ended.err
    at = ended.json["false_reject"]["0.05"]
    assert (at["n"], at["parts"]) == (len(good), len(good) - 1)
    shutil.rmtree(dataset / "train")
    refused = nominal("eval", dataset, "--bank", bank, *tiny[2:], "--groups", table)
    assert "GroupsFileError" in refused.err
