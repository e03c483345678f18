"""Overlays: one colour for one score in every picture."""

from __future__ import annotations

import io

import numpy as np
import pytest

from app.imaging.pictures import ALPHAS, COLOURS, FADING, overlay, raw_bytes, sparse
from core.errors import ShapeError
from core.judging.regions import regions

GREY = np.full((20, 30, 3), 128, dtype=np.uint8)


def constant(value: float) -> np.ndarray:
    return np.full((20, 30), value, dtype=np.float32)


def lightness(rgb: np.ndarray) -> np.ndarray:
    """CIE L* of sRGB."""
    c = rgb / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    y = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(y > (6 / 29) ** 3, 116 * np.cbrt(y) - 16, y * (29 / 3) ** 3)


def test_a_score_of_zero_leaves_the_image_in_grey(rng):
    image = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    drawn = overlay(image, constant(0), 1.0)
    assert (drawn[..., 0] == drawn[..., 1]).all()
    assert (drawn[..., 1] == drawn[..., 2]).all()
    weights = image @ [0.299, 0.587, 0.114]  # Rec. 601 luma
    assert np.abs(drawn[..., 0] - weights).max() <= 1


def test_the_colour_of_a_score_does_not_depend_on_the_rest_of_the_map(rng):
    quiet, busy = constant(0.2), rng.random((20, 30)).astype(np.float32) * 9
    quiet[5, 7] = busy[5, 7] = 1.1
    assert np.array_equal(overlay(GREY, quiet, 1.0)[5, 7], overlay(GREY, busy, 1.0)[5, 7])


def test_only_the_ratio_of_score_to_threshold_counts(rng):
    scores = rng.random((20, 30)).astype(np.float32) * 4
    assert np.array_equal(overlay(GREY, scores, 2.0), overlay(GREY, scores * 8, 16.0))


def test_twice_the_threshold_and_above_look_alike():
    assert np.array_equal(overlay(GREY, constant(2.0), 1.0), overlay(GREY, constant(1e9), 1.0))


def test_lightness_rises_along_the_whole_scale():
    assert (np.diff(lightness(COLOURS)) > 0).all()


def test_nothing_is_drawn_up_to_the_threshold_and_the_part_is_never_hidden():
    assert (ALPHAS[:128] == 0).all()
    assert (np.diff(ALPHAS.astype(int)) >= 0).all()
    assert 80 < ALPHAS[128] < ALPHAS[255] == ALPHAS.max() < 200


def test_a_good_part_is_shown_as_it_is(rng):
    image = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert np.array_equal(overlay(image, constant(0.99), 1.0), overlay(image, constant(0), 1.0))
    assert not np.array_equal(overlay(image, constant(1.01), 1.0), overlay(image, constant(0), 1.0))


def test_without_a_threshold_colour_rises_to_the_middle():
    assert FADING[0] == 0
    assert (np.diff(FADING.astype(int)) >= 0).all()
    assert FADING[128] == FADING[255] == FADING.max() < 200


def test_values_of_a_large_map_are_every_nth_of_it(rng):
    heat = rng.random((70, 90)).astype(np.float32)
    found = np.load(io.BytesIO(sparse(raw_bytes(heat), 40)))
    assert np.array_equal(found, heat[::3, ::3])


def test_a_region_is_boxed_by_its_own_pixels():
    scores = constant(0)
    scores[4:9, 10:20] = 3
    drawn = overlay(GREY, scores, 1.0, regions(scores, 1.0))
    box = (drawn == (0, 255, 255)).all(axis=2)
    expected = np.zeros_like(box)
    expected[4:9, 10:20] = True
    expected[5:8, 11:19] = False
    assert np.array_equal(box, expected)


def test_the_image_is_not_changed():
    before = GREY.copy()
    overlay(GREY, constant(5), 1.0, regions(constant(5), 1.0))
    assert np.array_equal(GREY, before)


def test_a_map_of_another_size_is_refused():
    with pytest.raises(ShapeError, match="size of its image"):
        overlay(GREY, np.zeros((30, 20), dtype=np.float32), 1.0)


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan")])
def test_a_threshold_not_above_zero_is_refused(threshold):
    with pytest.raises(ShapeError, match="above 0"):
        overlay(GREY, constant(1), threshold)
