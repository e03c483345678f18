"""A bank with registration: moved parts score as still ones, lost ones are rejected, and all say where things are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from fakes import random_backbone
from moved_parts import SIZE, moved, noisy, part, taken, unlike
from parts import SMALL, scratched

from app.inspection.engine import Engine
from app.inspection.export import check_exportable
from app.learning.learn import BuiltBank, Hooks, Named, learn
from core.bank import Bank, bank_bytes, load_bank
from core.build import Build
from core.config import AugmentConfig, DetectorConfig, InputConfig, RegistrationConfig
from core.detector import check_conformance, detect, map_threshold_of
from core.errors import BankError, ConfigError, RegistrationError, ShapeError
from core.features.stream import FeatureStream
from core.groups import Describer, by_photograph
from core.input.mask import mask_text
from core.input.photograph import Photograph
from core.input.preprocess import to_tensor
from core.input.views import view_of
from core.judging.scoring import UNLOCATED
from core.registration.warp import warped

CONFIG = SMALL.changed({"input": {"size": 128}, "registration": {"on": True}, "coreset_ratio": 0.2})
OFF = RegistrationConfig()
MEAN = (0.5, 0.5, 0.5)


def named(images: Sequence[np.ndarray]) -> list[Named]:
    return [(f"{i:03d}.png", partial(Photograph, image)) for i, image in enumerate(images)]


def built(
    images: Sequence[np.ndarray],
    config: DetectorConfig = CONFIG,
    say: Callable[[str], None] = lambda said: None,
) -> BuiltBank:
    of_each_its_own = by_photograph(len(images))
    return learn(
        named(images), random_backbone(), config, Hooks(any_rate=True, say=say), groups=of_each_its_own
    )


def learned(images: Sequence[np.ndarray], config: DetectorConfig = CONFIG) -> Bank:
    return built(images, config).bank


@pytest.fixture(scope="module")
def bank() -> Bank:
    return learned(taken(), CONFIG.changed({"registration": {"on": True, "reference": "000.png"}}))


@pytest.fixture(scope="module")
def engine(bank: Bank) -> Engine:
    return Engine(random_backbone(), bank)


def test_a_part_at_any_angle_scores_as_a_still_one(engine: Engine) -> None:
    bad = scratched(part(), 110, 170, 30)
    for degrees in (0, 40, 115, 180, -90):
        pair = (noisy(moved(image, degrees)[0], 20) for image in (part(), bad))
        good, flawed = engine.inspect(list(pair))
        assert good.location is not None
        assert good.location.located
        assert good.score < 2 * engine.bank.calibration_scores.max() < flawed.score < UNLOCATED


def test_a_defect_at_a_known_pixel_has_its_region_there_within_a_cell(engine: Engine) -> None:
    for degrees in (0.0, 33.0, 160.0):
        image, matrix = moved(scratched(part(), 110, 200, 24), degrees, shift=(4, 2))
        found = engine.inspect([image])[0]
        x, y = (matrix @ (200, 110, 1))[:2]
        assert found.size == found.heatmap.shape == SIZE
        assert found.regions
        region = found.regions[0]
        cell = 8 * max(SIZE) / 128
        assert np.hypot(region.peak_x - x, region.peak_y - y) <= 1.5 * cell
        assert region.x <= x <= region.x + region.width
        assert region.y <= y <= region.y + region.height
        assert found.nearest is not None
        assert np.hypot(found.nearest.at_x - x, found.nearest.at_y - y) <= 2.5 * cell


def test_what_is_not_located_is_rejected_with_its_figures_and_ranks_above_every_score(engine: Engine) -> None:
    blank, other, good = engine.inspect([np.full((*SIZE, 3), 90, np.uint8), part(3), taken(1)[0]])
    for lost in (blank, other):
        assert (lost.decision, lost.score, lost.regions, lost.nearest) == ("reject", UNLOCATED, (), None)
        assert lost.location is not None
        assert not lost.location.located
        assert "points agree" in str(lost.location.document()["reason"])
        assert lost.heatmap.shape == SIZE
        assert not lost.heatmap.any()
    assert good.score < UNLOCATED
    assert good.location is not None
    assert good.location.located


def test_one_image_has_one_score_at_build_inspection_and_in_any_batch(bank: Bank, engine: Engine) -> None:
    assert check_conformance(bank, random_backbone()) == 0
    images = taken(3, 50.0)
    batch = [found.score for found in engine.inspect(images)]
    assert batch == [engine.inspect([image])[0].score for image in images]
    assert batch == [engine.inspect([engine.view(image)])[0].score for image in images]


def test_the_input_of_a_still_part_is_that_without_registration(bank: Bank) -> None:
    image = taken(1)[0]
    view = view_of(image, bank.config, MEAN, bank.reference)
    assert view.location is not None
    assert view.location.still
    assert view.placement.warp is None
    expected = to_tensor(image, bank.config.input, MEAN, (0.25, 0.25, 0.25))
    np.testing.assert_array_equal(view.tensor(bank.config.input, MEAN, (0.25, 0.25, 0.25)), expected)


def test_without_registration_a_view_is_the_photograph_itself() -> None:
    image = part()
    view = view_of(image, SMALL, MEAN, None)
    assert view.picture is image
    assert (view.placement.warp, view.location, view.located) == (None, None, True)


def test_its_bank_survives_the_file_and_scores_as_the_built_one(bank: Bank) -> None:
    loaded = load_bank(bank_bytes(bank))
    assert bank_bytes(loaded) == bank_bytes(bank)
    assert loaded.reference is not None
    assert loaded.reference.name == "000.png"
    assert len(loaded.reference.fits) == 8
    image = moved(part(), 70.0)[0]
    one, other = (Engine(random_backbone(), each).inspect([image])[0] for each in (bank, loaded))
    assert one.score == other.score
    np.testing.assert_array_equal(one.heatmap, other.heatmap)


def test_the_same_photographs_give_the_same_bytes(bank: Bank) -> None:
    assert bank_bytes(learned(taken(), bank.config)) == bank_bytes(bank)


def test_a_bank_without_it_keeps_its_bytes() -> None:
    off = SMALL.changed({"registration": None})
    assert off == SMALL
    assert "registration" not in SMALL.to_json()


def test_cells_that_the_photograph_does_not_show_count_for_nothing(bank: Bank) -> None:
    image, _ = moved(part(), 0.0, shift=(100, 0))
    view = view_of(image, bank.config, MEAN, bank.reference)
    cells = view.placement.cells(bank.config.input, (16, 16))
    assert cells is not None
    gone = cells.counted[8]
    assert gone[:10].all()
    assert not gone[12:].any()
    x = view.tensor(bank.config.input, MEAN, (0.25, 0.25, 0.25))
    found = detect(x[None], random_backbone(), bank, [view.placement])
    assert not found.distances.reshape(16, 16)[~cells.counted].any()
    assert found.scores[0] == found.distances.max()


def test_pixels_under_a_mask_change_nothing_once_the_part_is_located() -> None:
    kept = np.zeros(SIZE, bool)
    kept[30:210, 40:280] = True
    config = replace(CONFIG, input=InputConfig(size=128, mask=mask_text(kept)))
    bank = learned(taken(), config)
    image, _ = moved(part(), 20.0)
    view = view_of(image, bank.config, MEAN, bank.reference)
    assert view.placement.warp is not None
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].reshape(2, -1)
    back = np.linalg.inv(view.location.transform) @ np.stack([x, y, np.ones_like(x)])  # type: ignore[union-attr]
    outside = ((back[0] < 36) | (back[0] > 284) | (back[1] < 26) | (back[1] > 214)).reshape(SIZE)
    changed = image.copy()
    changed[outside] = np.random.default_rng(0).integers(0, 256, (outside.sum(), 3))
    assert view.location is not None  # found where it was: only what is under the mask differs
    picture = warped(Photograph(changed), view.placement.warp, view.picture.shape[:2], MEAN)
    first, second = Engine(random_backbone(), bank).inspect([view, replace(view, picture=picture)])
    assert (first.score, first.regions) == (second.score, second.regions)
    np.testing.assert_array_equal(first.heatmap, second.heatmap)
    assert not first.heatmap[outside & (back[0].reshape(SIZE) < 30)].any()


def test_parts_that_are_not_located_are_left_out_of_the_build_and_named() -> None:
    said: list[str] = []
    images = [*taken(14), part(5)]
    found = built(images, say=said.append)
    assert [name for name, _ in found.skipped] == ["014.png"]
    assert any("1 of 15 photographs show a part that is not located" in notice for notice in found.notices)
    assert any(sentence.startswith("Skipped 014.png: ") for sentence in said)
    assert len(found.bank.provenance.images) == len(found.bank.calibration_scores) == 14


def test_parts_are_told_apart_by_their_photographs_as_taken(bank: Bank) -> None:
    found = []
    for config, reference in ((bank.config, bank.reference), (replace(bank.config, registration=OFF), None)):
        describer = Describer(0)
        read = (random_backbone(), bank.backbone, config, 8, lambda: None, describer, reference)
        images = ((f"{i}.png", image) for i, image in enumerate(taken(8)))
        assert len([*FeatureStream(*read).batches(images)]) >= 2
        found.append(describer.described())
    np.testing.assert_allclose(found[0].sketches, found[1].sketches, atol=1e-5)
    assert found[0].digests == found[1].digests


def test_parts_that_differ_are_refused_before_anything_is_learned() -> None:
    with pytest.raises(RegistrationError, match="--augment"):
        learned([unlike(i) for i in range(6)])
    with pytest.raises(RegistrationError, match="one of the nominal photographs"):
        learned(taken(5), CONFIG.changed({"registration": {"on": True, "reference": "none.png"}}))


def test_an_export_and_a_build_without_a_reference_are_refused_by_name(bank: Bank) -> None:
    with pytest.raises(BankError, match=r"registration\.on"):
        check_exportable(bank)
    with pytest.raises(ConfigError, match="needs a reference"):
        Build(random_backbone(), bank.backbone, CONFIG)
    with pytest.raises(ShapeError, match="hold places and a reference only"):
        replace(bank, reference=None)
    assert map_threshold_of(bank) > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"registration": {"on": True, "rotation": 181.0}}, "from 0 to 180"),
        ({"registration": {"rotation": 20.0}}, "need it to be on"),
        ({"registration": {"on": True}, "position": 1.0}, "do not turn freely"),
        ({"registration": {"on": True}, "augment": {"rotation": 5.0}}, "Registration undoes"),
        ({"registration": {"on": True, "reference": ""}}, "name of a nominal photograph"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(change: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        SMALL.changed(change)


def test_settings_that_go_together_are_taken() -> None:
    config = SMALL.changed(
        {"registration": {"on": True, "rotation": 20.0}, "position": 1.0, "augment": {"light": 0.1}}
    )
    assert config.registration == RegistrationConfig(on=True, rotation=20.0)
    assert config.augment == AugmentConfig(light=0.1)
    assert learned(taken(), config.changed({"input": {"size": 128}})).position is not None


def test_opencv_is_imported_only_to_look_for_a_part() -> None:
    program = "import sys, app.cli, app.inspection.engine, app.learning.learn, core.build; print('cv2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
