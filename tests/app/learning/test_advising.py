"""Advice on image files: what it rests on, labelled images, bad input named, and what it costs beside a build."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import pytest
from fakes import random_backbone
from moved_parts import taken
from parts import parts, scratched

from app.imaging.pictures import encode_png
from app.learning.advising import Advising, Labelled
from app.learning.learn import Hooks, learn
from core.config import DetectorConfig, InputConfig
from core.errors import ConfigError, EvaluationError, OneGroup, TooFewImages
from core.groups import by_photograph
from core.input.photograph import Photograph
from nominal_client.answers.advice import Advice

CONFIG = DetectorConfig(input=InputConfig(64), target_false_reject=0.1)


def advising(images: list[bytes], **more: object) -> Advising:
    backbone = random_backbone()
    sources = [(f"{i:03d}.png", lambda data=data: data) for i, data in enumerate(images)]
    given: dict[str, object] = {"groups": by_photograph(len(images))} | more
    return Advising(sources, {"tiny": lambda: backbone}, CONFIG, **given)  # type: ignore[arg-type]


def good(n: int, side: int = 64) -> list[bytes]:
    return [encode_png(image) for image in parts(n, (side, side))]


def test_the_document_is_what_the_client_reads_and_names_what_it_rests_on():
    asked = advising(good(14, 128), within=1e4)
    asked.run()
    assert asked.advice is not None
    document = asked.advice.to_json()
    typed = Advice.model_validate(document)
    assert typed.model_dump() == document  # the schema drops and adds nothing
    rests = typed.rests_on
    assert (rests.images, rests.used, rests.height, rests.labelled) == (14, 14, 128, False)
    assert rests.judged_at == 0.1
    assert any("drawn by a program" in sentence for sentence in typed.says)
    assert {trial.setting for trial in typed.trials} >= {"as given", "size 128"}
    assert typed.trials[0].gain is None
    assert all(trial.gain is not None and trial.against is not None for trial in typed.trials[1:])


def test_labelled_defects_take_the_place_of_made_ones_and_small_tests_are_enough():
    tests = [((f"g{i}.png", lambda d=d: d), "good") for i, d in enumerate(good(8))]
    flawed = [encode_png(scratched(image, 30, 30, 20)) for image in parts(8, seed=3)]
    tests += [((f"b{i}.png", lambda d=d: d), "hole") for i, d in enumerate(flawed)]
    asked = advising(good(20), tests=Labelled(tests), groups=by_photograph(36), within=1e4)
    asked.run()
    assert asked.advice is not None
    document = asked.advice.to_json()
    assert document["rests_on"]["labelled"]
    first = document["trials"][0]
    assert first["kinds"].keys() == {"hole"}
    assert first["sizes"] == {}
    assert first["kinds"]["hole"]["of"] == first["defects"] == 8
    assert first["image_auroc"] > 0.9


@pytest.mark.parametrize("change", [{"registration": {"on": True}}, {"position": 1.5}])
def test_settings_with_registration_or_places_are_tried_as_they_are(change: dict[str, object]) -> None:
    blank = encode_png(np.full((240, 320, 3), 99, np.uint8))
    images = [encode_png(image) for image in taken(10, degrees=2.0 if "registration" in change else 0.0)]
    asked = advising([blank, *images] if "registration" in change else images)
    asked.config = CONFIG.changed(change)
    asked.run()
    assert asked.advice is not None
    document = asked.advice.to_json()
    assert document["rests_on"]["used"] == 10
    assert document["trials"][0]["image_auroc"] > 0.5
    assert "copies" in [each["setting"] for each in document["not_tried"]]
    assert [each["image"] for each in document["left_aside"]] == ["000.png"] * ("registration" in change)


def test_a_test_set_without_defects_is_refused():
    tests = Labelled([((f"g{i}.png", lambda d=d: d), "good") for i, d in enumerate(good(4))])
    with pytest.raises(EvaluationError, match="some with a defect"):
        advising(good(12), tests=tests, groups=None).run()


def test_fewer_than_ten_images_are_refused_before_any_work():
    with pytest.raises(TooFewImages, match="at least 10 nominal images"):
        advising(good(9)).run()


def test_an_image_that_cannot_be_read_is_named_and_left_aside():
    said: list[str] = []
    images = good(13)
    images[4] = images[4][:-400]
    asked = advising(images, hooks=Hooks(say=said.append), within=1e4)
    asked.run()
    assert asked.advice is not None
    assert [each["image"] for each in asked.advice.to_json()["left_aside"]] == ["004.png"]
    assert any("004.png" in sentence for sentence in said)
    for i in range(4):
        images[i] = b"no image"
    with pytest.raises(TooFewImages, match="of which 4 cannot be read"):
        advising(images).run()


def test_photographs_all_alike_are_refused_as_one_part():
    with pytest.raises(OneGroup):
        advising(good(1) * 12, groups=None).run()


@pytest.mark.parametrize("within", [0.0, -3.0, float("nan")])
def test_a_time_that_is_none_is_refused(within):
    with pytest.raises(ConfigError, match="at least one second"):
        advising(good(12), within=within).run()


def test_a_time_too_short_for_one_setting_names_the_seconds_needed():
    backbone = random_backbone()

    def slow(data: bytes) -> bytes:
        time.sleep(0.1)
        return data

    sources = [(f"{i}.png", partial(slow, data)) for i, data in enumerate(good(12))]
    with pytest.raises(ConfigError, match=r"Name at least \d+ seconds"):
        Advising(sources, {"tiny": lambda: backbone}, CONFIG, within=1.0).run()


def test_advice_costs_at_most_three_plain_builds():
    """In CPU seconds of the same images, both on one thread."""
    images = parts(40, (128, 128))
    backbone = random_backbone()
    named = [(f"{i}.png", partial(Photograph, np.ascontiguousarray(image))) for i, image in enumerate(images)]
    groups = by_photograph(40)
    learn(named[:12], backbone, CONFIG, groups=by_photograph(12))  # what happens once happens here
    started = time.process_time()
    learn(named, backbone, CONFIG, groups=groups)
    plain = time.process_time() - started
    asked = advising([encode_png(image) for image in images], groups=groups)
    started = time.process_time()
    asked.run()
    cost = time.process_time() - started
    print(f"advice {cost:.2f} s, plain build {plain:.2f} s, {cost / plain:.1f} times")
    assert cost <= 3 * plain
