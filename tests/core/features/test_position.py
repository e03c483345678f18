"""Places of patches: what they cost, from a median known beforehand, and what they find that vectors do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from fakes import random_backbone
from parts import SMALL, build, parts

from app.inspection.engine import Engine
from core.bank import Bank, bank_bytes, load_bank
from core.config import AugmentConfig, DetectorConfig, InputConfig
from core.detector import check_conformance, detect
from core.errors import ConfigError, ShapeError
from core.features.patches import Patches, patch_features
from core.features.pca import reduced
from core.features.position import CELLS, Position, fit_position, placed
from core.input.mask import mask_text
from core.input.preprocess import to_tensor

PLACED = replace(SMALL, position=2.0)
WAYS = ({}, {"pca": 6}, {"reweight": True}, {"score": "map"}, {"augment": {"rotation": 10.0, "copies": 1}})


@pytest.fixture(scope="module")
def bank() -> Bank:
    return build(parts(8), PLACED)


def test_a_step_is_a_share_of_the_median_distance_to_another_photograph() -> None:
    vectors = np.array([[0, 0], [3, 4], [0, 0], [9, 12], [0, 0]], np.float32)
    photographs = np.array(
        [0, 1, 0, 2, 0]
    )  # three of the first, 5 from the second, which is 10 from the third
    assert fit_position(vectors, photographs, 2.0).step == 2.0 * 5.0 / CELLS


def test_patches_of_one_photograph_only_give_no_step() -> None:
    assert fit_position(np.eye(4, dtype=np.float32), np.zeros(4, np.int64), 2.0).step == 0


def test_two_equal_patches_four_cells_apart_differ_by_the_weight_in_medians() -> None:
    step = Position(1.5 * 7.0 / CELLS)
    vectors, grid = placed(Patches(torch.ones(2, 6 * 5, 3), (6, 5)), step)
    assert vectors.shape == (2, 30, 5)
    one = vectors.reshape(2, 6, 5, 5)
    assert torch.linalg.norm(one[0, 1, 2] - one[1, 5, 2]) == 1.5 * 7.0
    assert torch.linalg.norm(one[0, 0, 0] - one[1, 0, 4]) == 1.5 * 7.0
    assert grid == (6, 5)


@pytest.mark.parametrize("step", [-1.0, float("nan"), float("inf"), 1e16])
def test_a_step_that_is_no_distance_is_refused(step: float) -> None:
    with pytest.raises(ShapeError, match="distance of two places"):
        Position(step)


def test_a_weight_of_0_is_the_bank_without_it() -> None:
    assert bank_bytes(build(parts(8), replace(SMALL, position=0.0))) == bank_bytes(build(parts(8)))


def test_its_bank_survives_the_file_and_scores_as_the_built_one(bank: Bank) -> None:
    loaded = load_bank(bank_bytes(bank))
    assert loaded.position == bank.position is not None
    assert bank_bytes(loaded) == bank_bytes(bank)
    image = parts(1, seed=3)[0]
    first, second = (Engine(random_backbone(), each).inspect([image])[0] for each in (bank, loaded))
    assert first.score == second.score


def test_every_vector_of_the_bank_ends_with_its_own_place(bank: Bank) -> None:
    assert bank.position is not None
    places = np.column_stack([bank.provenance.row, bank.provenance.column]) * np.float32(bank.position.step)
    np.testing.assert_array_equal(bank.vectors[:, -2:], places.astype(np.float32))
    assert bank.vectors.shape[1] == 34
    assert bank.position.step > 0


@pytest.mark.parametrize("change", WAYS, ids=str)
def test_conformance_images_and_inspections_agree(change: dict) -> None:
    found = build(parts(8), PLACED.changed(change))
    assert check_conformance(found, random_backbone()) == 0
    ref, image = found.backbone, parts(1, seed=9)[0]
    patches = patch_features(
        random_backbone()(to_tensor(image, found.config.input, ref.mean, ref.std)[None]), found.config.patch
    )
    queries = placed(reduced(patches, found.pca), found.position).vectors[0].numpy()
    nearest = np.linalg.norm(queries[:, None] - found.vectors[None], axis=2).min(axis=1)
    answer = Engine(random_backbone(), found).inspect([image])[0]
    assert answer.nearest.distance == pytest.approx(nearest.max(), rel=1e-4)


def test_what_belongs_elsewhere_is_found_by_its_place_only() -> None:
    rng = np.random.default_rng(1)
    images = [rng.integers(40, 60, (128, 128, 3)).astype(np.uint8) for _ in range(6)]
    for image in images:
        image[:, 64:] += 120  # dark on the left, bright on the right
    dark = np.concatenate([images[0][:, :64], images[1][:, :64]], axis=1)
    apart = {}
    for position in (0.0, 10.0):
        bank = build(
            images, replace(SMALL, position=position, coreset_ratio=0.5, input=InputConfig(size=128))
        )
        ref = bank.backbone
        found = detect(to_tensor(dark, bank.config.input, ref.mean, ref.std)[None], random_backbone(), bank)
        inside = found.distances.reshape(16, 16)[7:9, 10]  # dark around, as good parts are on the left
        apart[position] = inside.max() / np.median(bank.calibration_scores)
    assert apart[0.0] < 2 < 4 < apart[10.0]


def test_a_mask_leaves_its_patches_out_of_the_median() -> None:
    mask = np.zeros((64, 64), bool)
    mask[:, :32] = True
    config = replace(PLACED, input=InputConfig(size=64, mask=mask_text(mask)))
    noisy = [image.copy() for image in parts(8)]
    for image in noisy:
        image[:, 32:] = np.random.default_rng(5).integers(0, 256, (64, 32, 3))
    assert build(noisy, config).position == build(parts(8), config).position


@pytest.mark.parametrize(
    "augment", [AugmentConfig(flips=True), AugmentConfig(quarter_turns=True), AugmentConfig(rotation=16.0)]
)
def test_parts_that_turn_freely_have_no_places(augment: AugmentConfig) -> None:
    with pytest.raises(ConfigError, match="always lie alike") as error:
        replace(PLACED, augment=augment)
    assert "Leave flips" in str(error.value)
    assert replace(SMALL, augment=augment).position == 0


def test_a_bank_holds_a_step_only_where_its_config_asks(bank: Bank) -> None:
    with pytest.raises(ShapeError, match="hold places and a reference only"):
        replace(bank, position=None)
    with pytest.raises(ShapeError, match="hold places and a reference only"):
        replace(bank, config=replace(bank.config, position=0.0))


@pytest.mark.parametrize("weight", [-0.1, 100.5, float("nan")])
def test_a_weight_out_of_range_is_refused(weight: float) -> None:
    with pytest.raises(ConfigError, match="Position must be"):
        DetectorConfig(position=weight)
