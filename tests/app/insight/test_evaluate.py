"""Evaluations of a dataset in MVTec form against what its images score one by one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import random_backbone
from parts import SMALL, build, parts, scratched
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from app.errors import FolderError, ImageRefused
from app.imaging.datasets import MvtecDataset
from app.imaging.folders import read_image
from app.imaging.masks import read_masks
from app.imaging.pictures import encode_png
from app.insight.evaluate import evaluate, evaluation_images
from app.inspection.engine import Engine
from core.input.mask import mask_text
from core.judging.calibration import conformal_threshold


@pytest.fixture(scope="module")
def engine() -> Engine:
    backbone = random_backbone()
    return Engine(backbone, build(parts(24), SMALL, backbone))


def put(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(image))


@pytest.fixture
def dataset(tmp_path) -> Path:
    for i, image in enumerate(parts(6, seed=1)):
        put(tmp_path / "test" / "good" / f"{i}.png", image)
    for i, image in enumerate(parts(4, seed=2)):
        y, x = 20 + 6 * i, 44 - 6 * i
        put(tmp_path / "test" / "hole" / f"{i}.png", scratched(image, y, x))
        mask = np.zeros((64, 64), np.uint8)
        mask[y - 5 : y + 5, x - 5 : x + 5] = 255
        put(tmp_path / "ground_truth" / "hole" / f"{i}_mask.png", mask)
    put(tmp_path / "test" / "dark" / "0.png", np.zeros((64, 64, 3), np.uint8))
    return tmp_path


def test_metrics_equal_those_of_another_implementation(dataset, engine):
    tests, steps = evaluation_images(MvtecDataset(dataset)), []
    found = evaluate(engine, tests, (0.05, 0.2), lambda: steps.append(1))
    scores = [engine.inspect([read_image(t.path)])[0].score for t in tests]
    labels = [t.defective for t in tests]
    assert found.scores.tolist() == pytest.approx(scores)
    assert found.names == tuple(t.name for t in tests)
    assert found.image_auroc == pytest.approx(roc_auc_score(labels, scores))
    assert found.image_aupr == pytest.approx(average_precision_score(labels, scores))
    assert len(steps) == len(tests) == 11
    assert found.ms_per_image > 0


def test_rates_are_those_of_the_thresholds_from_nominal_images_alone(dataset, engine):
    found = evaluate(engine, evaluation_images(MvtecDataset(dataset)), (0.01, 0.05, 0.2))
    few, *supported = found.at_rates
    assert (few.target, few.threshold, few.false_reject, few.detection) == (0.01, None, None, None)
    for at in supported:
        assert at.threshold == conformal_threshold(engine.bank.calibration_scores, at.target)
        above = found.scores > at.threshold
        assert at.false_reject.value == above[~found.defective].mean()
        assert at.detection.value == above[found.defective].mean()
        assert (at.false_reject.n, at.detection.n) == (6, 5)


def test_an_image_without_a_mask_counts_for_images_but_not_for_pixels(dataset, engine):
    tests = evaluation_images(MvtecDataset(dataset))
    masked = [t for t in tests if t.masks or not t.defective]
    found = evaluate(engine, tests)
    assert found.pixels == evaluate(engine, masked).pixels
    maps = [engine.inspect([read_image(t.path)])[0].heatmap for t in masked]
    masks = [read_image(t.masks[0]).any(axis=2) if t.masks else np.zeros((64, 64), bool) for t in masked]
    expected = roc_auc_score(np.concatenate(masks, axis=None), np.concatenate(maps, axis=None))
    assert found.pixels.auroc == pytest.approx(expected, abs=2e-3)


def test_without_any_mask_the_pixel_metrics_are_null(dataset, engine):
    for mask in (dataset / "ground_truth" / "hole").iterdir():
        mask.unlink()
    shown = evaluate(engine, evaluation_images(MvtecDataset(dataset))).to_json()
    assert (shown["pixel_auroc"], shown["aupro"]) == (None, None)


def test_the_json_has_the_documented_keys_and_is_json(dataset, engine):
    shown = evaluate(engine, evaluation_images(MvtecDataset(dataset))).to_json()
    assert set(shown) == {
        *("image_auroc", "image_aupr", "image_f1max", "pixel_auroc", "aupro", "aupro_without_specks"),
        *("kinds", "masks", "false_reject", "detection", "retrieval", "ms_per_image", "test_images"),
    }
    for kind in ("false_reject", "detection"):
        assert list(shown[kind]) == ["0.01", "0.05"]
        assert shown[kind]["0.01"] == {"threshold": None, "rate": None, "n": 0, "low": None, "high": None}
        at = shown[kind]["0.05"]
        assert at["low"] <= at["rate"] <= at["high"]
        assert at["n"] == (6 if kind == "false_reject" else 5)
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown


def test_kinds_of_defect_are_told_apart(dataset, engine):
    tests = evaluation_images(MvtecDataset(dataset))
    found = evaluate(engine, tests, (0.05,))
    kinds = found.to_json()["kinds"]
    assert {kind: of["images"] for kind, of in kinds.items()} == {"dark": 1, "hole": 4}
    threshold = found.at_rates[0].threshold
    assert sum(of["found"]["0.05"] for of in kinds.values()) == sum(
        score > threshold for score, label in zip(found.scores, found.labels, strict=True) if label != "good"
    )
    assert kinds["hole"]["aupro"] == pytest.approx(found.pixels.aupro)
    assert (kinds["hole"]["regions"], kinds["hole"]["specks"]) == (4, 0)
    assert kinds["dark"]["aupro"] is None


def test_defects_that_the_banks_mask_leaves_out_count_for_images_but_not_for_pixels(dataset):
    kept = np.ones((64, 64), bool)
    kept[:, 32:] = False  # the defects of images 0 to 2 are right of it, but for a few pixels of the last
    backbone = random_backbone()
    engine = Engine(backbone, build(parts(24), SMALL.changed({"input": {"mask": mask_text(kept)}}), backbone))
    found = evaluate(engine, evaluation_images(MvtecDataset(dataset)))
    assert found.masks.left_out == 10 * 64 * 32  # of six good and four marked ones
    assert found.masks.out_of_sight == ["test/hole/0.png", "test/hole/1.png"]
    assert found.pixels.defect_pixels + found.pixels.nominal_pixels == 10 * 64 * 32
    assert any("leave out 20,480 pixels" in sentence for sentence in found.warnings)


def test_masks_that_are_absent_empty_or_inverted_are_said(dataset, engine):
    drawn = dataset / "ground_truth" / "hole"
    put(drawn / "0_mask.png", np.zeros((64, 64), np.uint8))
    put(drawn / "1_mask.png", 255 - read_image(drawn / "1_mask.png")[..., 0])
    masks = evaluate(engine, evaluation_images(MvtecDataset(dataset))).masks
    assert masks.to_json() == {
        "defective": 5,
        "with_mask": 4,
        "empty": 1,
        "perhaps_inverted": 1,
        "out_of_sight": 0,
        "pixels_left_out": 0,
    }
    assert masks.warnings() == [
        "4 of 5 defective images have a mask; pixel metrics are of those only. Without one: test/dark/0.png.",
        "The masks of these defective images mark nothing: test/hole/0.png. Draw them again.",
        "These masks mark most of the image and its border: test/hole/1.png. If they mark what is good, invert them.",
    ]


def test_masks_that_all_mark_nothing_give_no_pixel_metrics(dataset, engine):
    for mask in (dataset / "ground_truth" / "hole").iterdir():
        put(mask, np.zeros((64, 64), np.uint8))
    assert evaluate(engine, evaluation_images(MvtecDataset(dataset))).pixels is None


FAULTS = Path(__file__).parents[4] / "shared/data/faults"


@pytest.mark.skipif(not FAULTS.is_dir(), reason="needs ../shared/data/faults")
@pytest.mark.parametrize("name", ["mask16", "mask_jpg", "mask_partly"])
def test_masks_of_any_depth_and_suffix_count(name):
    tests = evaluation_images(MvtecDataset(FAULTS / name))
    defective = [test for test in tests if test.defective]
    assert len(defective) == 2
    for test in defective:
        shape = read_image(test.path).shape[:2]
        assert 0 < read_masks(test.masks, shape).mean() < 0.5


def test_test_images_that_leave_their_highest_bits_unused_are_named(engine: Engine, dataset: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 4000, (64, 64)).astype(np.uint16)
    Image.fromarray(pixels).save(dataset / "test" / "good" / "mono12.png")
    found = evaluate(engine, evaluation_images(MvtecDataset(dataset)))
    assert found.dark == ("test/good/mono12.png",)
    assert found.warnings[0].startswith("1 of ")
    assert "test/good/mono12.png. Build with --significant-bits" in found.warnings[0]


def test_a_bad_test_image_is_named(dataset, engine):
    (dataset / "test" / "good" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ImageRefused, match=r"3\.png"):
        evaluate(engine, evaluation_images(MvtecDataset(dataset)))


def test_a_mask_of_another_size_is_named(dataset, engine):
    put(dataset / "ground_truth" / "hole" / "2_mask.png", np.zeros((40, 30), np.uint8))
    with pytest.raises(FolderError, match=r"2_mask\.png"):
        evaluate(engine, evaluation_images(MvtecDataset(dataset)))


@pytest.mark.parametrize(
    ("missing", "received"), [("good", "0 good and 5 defective"), ("hole", "6 good and 0")]
)
def test_a_test_set_without_one_class_is_refused_before_any_work(missing, received, dataset):
    gone = [missing] if missing == "good" else ["hole", "dark"]
    for name in gone:
        for path in (dataset / "test" / name).iterdir():
            path.unlink()
        (dataset / "test" / name).rmdir()
    with pytest.raises(FolderError, match=received):
        evaluation_images(MvtecDataset(dataset))


def test_a_bank_of_identical_images_can_be_evaluated(dataset):
    backbone = random_backbone()
    bank = build([parts(1)[0]] * 24, replace(SMALL, coreset_ratio=1.0), backbone)
    found = evaluate(Engine(backbone, bank), evaluation_images(MvtecDataset(dataset)))
    assert found.at_rates[1].detection.n == 5
    assert 0 <= found.image_auroc <= 1
