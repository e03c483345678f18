"""Masks: their text, what they fill, which patches count, and that pixels under one change nothing."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace

import numpy as np
import pytest
from fakes import random_backbone
from parts import SMALL, build, parts, scratched

from app.inspection.engine import Engine
from core.bank import bank_bytes, load_bank
from core.config import DetectorConfig, InputConfig
from core.errors import ConfigError, MaskError
from core.input.cells import cells_of, drawn, shown
from core.input.mask import LONGEST, SIDE, filled, inspected_share, mask_of, mask_text, scaled
from core.input.photograph import Photograph

MEAN = (0.485, 0.456, 0.406)
SHAPE = (96, 144)


def left_half(height: int = 60, width: int = 90, share: float = 0.5) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[:, : round(share * width)] = True
    return mask


def disc(side: int) -> np.ndarray:
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return y**2 + x**2 <= (0.4 * side) ** 2


# Its text


@pytest.mark.parametrize("mask", [left_half(), left_half(1, 7), disc(200), disc(SIDE)], ids=str)
def test_a_mask_comes_back_from_its_text(mask):
    found = mask_of(mask_text(mask))
    assert np.array_equal(found, mask)
    assert not found.flags.writeable


def test_a_large_mask_is_reduced_and_keeps_its_shape():
    found = mask_of(mask_text(disc(3000)))
    assert max(found.shape) <= SIDE
    assert abs(found.mean() - disc(3000).mean()) < 0.002


def test_a_mask_of_one_colour_or_of_noise_is_refused():
    with pytest.raises(ConfigError, match="leave something to inspect; received one that leaves out every"):
        mask_text(np.zeros((9, 9), bool))
    with pytest.raises(ConfigError, match="leave something out"):
        mask_text(np.ones((9, 9), bool))
    with pytest.raises(ConfigError, match="smooth outlines"):
        mask_text(np.random.default_rng(0).random((900, 900)) < 0.5)


def packed(text: str, bits: bytes) -> str:
    return text + base64.b64encode(zlib.compress(bits)).decode()


@pytest.mark.parametrize(
    "text",
    ["x", "8x8:", "8x8:AAAA", "0x8:AAAA", packed("8x8:", b"\xf0" * 9), packed("8x8:", b"\xf0" * 7),
     packed("2000x8:", b"\xf0" * 2000), packed("8x8:", b"\0" * 8), packed("8x8:", b"\xff" * 8),
     packed("8x8:", b"\xf0" * 50_000_000), "8x8:" + "A" * LONGEST, "8x8:!" + "A" * 7],
    ids=range(12),
)  # fmt: skip
def test_what_no_picture_became_is_no_mask(text):
    with pytest.raises(ConfigError, match="must be the text that Nominal made of a picture"):
        InputConfig(mask=text)


# What it fills


@pytest.mark.parametrize("shape", [(60, 90), (61, 90), (480, 720), (7, 10)])
def test_what_is_left_out_gets_the_mean_colour_and_nothing_else(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    text = mask_text(disc(60)[:, :60] if shape[0] == shape[1] else left_half())
    before, kept = image.copy(), scaled(mask_of(text), *shape)
    found = filled(image, text, MEAN)
    assert np.array_equal(found[kept], image[kept])
    assert (found[~kept] == [124, 116, 104]).all()
    assert np.array_equal(image, before), "the photograph itself stays as it is"


def test_a_photograph_of_another_shape_is_refused():
    with pytest.raises(MaskError, match=r"aspect ratio of the bank's mask, 90 x 60; received 90 x 70 pixels"):
        filled(np.zeros((70, 90, 3), np.uint8), mask_text(left_half()), MEAN)


# Which patches count


def test_half_a_cell_counts_and_less_does_not():
    config = InputConfig(64, mask=mask_text(left_half(64, 64, 28 / 64)))
    cells = cells_of(config, (8, 8))
    assert cells is not None
    expected = np.zeros((8, 8), bool)
    expected[:, :4] = True  # the fourth column of cells is half inside
    assert np.array_equal(cells.counted, expected)
    less = cells_of(replace(config, mask=mask_text(left_half(64, 64, 27 / 64))), (8, 8))
    assert less is not None
    assert less.counted[:, 3].sum() == 0
    assert cells_of(InputConfig(64), (8, 8)) is None


def test_distances_are_scattered_and_spread_to_the_nearest_that_counts():
    config = InputConfig(64, mask=mask_text(left_half(64, 64)))
    cells = cells_of(config, (2, 4))
    assert cells is not None
    distances = cells.scattered(np.array([[1, 2, 3, 4]], np.float32))
    assert distances.tolist() == [[1, 2, 0, 0, 3, 4, 0, 0]]
    assert drawn(cells, distances).tolist() == [[1, 2, 2, 2, 3, 4, 4, 4]]


def test_padding_does_not_count_and_a_crop_moves_the_mask():
    mask = mask_text(left_half(64, 128, 3 / 4))
    letterbox = cells_of(InputConfig(128, "letterbox", mask=mask), (8, 8))
    assert letterbox is not None
    expected = np.zeros((8, 8), bool)
    expected[2:6, :6] = True
    assert np.array_equal(letterbox.counted, expected)
    cropped = cells_of(InputConfig(64, "short_side", 64, mask=mask), (4, 4))
    assert cropped is not None
    assert cropped.counted.all(), "the middle half is all in the left three quarters"


def test_a_mask_between_all_patches_is_refused():
    mask = np.zeros((64, 64), bool)
    mask[30, 30] = True
    with pytest.raises(MaskError, match="at least half of one of 8 x 8 patches"):
        cells_of(InputConfig(64, mask=mask_text(mask)), (8, 8))


# Banks and inspections


@pytest.fixture(scope="module")
def backbone():
    return random_backbone()


def config_of(**changes: object) -> DetectorConfig:
    changed = {"input": InputConfig(96, mask=mask_text(left_half())), **changes}
    return replace(SMALL, **changed)  # type: ignore[arg-type]


def noisy(images: list[np.ndarray], seed: int) -> list[np.ndarray]:
    """With other pixels wherever the mask leaves out."""
    rng = np.random.default_rng(seed)
    kept = scaled(left_half(), *images[0].shape[:2])[..., None]
    return [np.where(kept, image, rng.integers(0, 256, image.shape, np.uint8)) for image in images]


FORMS = {
    "plain": {},
    "map": {"score": "map"},
    "eq7": {"reweight": True},
    "pca": {"pca": 8},
    "short_side": {"input": InputConfig(96, "short_side", mask=mask_text(left_half()))},
    "letterbox": {"input": InputConfig(96, "letterbox", mask=mask_text(left_half()))},
    "crop": {"input": InputConfig(96, "stretch", 64, mask=mask_text(left_half()))},
}


@pytest.mark.parametrize("form", FORMS)
def test_pixels_under_the_mask_change_nothing_at_all(form, backbone):
    config = config_of(**FORMS[form])
    nominal = parts(8, SHAPE)
    bank, other = (build(images, config, backbone) for images in (nominal, noisy(nominal, 1)))
    for name in ("vectors", "calibration_scores", "calibration_peaks"):
        assert np.array_equal(getattr(bank, name), getattr(other, name)), name
    assert np.array_equal(bank.conformance.scores, other.conformance.scores)
    engine = Engine(backbone, bank)
    for image in (parts(1, SHAPE, seed=7)[0], scratched(parts(1, SHAPE, seed=7)[0], 30, 20)):
        a, b = engine.inspect([image, noisy([image], 2)[0]])
        assert (a.score, a.decision, a.regions, a.nearest) == (b.score, b.decision, b.regions, b.nearest)
        assert np.array_equal(a.heatmap, b.heatmap)
        left_out = ~scaled(left_half(), *SHAPE)
        assert (a.heatmap[left_out] == 0).all()
        assert a.heatmap[~left_out].max() > 0


def test_what_is_learned_and_found_lies_where_the_mask_leaves_in(backbone):
    bank = build(parts(8, SHAPE), config_of(coreset_ratio=1.0), backbone)
    assert bank.provenance.column.max() < 6
    assert bank.coreset.source_patches == 8 * 12 * 6 == len(bank.vectors)
    found = Engine(backbone, bank).inspect(parts(1, SHAPE, seed=3))[0]
    assert found.nearest.at_x < SHAPE[1] / 2


def test_a_defect_beside_the_masks_edge_stays_in_the_map(backbone):
    """Its distances are not averaged with zeros of the part that is left out."""
    engine = Engine(backbone, build(parts(8, SHAPE), config_of(), backbone))
    image = parts(1, SHAPE, seed=7)[0]
    image[40:56, 60:71] = 255 - image[40:56, 60:71]
    found = engine.inspect([image])[0]
    assert found.heatmap[40:56, 56:72].max() > 0.6 * found.score


def test_a_bank_with_a_mask_comes_back_from_its_file_and_scores_the_same(backbone):
    bank = build(parts(8, SHAPE), config_of(), backbone)
    again = load_bank(bank_bytes(bank))
    assert again.config.input.mask == bank.config.input.mask
    assert inspected_share(again.config.input.mask) == 0.5
    image = scratched(parts(1, SHAPE, seed=7)[0], 30, 20)
    assert (
        Engine(backbone, again).inspect([image])[0].score == Engine(backbone, bank).inspect([image])[0].score
    )


def test_an_image_of_another_shape_is_refused_and_one_at_a_fraction_of_its_scale_is_not(backbone):
    engine = Engine(backbone, build(parts(8, SHAPE), config_of(), backbone))
    with pytest.raises(MaskError):
        engine.inspect([np.zeros((144, 96, 3), np.uint8)])
    half = Photograph(parts(1, (48, 72))[0], reduced=2)
    assert engine.inspect([half])[0].heatmap.shape == (96, 144)


def test_no_mask_shows_everything():
    assert shown(InputConfig(64), 5, 5) is None
    assert inspected_share(InputConfig(64).mask) == 1
