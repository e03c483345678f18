"""A set looked over: a planted defect is on the list, the document is plain, stable and the same on any threads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from fakes import random_backbone
from parts import SMALL, parts, scratched

from app.inspection.backbones import backbone_ref
from core.build import Build
from core.errors import AllDuplicates, Cancelled, ConfigError, OneGroup, TooFewImages
from core.groups import Groups, by_parts, by_photograph
from core.input.photograph import Photograph
from core.screening.screening import Screening, doubt, screen, screening_config


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def screening(images: list[np.ndarray], groups: Groups | None = None, **options: Any) -> Screening:
    backbone = random_backbone()
    build = Build(
        backbone,
        backbone_ref(backbone),
        screening_config(SMALL),
        cancelled=options.pop("cancelled", None),
        offset=backbone.spec.offset,
    )
    named = ((f"{i:03d}.png", Photograph(image)) for i, image in enumerate(images))
    return screen(build, named, len(images), groups and (lambda: groups), **options)


def with_defects(n: int, *places: int) -> list[np.ndarray]:
    images = parts(n)
    for i in places:
        images[i] = scratched(images[i], 40, 24, 16)
    return images


def test_planted_defects_come_first_and_their_maps_say_where():
    found = screening(with_defects(40, 7, 23), by_photograph(40), expected=0.05)
    assert {each.image for each in found.suspects[:2]} == {7, 23}
    assert len(found.suspects) == 5
    document = found.document()
    for suspect in document["suspects"][:2]:
        assert abs(suspect["x"] - 24) < 14
        assert abs(suspect["y"] - 40) < 14
        assert suspect["outlier"] > 1.2
    heat = found.heat(found.suspects[0])
    assert heat.shape == (64, 64)
    assert heat.max() > found.level > 0


def test_a_defect_photographed_many_times_stays_on_the_list():
    images = [*parts(40), *(scratched(image, 40, 24, 16) for image in parts(8, seed=5))]
    labels = by_parts([*map(str, range(40)), *["bad"] * 8])
    found = screening(images, labels, expected=0.1)
    assert {each.image for each in found.suspects[:8]} == set(range(40, 48))


def test_the_document_names_groups_copies_and_what_they_support():
    images = parts(12)
    images[5] = images[2].copy()
    document = screening(images, by_parts([str(i // 2) if i != 5 else "1" for i in range(12)])).document()
    assert (
        document["says"][0] == "12 photographs of 6 parts; they support a false-reject rate of 14 % at best."
    )
    assert (document["images"], document["parts"], document["grouped_by"]) == (12, 6, "parts")
    assert document["groups"][1] == {"part": "1", "images": ["002.png", "003.png", "005.png"]}
    assert document["duplicates"] == [["002.png", "005.png"]]
    assert [len(each) for each in document["near_duplicates"]] == [2, 3, 2, 2, 2]
    assert sum(len(each["images"]) for each in document["groups"]) == 12


def test_groups_are_found_where_none_are_given():
    images = parts(12)
    images[9] = images[4].copy()
    found = screening(images)
    assert found.groups.source == "auto"
    assert found.groups.labels[9] == found.groups.labels[4]
    assert found.duplicates == ((4, 9),)


def test_images_of_mixed_sizes_are_compared_as_the_backbone_sees_them():
    images = [*parts(8), *parts(3, (96, 64), seed=2)]
    document = screening(images, by_photograph(11)).document()
    assert [(kind["what"], len(kind["images"])) for kind in document["sizes"]] == [
        ("64 x 64 pixels", 8),
        ("64 x 96 pixels", 3),
    ]
    assert "Different sizes: 2. Most images, 8, are 64 x 64 pixels; 3 are not." in document["says"]
    assert len(document["aspects"]) == 2


@pytest.mark.usefixtures("threads")
def test_the_same_images_give_the_same_bytes_on_any_threads():
    found = []
    for count in (1, 2, 2):
        torch.set_num_threads(count)
        found.append(json.dumps(screening(with_defects(30, 3)).document(), allow_nan=False))
    assert found[0] == found[1] == found[2]


def test_the_list_is_twice_the_expected_number_and_five_at_least():
    images = parts(40)
    assert len(screening(images, by_photograph(40)).suspects) == 5
    assert len(screening(images, by_photograph(40), expected=0.2).suspects) == 16
    assert len(screening(images[:3], by_photograph(3)).suspects) == 3
    assert len(screening(images, by_photograph(40), expected=0.9).suspects) == 40


def test_doubt_is_the_mean_of_both_ranks_and_of_one_where_the_other_is_not_known():
    scores, factors = np.float32([1, 3, 2, 4]), np.float32([9, 1, np.nan, 2])
    assert doubt(scores, factors).tolist() == [(1 / 4 + 1) / 2, (3 / 4 + 1 / 3) / 2, 2 / 4, (1 + 2 / 3) / 2]


def test_a_grid_of_about_sixteen_cells_whatever_the_input():
    strides = {
        size: screening_config(replace(SMALL, input=replace(SMALL.input, size=size))).patch.stride
        for size in (64, 128, 256, 384, 1024)
    }
    assert strides == {64: 1, 128: 1, 256: 2, 384: 3, 1024: 8}


@pytest.mark.parametrize("expected", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_that_is_none_is_refused(expected):
    with pytest.raises(ConfigError, match="share of photographs"):
        screening(parts(4), expected=expected)


def test_too_few_images_or_parts_are_refused():
    with pytest.raises(TooFewImages):
        screening([])
    with pytest.raises(TooFewImages):
        screening(parts(1))
    with pytest.raises(OneGroup):
        screening(parts(4), Groups(np.zeros(4, np.int32), "file"))
    with pytest.raises(AllDuplicates, match="4 copies of one photograph"):
        screening([parts(1)[0]] * 4)


def test_it_stops_when_asked():
    with pytest.raises(Cancelled):
        screening(parts(12), cancelled=lambda: True)
