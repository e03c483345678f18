"""Copies of a photograph: exact turns against numpy, random ones against exact ones, where their cells come from."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import oracle
import pytest
from fakes import random_backbone
from parts import SMALL, build, parts, sha256_elsewhere

from app.inspection.backbones import backbone_ref
from core.bank import bank_bytes, load_bank
from core.build import Build
from core.config import FITS, AugmentConfig, DetectorConfig, InputConfig
from core.errors import BankFormatTooNew, ConfigError
from core.groups import Describer
from core.input.augment import Pose, copies, places, poses
from core.input.preprocess import frame, patch_grid
from core.memory.estimate import estimate_build

EIGHT = AugmentConfig(flips=True, quarter_turns=True)
RANDOM = AugmentConfig(rotation=20.0, shift=0.1, scale=0.1, light=0.2, copies=3)


@pytest.fixture(scope="module")
def backbone():
    return random_backbone()


def shown(image: np.ndarray, drawn: list[Pose], config: InputConfig | None = None) -> list[np.ndarray]:
    return list(copies(image, config or InputConfig(64), drawn))


def test_flips_and_quarter_turns_are_the_eight_symmetries_of_a_square_to_the_bit():
    image = parts(1)[0]
    found = shown(image, poses(EIGHT, 0, 0))
    expected = [np.rot90(image, turns)[:, ::mirror] for mirror in (1, -1) for turns in range(4)]
    assert [np.array_equal(*pair) for pair in zip(found, expected, strict=True)] == [True] * 8
    assert [len(poses(AugmentConfig(**{name: True}), 0, 0)) for name in ("flips", "quarter_turns")] == [2, 4]


@pytest.mark.parametrize("shape", [(40, 40), (40, 60), (60, 40), (30, 96)])
def test_a_turn_by_resampling_is_the_turn_by_moving_pixels(shape):
    image = parts(1, shape)[0]
    for pose in poses(EIGHT, 0, 0):
        moved, resampled = shown(image, [pose, replace(pose, exact=False)])
        assert moved.shape == image.shape
        np.testing.assert_array_equal(moved, resampled)


def test_random_copies_stay_in_their_ranges_and_differ_by_photograph_and_seed():
    drawn = [pose for i in range(40) for pose in poses(RANDOM, 0, i)[1:]]
    assert len(drawn) == 120
    sizes = [np.linalg.norm(pose.linear[0]) for pose in drawn]
    angles = [np.degrees(np.arctan2(pose.linear[1, 0], pose.linear[0, 0])) for pose in drawn]
    for values, low, high in (
        (sizes, 1 / 1.1, 1.1),
        (angles, -20, 20),
        ([pose.shift for pose in drawn], -0.1, 0.1),
        ([pose.light for pose in drawn], 0.8, 1.2),
    ):
        assert (
            low
            <= np.min(values)
            < low + 0.2 * (high - low)
            < high - 0.2 * (high - low)
            < np.max(values)
            <= high
        )
    again = poses(RANDOM, 0, 39)[1:]
    assert all(np.array_equal(a.linear, b.linear) for a, b in zip(again, drawn[-3:], strict=True))
    assert not np.array_equal(poses(RANDOM, 1, 39)[1].linear, again[0].linear)


def test_light_is_a_factor_of_every_sample():
    image = parts(1)[0]
    brighter, darker = shown(image, [Pose(np.eye(2), np.zeros(2), light, False) for light in (1.5, 0.5)])
    for found, light in ((brighter, 1.5), (darker, 0.5)):
        exact = (image * light).clip(0, 255)
        assert np.abs(found - exact).max() <= 0.5 + 1e-3  # rounded to a whole sample


def test_random_copies_start_from_any_of_the_exact_turns():
    config = replace(EIGHT, rotation=1.0, copies=40)
    assert config.views == 48
    drawn = np.array([pose.linear.round() for pose in poses(config, 0, 0)[8:]]).reshape(-1, 4)
    assert len(np.unique(drawn, axis=0)) == 8


@pytest.mark.parametrize("which", range(8))
def test_a_turned_copys_cells_are_those_of_the_photograph(which):
    cells = np.stack(np.mgrid[:8, :8], axis=-1)  # (8, 8, 2)
    turned = np.rot90(cells, which % 4)[:, :: -1 if which > 3 else 1].reshape(-1, 2)
    at = frame(InputConfig(64), 64, 64)
    found = places(poses(EIGHT, 0, 0)[which], cells.reshape(-1, 2), (8, 8), at, 0.0)
    np.testing.assert_array_equal(found, turned)


@pytest.mark.parametrize("fit", FITS)
def test_a_random_copys_cells_show_what_the_photograph_shows_there(fit):
    config = InputConfig(128, fit)
    height, width = 180, 240
    at = frame(config, height, width)
    rows, columns = grid = patch_grid(at, 8, 1)
    for i, pose in enumerate(poses(replace(RANDOM, copies=20), 0, 0)[1:]):
        y, x = 60 + 3 * i, 70 + 5 * i
        image = np.zeros((height, width, 3), np.uint8)
        image[y - 3 : y + 4, x - 3 : x + 4] = 255
        copy = shown(image, [pose], config)[0][..., 0].astype(float)
        weights = copy / copy.sum()
        seen = [(weights.sum(axis=1 - axis) * (np.arange(copy.shape[axis]) + 0.5)).sum() for axis in (0, 1)]

        def cell(point: list[float], sides: tuple[int, ...]) -> np.ndarray:
            inside = [
                (p * a.source / side * a.scale + a.offset) * n / a.input
                for p, side, a, n in zip(point, sides, (at.rows, at.columns), grid, strict=True)
            ]
            return np.floor(inside).astype(np.int64)

        found = places(pose, cell(seen, copy.shape)[None], grid, at, 0.0)[0]
        assert np.abs(found - cell([y + 0.5, x + 0.5], (height, width))).max() <= 1
        assert (found < (rows, columns)).all()


# In a build


def test_the_same_images_and_seed_give_the_same_bytes_in_another_process(backbone):
    change = {"augment": {"rotation": 10, "light": 0.1, "copies": 2, "flips": True}}
    data = bank_bytes(build(parts(4), SMALL.changed(change), backbone))
    elsewhere = sha256_elsewhere(f"build(parts(4), SMALL.changed({change!r}))")
    assert elsewhere == hashlib.sha256(data).hexdigest()
    assert load_bank(data).config.augment == AugmentConfig(rotation=10.0, light=0.1, copies=2, flips=True)


@pytest.mark.parametrize("batch", [1, 3])
def test_copies_one_at_a_time_give_the_bank_of_batches(batch, backbone, monkeypatch):
    config = replace(SMALL, augment=replace(RANDOM, flips=True))
    expected = bank_bytes(build(parts(3, (64, 80)), config, backbone))
    monkeypatch.setattr("core.features.stream.BATCH", batch)
    assert bank_bytes(build(parts(3, (64, 80)), config, backbone)) == expected


def test_a_part_is_calibrated_by_its_photograph_without_any_of_its_copies(backbone):
    config, images = replace(SMALL, augment=EIGHT), parts(3)
    bank = build(images, config, backbone)
    views = [np.rot90(image, n)[:, ::mirror] for image in images for mirror in (1, -1) for n in range(4)]
    points = np.concatenate([oracle.patches(view, config, backbone)[0] for view in views])
    distances = oracle.apart(bank.vectors, points)
    assert distances.min(axis=1).max() < 1e-4
    kept, owner = distances.argmin(axis=1), np.repeat(np.arange(3), 8 * 64)
    np.testing.assert_array_equal(bank.provenance.image, owner[kept])
    assert len(bank.calibration_scores) == 3
    for i, score in enumerate(bank.calibration_scores):
        put_in = oracle.substitutes(points, owner, kept, i)
        held_out = np.concatenate([bank.vectors[owner[kept] != i], points[put_in]])
        taken = oracle.patches(images[i], config, backbone)[0]
        assert score == pytest.approx(oracle.score(taken, held_out), rel=1e-4)


def test_copies_share_the_vectors_of_the_photographs_and_all_their_patches_are_chosen_from(backbone):
    plain, turned = (
        build(parts(4), replace(SMALL, augment=each), backbone) for each in (AugmentConfig(), EIGHT)
    )
    assert len(plain.vectors) == len(turned.vectors) == 26  # a tenth of 4 * 64
    assert (plain.coreset.source_patches, turned.coreset.source_patches) == (256, 8 * 256)
    assert plain.provenance.images == turned.provenance.images
    assert len(turned.conformance.images) == len(plain.conformance.images)


def test_parts_are_told_apart_by_photographs_as_taken(backbone):
    describers = []
    for augment in (AugmentConfig(), EIGHT):
        describers.append(Describer())
        named = [(f"{i}.png", image) for i, image in enumerate(parts(4))]
        config = replace(SMALL, augment=augment)
        Build(backbone, backbone_ref(backbone), config).run(named, 4, describer=describers[-1])
    plain, turned = (each.described() for each in describers)
    assert plain.digests == turned.digests
    np.testing.assert_array_equal(plain.sketches, turned.sketches)


def test_an_upside_down_part_is_good_to_a_bank_that_learned_it_so(backbone):
    images = parts(6)
    other = parts(1, seed=9)[0][::-1, ::-1]
    scores = [
        oracle.score(
            oracle.patches(other, SMALL, backbone)[0],
            build(images, replace(SMALL, augment=augment, coreset_ratio=0.5), backbone).vectors,
        )
        for augment in (AugmentConfig(), AugmentConfig(quarter_turns=True))
    ]
    assert scores[1] < scores[0]


def test_memory_and_disk_are_planned_for_all_copies_and_said_so():
    sizes = (10, 64, 32, None, 0.1, 1000, 1 << 30)
    plain, eight = estimate_build(*sizes), estimate_build(*sizes, views=8)
    assert (plain.vectors, eight.vectors) == (64, 64)
    assert (plain.patches, eight.patches) == (640, 5120)
    assert eight.coreset_bytes > plain.coreset_bytes
    assert eight.store_bytes == 8 * plain.store_bytes
    assert str(eight).startswith("10 images, each learned 8 times, have 5,120 patches; 64 are kept")


def test_progress_counts_photographs(backbone):
    said = []
    build(
        parts(5),
        replace(SMALL, augment=EIGHT),
        backbone,
        progress=lambda stage, done, total: said.append((done, total)) if stage == "features" else None,
    )
    assert said[-1] == (5, 5)
    assert all(total == 5 for _, total in said)


# Declared


def test_a_bank_names_what_it_was_augmented_by_and_one_without_is_as_before(backbone):
    config = DetectorConfig()
    assert "augment" not in config.to_json()
    assert DetectorConfig.from_json(config.to_json() | {"augment": None}) == config
    turned = replace(config, augment=EIGHT)
    assert turned.to_json()["augment"] == {"flips": True, "quarter_turns": True}
    assert turned.later() == ("augment.flips", "augment.quarter_turns")
    assert DetectorConfig.from_json(turned.to_json()) == turned
    assert turned.changed({"augment": {"flips": False}}).augment == AugmentConfig(quarter_turns=True)
    assert turned.changed({"augment": None}) == config


def test_a_release_that_knows_no_copies_refuses_the_bank_by_name(backbone, monkeypatch):
    data = bank_bytes(build(parts(3), replace(SMALL, augment=EIGHT), backbone))
    monkeypatch.setattr("core.bank.header.KNOWN", {"min_bank_vectors"})
    with pytest.raises(BankFormatTooNew, match=r"augment\.flips, augment\.quarter_turns"):
        load_bank(data)


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("", {}),
        ("flips", {"flips": True}),
        (
            "rotation=15, shift=0.1,quarter-turns,copies=2",
            {"rotation": 15.0, "shift": 0.1, "quarter_turns": True, "copies": 2},
        ),
    ],
)
def test_words_of_the_option_are_settings(text, given):
    assert AugmentConfig.from_text(text) == given


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "turns",
            r"Augment knows rotation, shift, scale, light, flips, quarter-turns, copies; received turns\.",
        ),
        ("rotation=181", r"Augment rotation must be from 0 to 180; received 181\.0\. Choose 0\.0\."),
        ("rotation=-1", "must be from 0 to 180"),
        ("rotation=nan", "must be from 0 to 180"),
        ("rotation", "must be float; received ''"),
        ("rotation=ten", "must be float; received 'ten'"),
        ("shift=0.6", r"must be from 0 to 0\.5"),
        ("scale=2", r"must be from 0 to 0\.5"),
        ("light=1", r"must be from 0 to 0\.9"),
        ("flips=yes", "Flips takes no value: its name turns it on; received yes"),
        ("flips,flips", "takes each name once"),
        ("copies=0,rotation=5", "must be from 1 to 64"),
        ("copies=2.5,rotation=5", "must be int"),
        (
            "copies=4",
            r"need a range to vary in; received copies 4 without rotation, shift, scale or light\. Add",
        ),
        ("copies=4,flips", "need a range to vary in"),
    ],
)
def test_words_that_say_nothing_that_can_be_are_refused_with_the_choices(text, message):
    with pytest.raises(ConfigError, match=message):
        DetectorConfig().changed({"augment": AugmentConfig.from_text(text)})
