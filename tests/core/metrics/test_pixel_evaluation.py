"""Pixel metrics against scikit-learn and against a sweep over every threshold with trapezoids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from core.errors import EvaluationError
from core.metrics import pixel_evaluation
from core.metrics.pixel_evaluation import LIMIT, PixelEvaluation, PixelMetrics

Images = tuple[list[np.ndarray], list[np.ndarray]]


def evaluated(maps: list[np.ndarray], masks: list[np.ndarray | None], limit: float = LIMIT) -> PixelMetrics:
    evaluation = PixelEvaluation()
    for heat, mask in zip(maps, masks, strict=True):
        evaluation.add(heat, mask)
    return evaluation.metrics(limit)


def pixel_auroc(maps: list[np.ndarray], masks: list[np.ndarray | None]) -> float:
    return evaluated(maps, masks).auroc


def aupro(maps: list[np.ndarray], masks: list[np.ndarray | None], limit: float = LIMIT) -> float:
    return evaluated(maps, masks, limit).aupro


def swept_aupro(maps: list[np.ndarray], masks: list[np.ndarray], limit: float) -> float:
    """Binarise every map at every distinct score; mean overlap of regions; trapezoids, cut at the limit."""
    labels = [ndimage.label(mask, structure=np.ones((3, 3)))[0] for mask in masks]
    rates, overlaps = [0.0], [0.0]
    for threshold in sorted({float(v) for heat in maps for v in heat.ravel()}, reverse=True):
        called = [heat >= threshold for heat in maps]
        false = sum(int((c & ~mask).sum()) for c, mask in zip(called, masks, strict=True))
        rates.append(false / sum(int((~mask).sum()) for mask in masks))
        pairs = zip(called, labels, strict=True)
        shares = [c[lab == i].mean() for c, lab in pairs for i in range(1, lab.max() + 1)]
        overlaps.append(float(np.mean(shares)))
    area = 0.0
    for x0, x1, y0, y1 in zip(rates, rates[1:], overlaps, overlaps[1:], strict=False):
        if x1 > limit and x1 > x0:
            x1, y1 = limit, y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
        area += max(0.0, x1 - x0) * (y0 + y1) / 2
        if x1 >= limit:
            break
    return area / limit


@st.composite
def images(draw: st.DrawFn) -> Images:
    """One to four images, each of its own size, with masks of several regions and scores full of ties."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels = draw(st.sampled_from([2, 5, 20, 10**6]))
    maps, masks = [], []
    for _ in range(draw(st.integers(1, 4))):
        shape = (draw(st.integers(2, 7)), draw(st.integers(2, 7)))
        mask = rng.random(shape) < draw(st.sampled_from([0.0, 0.1, 0.4]))
        maps.append((rng.integers(0, levels, shape) + mask * (levels // 3)).astype(np.float32))
        masks.append(mask)
    masks[0][0, 0], masks[0][1, 1] = True, False  # both classes somewhere
    return maps, masks


@settings(max_examples=150, deadline=None)
@given(images(), st.sampled_from([0.05, 0.3, 0.77, 1.0]))
def test_aupro_equals_a_sweep_over_every_threshold(sample: Images, limit: float) -> None:
    assert aupro(*sample, limit) == pytest.approx(swept_aupro(*sample, limit), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(images())
def test_pixel_auroc_equals_scikit_learn_over_all_pixels(sample: Images) -> None:
    maps, masks = sample
    labels, scores = (np.concatenate([a.ravel() for a in part]) for part in (masks, maps))
    assert pixel_auroc(maps, masks) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_one_region_up_to_rate_one_is_its_auroc(rng: np.random.Generator) -> None:
    mask = np.zeros((20, 20), bool)
    mask[5:9, 3:15] = True
    heat = (rng.random((20, 20)) + 0.3 * mask).astype(np.float32)
    assert aupro([heat], [mask], limit=1.0) == pytest.approx(pixel_auroc([heat], [mask]), abs=1e-12)


def test_small_regions_weigh_as_much_as_large_ones() -> None:
    """A 1-pixel region found and a 50-pixel region missed: overlap one half."""
    mask, heat = np.zeros((30, 30), bool), np.ones((30, 30), np.float32)
    mask[0, 0] = mask[10:15, 10:20] = True
    heat[mask], heat[0, 0] = 0, 2
    assert aupro([heat], [mask]) == pytest.approx(0.5)


def test_kinds_and_specks_are_counted_apart(rng: np.random.Generator) -> None:
    pixels, crack, speck = PixelEvaluation(), np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    crack[5:15, 5:15], speck[30:33, 30:35] = True, True  # 100 pixels and 15
    heat = rng.random((40, 40), dtype=np.float32)
    pixels.add(heat + crack, crack, "crack")
    pixels.add(heat - speck, speck, "speck")
    found = pixels.metrics()
    assert set(found.kinds) == {"crack", "speck"}
    assert found.kinds["crack"].aupro == pytest.approx(1)
    assert (found.kinds["speck"].aupro, found.kinds["speck"].aupro_without_specks) == (pytest.approx(0), None)
    assert (found.overlap.regions, found.overlap.specks) == (2, 1)
    assert found.aupro == pytest.approx(0.5)
    assert found.overlap.aupro_without_specks == pytest.approx(1)


def test_corner_neighbours_are_one_region() -> None:
    evaluation = PixelEvaluation()
    evaluation.add(np.zeros((4, 4), np.float32), np.eye(4, dtype=bool))
    assert evaluation.metrics().overlap.regions == 1


def test_nominal_images_add_false_positives(rng: np.random.Generator) -> None:
    mask, heat = np.zeros((8, 8), bool), np.zeros((8, 8), np.float32)
    mask[2:4, 2:4], heat[2:4, 2:4] = True, 1
    assert pixel_auroc([heat], [mask]) == 1
    loud = np.full((8, 8), 5, np.float32)
    assert pixel_auroc([heat, loud], [mask, None]) == pytest.approx(60 / 124)
    assert aupro([heat, loud], [mask, None]) == 0


def test_an_empty_mask_counts_as_nominal_pixels(rng: np.random.Generator) -> None:
    mask = rng.random((6, 6)) < 0.3
    maps = [rng.random((6, 6), dtype=np.float32) for _ in range(2)]
    empty = aupro(maps, [mask, np.zeros((6, 6), bool)])
    assert empty == aupro(maps, [mask, None])


def test_batches_of_defect_pixels_change_nothing(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation = PixelEvaluation()
    for _ in range(3):
        evaluation.add(rng.integers(0, 9, (12, 12)).astype(np.float32), rng.random((12, 12)) < 0.4)
    whole = evaluation.metrics()
    monkeypatch.setattr(pixel_evaluation, "BATCH", 7)
    parts = evaluation.metrics()
    assert (parts.auroc, parts.aupro) == pytest.approx((whole.auroc, whole.aupro), abs=1e-12)


def test_images_added_after_a_first_answer_count_in_the_next(rng: np.random.Generator) -> None:
    maps = [rng.random((9, 5), dtype=np.float32) for _ in range(3)]
    masks = [rng.random((9, 5)) < 0.5 for _ in range(3)]
    evaluation = PixelEvaluation()
    evaluation.add(maps[0], masks[0])
    evaluation.metrics()
    for heat, mask in zip(maps[1:], masks[1:], strict=True):
        evaluation.add(heat, mask)
    assert evaluation.metrics().auroc == pytest.approx(pixel_auroc(maps, masks), abs=1e-12)


def test_maps_given_are_left_as_they_were(rng: np.random.Generator) -> None:
    heat = rng.random((9, 9), dtype=np.float32)
    kept, mask = heat.copy(), rng.random((9, 9)) < 0.5
    evaluation = PixelEvaluation()
    evaluation.add(heat, mask)
    evaluation.add(heat)
    evaluation.metrics()
    np.testing.assert_array_equal(heat, kept)


def test_a_map_of_another_size_than_its_mask_is_refused() -> None:
    with pytest.raises(EvaluationError, match=r"map \(4, 4\) and mask \(5, 4\)"):
        PixelEvaluation().add(np.zeros((4, 4), np.float32), np.zeros((5, 4), bool))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_map_that_is_not_finite_is_refused_and_not_counted(bad: float) -> None:
    evaluation = PixelEvaluation()
    heat, mask = np.zeros((4, 4), np.float32), np.eye(4, dtype=bool)
    evaluation.add(heat, mask)
    heat[1, 2] = bad
    with pytest.raises(EvaluationError, match="1 of 16 pixels"):
        evaluation.add(heat, mask)
    assert evaluation.metrics().nominal_pixels == 12


def test_pixels_that_do_not_count_are_as_if_they_were_not_there(rng: np.random.Generator) -> None:
    heat, mask = rng.random((8, 12)).astype(np.float32), np.zeros((8, 12), bool)
    mask[2:5, 2:8] = True
    counted = np.zeros((8, 12), bool)
    counted[:, :6] = True
    some, part = PixelEvaluation(), PixelEvaluation()
    some.add(heat, mask, counted=counted)
    some.add(heat, counted=counted)
    part.add(heat[:, :6], mask[:, :6])
    part.add(heat[:, :6])
    assert some.metrics() == part.metrics()
    assert some.metrics().defect_pixels == 12


@pytest.mark.parametrize("mask", [np.ones((3, 3), bool), np.zeros((3, 3), bool), None])
def test_one_class_of_pixels_alone_is_refused(mask: np.ndarray | None) -> None:
    evaluation = PixelEvaluation()
    evaluation.add(np.zeros((3, 3), np.float32), mask)
    with pytest.raises(EvaluationError, match="need defect pixels"):
        evaluation.metrics()


@pytest.mark.parametrize("limit", [0.0, -0.1, 1.1, float("nan")])
def test_a_limit_outside_its_range_is_refused(limit: float) -> None:
    with pytest.raises(EvaluationError, match="a limit in"):
        aupro([np.zeros((3, 3), np.float32)], [np.eye(3, dtype=bool)], limit)
