"""Inspections: scores, places, regions and reasons of images, against naive PatchCore and against each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import oracle
import pytest
from fakes import random_backbone
from parts import SMALL, build, parts, scratched

from app.imaging.overlay import overlay
from app.inspection.engine import Engine, Inspection
from core.bank import bank_bytes, load_bank
from core.config import InputConfig
from core.errors import BankMismatch, ShapeError, TooFewNominalImages
from core.input.photograph import Photograph
from core.judging.calibration import Thresholds
from core.judging.heatmap import heatmap
from core.judging.regions import regions
from models.backbone import load_backbone

SHAPE = (90, 150)
FITS = {
    "stretch": InputConfig(128),
    "short_side": InputConfig(96, "short_side"),
    "letterbox": InputConfig(160, "letterbox"),
    "crop": InputConfig(128, "short_side", 96),
}


@pytest.fixture(scope="module")
def backbone():
    return random_backbone()


def engine_of(backbone, fit="stretch", count=6, **changes) -> Engine:
    config = replace(SMALL, input=FITS[fit], **changes)
    return Engine(backbone, build(parts(count, SHAPE), config, backbone))


def same(a: Inspection, b: Inspection) -> bool:
    facts = ("score", "decision", "regions", "nearest", "map_threshold")
    return all(getattr(a, f) == getattr(b, f) for f in facts) and np.array_equal(a.heatmap, b.heatmap)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("level", [0.9, 0.999, 1.0, 1.001, 1.1])
def test_regions_are_those_of_the_map_whether_or_not_it_was_drawn_to_find_them(fit, level, backbone):
    engine = engine_of(backbone, fit)
    image = parts(1, SHAPE, seed=9)[0]
    highest = engine.inspect([image])[0].heatmap.max()
    engine.map_threshold = float(highest * level)
    found = engine.inspect([image], Thresholds(1e9, 1e9))[0]
    assert found.regions == tuple(regions(found.heatmap, found.map_threshold))
    assert bool(found.regions) == (level < 1)


def test_an_accepted_part_without_regions_costs_no_map_until_it_is_asked_for(backbone, monkeypatch):
    engine = engine_of(backbone)
    engine.map_threshold = 1e9
    drawn = []
    monkeypatch.setattr(
        "app.inspection.engine.heatmap", lambda *given: drawn.append(given) or heatmap(*given)
    )
    found = engine.inspect(parts(1, SHAPE, seed=9), Thresholds(1e9, 1e9))[0]
    assert (found.decision, found.regions, drawn) == ("accept", (), [])
    assert found.heatmap is found.heatmap
    assert len(drawn) == 1


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(("y", "x"), [(35, 60), (60, 95)])
def test_the_map_peaks_and_the_reason_points_where_the_defect_is(fit, y, x, backbone):
    engine = engine_of(backbone, fit)
    found = engine.inspect([scratched(parts(1, SHAPE, seed=4)[0], y, x, 16)])[0]
    assert found.decision == "reject"
    assert found.heatmap.shape == SHAPE
    peak_y, peak_x = np.unravel_index(found.heatmap.argmax(), SHAPE)
    reach = 18  # original pixels, under two cells of the coarsest of these grids
    for place_y, place_x in ((peak_y, peak_x), (found.nearest.at_y, found.nearest.at_x)):
        assert abs(place_y - y) <= reach
        assert abs(place_x - x) <= reach
    worst = found.regions[0]
    assert worst.x <= peak_x < worst.x + worst.width
    assert worst.y <= peak_y < worst.y + worst.height
    assert (worst.peak, worst.peak_y, worst.peak_x) == (found.heatmap.max(), peak_y, peak_x)


def test_the_nearest_patch_is_the_bank_vector_nearest_to_the_worst_patch(backbone):
    images = parts(6, SHAPE)
    bank = build(images, replace(SMALL, input=FITS["stretch"]), backbone)
    image = scratched(images[0], 50, 80)
    near = Engine(backbone, bank).inspect([image])[0].nearest
    vectors, grid = oracle.patches(image, bank.config, backbone)
    distances = oracle.apart(vectors, bank.vectors)
    worst = int(distances.min(axis=1).argmax())
    origin, (rows, columns) = oracle.patches(
        images[int(near.image.removesuffix(".png"))], bank.config, backbone
    )
    twin = origin[near.row * columns + near.column]
    assert near.row < rows
    assert near.distance == pytest.approx(distances[worst].min(), rel=1e-4)
    assert np.linalg.norm(vectors[worst] - twin) == pytest.approx(near.distance, rel=1e-4)
    middle = ((worst // grid[1] + 0.5) * SHAPE[0] / grid[0], (worst % grid[1] + 0.5) * SHAPE[1] / grid[1])
    assert (near.at_y, near.at_x) == pytest.approx(middle, abs=1)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("reweight", [False, True])
def test_images_of_any_size_inspected_together_answer_as_alone(fit, reweight, backbone):
    engine = engine_of(backbone, fit, reweight=reweight)
    images = [parts(1, shape, seed=i)[0] for i, shape in enumerate([SHAPE, (64, 64), SHAPE, (200, 70)])]
    together = engine.inspect(images)
    assert all(same(together[i], engine.inspect([image])[0]) for i, image in enumerate(images))
    assert [t.heatmap.shape for t in together] == [image.shape[:2] for image in images]


@pytest.mark.parametrize("fit", FITS)
def test_an_image_decoded_at_a_fraction_of_its_scale_is_answered_in_its_own_pixels(fit, backbone):
    engine = engine_of(backbone, fit)
    image = scratched(parts(1, SHAPE)[0], 45, 75, 20)
    whole, reduced = (engine.inspect([each])[0] for each in (image, Photograph(image, 4)))
    assert reduced.score == whole.score
    assert reduced.heatmap.shape == (4 * SHAPE[0], 4 * SHAPE[1])
    np.testing.assert_allclose(reduced.heatmap[2::4, 2::4], whole.heatmap, atol=0.05 * whole.heatmap.max())
    assert reduced.nearest.at_x == pytest.approx(4 * whole.nearest.at_x, abs=4)
    assert reduced.nearest.at_y == pytest.approx(4 * whole.nearest.at_y, abs=4)
    assert [r.area for r in reduced.regions] == pytest.approx([16 * r.area for r in whole.regions], rel=0.1)


def test_inspecting_nothing_answers_nothing(backbone):
    assert engine_of(backbone).inspect([]) == []


def test_a_bank_read_back_from_its_bytes_inspects_alike(backbone):
    engine = engine_of(backbone)
    again = Engine(backbone, load_bank(bank_bytes(engine.bank)))
    image = scratched(parts(1, SHAPE)[0], 20, 20)
    assert same(engine.inspect([image])[0], again.inspect([image])[0])
    assert again.thresholds == engine.thresholds


def test_decisions_fall_by_the_two_thresholds(backbone):
    engine = engine_of(backbone, count=9, target_false_reject=0.1, target_review=0.5)
    assert engine.thresholds.review < engine.thresholds.reject
    image = parts(1, SHAPE, seed=8)[0]
    score = engine.inspect([image])[0].score
    for decision, thresholds in (
        ("accept", Thresholds(score, score)),
        ("review", Thresholds(score * 0.9, score)),
        ("reject", Thresholds(score * 0.8, score * 0.9)),
    ):
        found = engine.inspect([image], thresholds)[0]
        assert (found.decision, found.thresholds) == (decision, thresholds)
        assert decision == "accept" or found.regions, "what is not accepted shows at least its worst place"
    assert engine.inspect([image])[0].thresholds == engine.thresholds


def test_regions_of_an_accepted_image_exceed_the_map_threshold(backbone):
    engine = engine_of(backbone)
    for found in engine.inspect(parts(4, SHAPE, seed=2)):
        if found.decision == "accept":
            assert found.map_threshold == engine.map_threshold
            assert all(r.peak > engine.map_threshold for r in found.regions)


def test_what_a_crop_cuts_away_is_zero_on_the_map(backbone):
    found = engine_of(backbone, "crop").inspect([scratched(parts(1, SHAPE)[0], 45, 5, 10)])[0]
    assert found.heatmap[:, 0].max() == found.heatmap[0].max() == 0
    assert found.heatmap[45, 75] > 0


def test_copies_of_one_nominal_image_accept_it_and_reject_all_others(backbone):
    image = parts(1)[0]
    engine = Engine(backbone, build([image] * 5, replace(SMALL, coreset_ratio=1.0), backbone))
    alike, other = engine.inspect([image, scratched(image, 30, 30)])
    assert (alike.score, alike.decision, alike.regions) == (0, "accept", ())
    assert other.decision == "reject"
    assert other.regions
    for found in (alike, other):
        overlay(image, found.heatmap, engine.map_threshold, found.regions)  # its scale needs a level above 0


def test_another_backbone_and_an_unsupported_rate_are_refused(backbone):
    bank = engine_of(backbone).bank
    with pytest.raises(BankMismatch):
        Engine(random_backbone(1), bank)
    with pytest.raises(TooFewNominalImages):
        Engine(backbone, replace(bank, config=replace(bank.config, target_false_reject=0.01)))


def test_an_image_too_long_for_its_fit_is_refused_with_the_remedy(backbone):
    with pytest.raises(ShapeError, match="Use fit letterbox or stretch"):
        engine_of(backbone, "short_side").inspect([parts(1, (16, 900))[0]])


@pytest.mark.parametrize("runtime", ["torch", "auto"])
def test_the_embedded_backbone_answers_a_batch_as_its_images_alone(runtime):
    backbone = load_backbone("efficientnet-lite2", runtime=runtime)
    engine = Engine(backbone, build(parts(5), SMALL, backbone))
    images = [*parts(4, seed=3), scratched(parts(1)[0], 30, 30)]
    together = engine.inspect(images)
    assert all(same(together[i], engine.inspect([image])[0]) for i, image in enumerate(images))
    assert bank_bytes(build(parts(5), SMALL, backbone)) == bank_bytes(engine.bank)
