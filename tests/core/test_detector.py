"""The detector against a naive float64 PatchCore; thresholds and conformance of a bank."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import oracle
import pytest
import torch
from fakes import random_backbone
from parts import SMALL, build, parts, scratched

from core.config import DetectorConfig, InputConfig, PatchConfig
from core.detector import (
    check_backbone,
    check_conformance,
    detect,
    map_threshold_of,
    thresholds_of,
)
from core.errors import BankMismatch, TooFewNominalImages
from core.input.preprocess import to_tensor
from core.judging.heatmap import map_scores
from core.judging.scoring import Thresholds

CONFIGS = {
    "as it comes": SMALL,
    "letterbox": replace(SMALL, input=InputConfig(64, "letterbox")),
    "a crop": replace(SMALL, input=InputConfig(96, "stretch", 64)),
    "stride 2": replace(SMALL, patch=PatchConfig(stride=2), coreset_ratio=0.3),
    "patch size 5": replace(SMALL, patch=PatchConfig(size=5)),
}


@pytest.fixture(scope="module")
def backbone():
    return random_backbone()


def tensors(images, config, backbone):
    return torch.stack([to_tensor(x, config.input, backbone.spec.mean, backbone.spec.std) for x in images])


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("reweight", [False, True])
def test_scores_equal_a_naive_float64_patchcore(name, reweight, backbone):
    config = replace(CONFIGS[name], reweight=reweight)
    bank = build(parts(5, (70, 90)), config, backbone)
    images = [*parts(2, (70, 90), seed=1), scratched(parts(1, (70, 90))[0], 40, 50)]
    found = detect(tensors(images, config, backbone), backbone, bank)
    for i, image in enumerate(images):
        vectors, grid = oracle.patches(image, config, backbone)
        naive = oracle.reweighted_score if reweight else oracle.score
        assert found.grid == grid
        assert found.scores[i] == pytest.approx(naive(vectors, bank.vectors), rel=1e-4)
        np.testing.assert_allclose(
            found.distances[i], oracle.apart(vectors, bank.vectors).min(axis=1), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("reweight", [False, True])
@pytest.mark.parametrize("labels", [None, [0, 1, 0, 2, 2, 0]])
def test_calibration_scores_equal_naive_ones_on_the_bank_without_that_part(labels, reweight, backbone):
    config, images = replace(SMALL, reweight=reweight), parts(6)
    bank = build(images, config, backbone, groups=labels)
    naive = oracle.reweighted_score if reweight else oracle.score
    vectors, _ = zip(*(oracle.patches(image, config, backbone) for image in images), strict=True)
    groups = np.arange(6) if labels is None else np.array(labels)
    row, column, image = bank.provenance.row, bank.provenance.column, bank.provenance.image
    points, owner = np.concatenate(vectors), np.repeat(groups, len(vectors[0]))
    kept = image * len(vectors[0]) + row * 8 + column
    for i, score in enumerate(bank.calibration_scores):
        put_in = oracle.substitutes(points, owner, kept, groups[i])
        held_out = np.concatenate([bank.vectors[groups[image] != groups[i]], points[put_in]])
        assert len(held_out) == len(bank.vectors)
        assert score == pytest.approx(naive(vectors[i], held_out), rel=1e-4)


@pytest.mark.parametrize("name", ["as it comes", "letterbox", "a crop"])
def test_the_score_map_is_one_score_at_build_in_calibration_and_at_inspection(name, backbone):
    config, images = replace(CONFIGS[name], score="map"), parts(5, (70, 90))
    bank, plain = (build(images, each, backbone) for each in (config, CONFIGS[name]))
    np.testing.assert_array_equal(bank.vectors, plain.vectors)
    batch = tensors([*images[:2], scratched(images[2], 40, 50)], config, backbone)
    found = detect(batch, backbone, bank)
    side = config.input.crop or config.input.size
    np.testing.assert_array_equal(
        found.scores, map_scores(found.distances, found.grid, (side, side), config.sigma)
    )
    assert (found.scores < found.distances.max(axis=1)).all()
    assert found.scores[2] > found.scores[:2].max()
    assert (bank.calibration_scores < plain.calibration_scores).all()
    np.testing.assert_allclose(
        bank.calibration_scores, bank.calibration_peaks, rtol=1e-6
    )  # this backbone has no offset
    assert thresholds_of(bank).reject == np.sort(bank.calibration_scores)[-1]
    assert check_conformance(bank, backbone) == 0
    assert bank.conformance.scores[0] == found.scores[0]


def test_a_batch_scores_as_its_images_alone(backbone):
    bank, batch = build(parts(4), SMALL, backbone), tensors(parts(5, seed=3), SMALL, backbone)
    together = detect(batch, backbone, bank)
    for i in range(len(batch)):
        alone = detect(batch[i : i + 1], backbone, bank)
        np.testing.assert_array_equal(alone.distances[0], together.distances[i])
        np.testing.assert_array_equal(alone.ids[0], together.ids[i])
        assert alone.scores[0] == together.scores[i]


def test_an_inspected_patch_of_the_bank_is_at_distance_zero_from_itself(backbone):
    images = parts(4)
    bank = build(images, replace(SMALL, coreset_ratio=1.0), backbone)
    found = detect(tensors(images, SMALL, backbone), backbone, bank)
    assert found.distances.max() == 0


def test_reweighting_never_raises_a_score(backbone):
    images = tensors(parts(6, seed=9), SMALL, backbone)
    plain, damped = (
        detect(images, backbone, build(parts(4), replace(SMALL, reweight=r), backbone)).scores
        for r in (False, True)
    )
    assert np.all(damped <= plain)
    assert np.any(damped < plain)


def test_a_reweighted_bank_smaller_than_its_neighbours_uses_all_it_has(backbone):
    config = replace(SMALL, reweight=True, max_bank_vectors=4)
    bank = build(parts(6), config, backbone)
    image = scratched(parts(1)[0], 30, 30)
    vectors, _ = oracle.patches(image, config, backbone)
    found = detect(tensors([image], config, backbone), backbone, bank)
    assert found.scores[0] == pytest.approx(oracle.reweighted_score(vectors, bank.vectors), rel=1e-4)


def at(config: DetectorConfig, **changes: float) -> DetectorConfig:
    return replace(config, **changes)


def test_thresholds_are_the_conformal_ranks_of_the_calibration_scores(backbone):
    bank = build(parts(9), at(SMALL, target_false_reject=0.1, target_review=0.35), backbone)
    ranked = np.sort(bank.calibration_scores)
    # ceil(10 * 0.9) = 9th and ceil(10 * 0.65) = 7th smallest of nine
    assert thresholds_of(bank) == Thresholds(review=float(ranked[6]), reject=float(ranked[8]))
    assert map_threshold_of(bank) == np.sort(bank.calibration_peaks)[6]
    alike = replace(bank, config=at(bank.config, target_review=None))
    assert thresholds_of(alike) == Thresholds(review=float(ranked[8]), reject=float(ranked[8]))
    assert map_threshold_of(alike) == np.sort(bank.calibration_peaks)[8]


def test_a_rate_its_images_do_not_support_is_refused_not_clamped(backbone):
    bank = build(parts(4), at(SMALL, target_false_reject=0.01), backbone)
    with pytest.raises(TooFewNominalImages, match=r"needs 99 nominal images; received 4"):
        thresholds_of(bank)


def test_no_smoothed_peak_of_a_nominal_map_passes_its_score(backbone):
    bank = build(parts(6), SMALL, backbone)
    assert np.all(bank.calibration_peaks > 0)
    assert np.all(bank.calibration_peaks <= bank.calibration_scores)


def test_another_backbones_weights_are_refused_by_digest(backbone):
    bank = build(parts(4), SMALL, backbone)
    check_backbone(bank, backbone.digest)
    with pytest.raises(BankMismatch, match=random_backbone(1).digest[:16]):
        check_backbone(bank, random_backbone(1).digest)


def test_conformance_holds_where_the_bank_was_built_and_fails_with_other_weights(backbone):
    bank = build(parts(4), SMALL, backbone)
    assert check_conformance(bank, backbone) == 0
    with pytest.raises(BankMismatch, match="must score as recorded within 2"):
        check_conformance(bank, random_backbone(1))


def test_a_difference_of_a_score_near_zero_is_not_blown_up():
    backbone = random_backbone()
    bank = build([parts(1)[0]] * 4, replace(SMALL, coreset_ratio=1.0), backbone)  # copies: every score is 0
    length = float(np.linalg.norm(bank.vectors, axis=1).mean())

    def shaken(batch):
        return [m + 1e-6 * length for m in backbone(batch)]

    assert not bank.conformance.scores.any()
    assert 0 < check_conformance(bank, shaken) <= bank.conformance.tolerance


def test_conformance_images_that_score_five_per_cent_off_are_refused(backbone):
    bank = build(parts(4), SMALL, backbone)
    wrong = replace(bank.conformance, scores=bank.conformance.scores * np.float32(1.05))
    with pytest.raises(BankMismatch):
        check_conformance(replace(bank, conformance=wrong), backbone)
