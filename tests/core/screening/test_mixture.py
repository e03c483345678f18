"""Sizes, shapes and colours are counted by content; another product is told from a wide spread of one."""

from __future__ import annotations

import numpy as np
from parts import parts

from core.groups import Groups, by_photograph, numbered
from core.input.photograph import Photograph
from core.screening.mixture import Look, aspects, colours, products, sizes


def looks(*shapes: tuple[int, int], grey: bool = False) -> list[Look]:
    return [Look(shape, grey) for shape in shapes]


def test_sizes_are_counted_the_most_frequent_first():
    found = sizes(looks((20, 30), (40, 30), (20, 30), (10, 10)))
    assert [(kind.what, kind.images) for kind in found] == [
        ("30 x 20 pixels", (0, 2)),
        ("30 x 40 pixels", (1,)),
        ("10 x 10 pixels", (3,)),
    ]


def test_rounding_of_a_side_is_no_other_aspect_ratio():
    found = aspects(looks((200, 300), (100, 150), (133, 200), (300, 200)))
    assert [kind.images for kind in found] == [(0, 1, 2), (3,)]
    assert found[0].what == "1.50 times as wide as high"
    assert found[1].what == "0.67 times as wide as high"


def test_a_reduced_photograph_has_the_size_of_its_original():
    assert Look.of(Photograph(np.zeros((20, 30, 3), np.uint8), 4)).shape == (80, 120)


def test_grey_is_told_by_content_not_by_channels():
    grey = np.repeat(np.random.default_rng(0).integers(0, 255, (50, 70, 1), np.uint8), 3, axis=2)
    noisy = np.clip(grey.astype(int) + np.random.default_rng(1).integers(-3, 4, grey.shape), 0, 255)
    tinted = grey.copy()
    tinted[10:30, 10:30, 0] = 255
    tinted[10:30, 10:30, 2] = 0
    found = [Look.of(Photograph(np.asarray(image, np.uint8))) for image in (grey, noisy, tinted)]
    assert [look.grey for look in found] == [True, True, False]
    assert [kind.what for kind in colours(found)] == ["in shades of grey", "in colour"]
    assert Look.of(Photograph(np.full((5, 4000, 3), 9, np.uint8))).grey


def cloud(rng: np.random.Generator, n: int, middle: float = 0.0) -> np.ndarray:
    return (rng.normal(0, 1, (n, 64)) + middle).astype(np.float32)


def sizes_of(sketches: np.ndarray, groups: Groups | None = None) -> list[int]:
    found = products(sketches, groups or by_photograph(len(sketches)), 0)
    return [len(kind.images) for kind in found]


def test_one_kind_of_part_is_one_product():
    rng = np.random.default_rng(0)
    assert [sizes_of(cloud(rng, n)) for n in (2, 3, 4, 12, 100)] == [[2], [3], [4], [12], [100]]
    spread = cloud(rng, 80) * np.linspace(1, 2, 80, dtype=np.float32)[:, None]
    assert sizes_of(spread) == [80]


def test_three_images_of_another_product_are_found_and_named():
    rng = np.random.default_rng(0)
    found = products(np.concatenate([cloud(rng, 50), cloud(rng, 3, 4.0)]), by_photograph(53), 0)
    assert [kind.what for kind in found] == ["of product 1", "of product 2"]
    assert found[1].images == (50, 51, 52)


def test_three_products_and_an_outlier_are_three_products():
    rng = np.random.default_rng(0)
    sketches = np.concatenate(
        [cloud(rng, 30), cloud(rng, 20, 4.0), cloud(rng, 10, -4.0), cloud(rng, 1, 30.0)]
    )
    assert sizes_of(sketches) == [30, 20, 10]


def test_one_or_two_odd_images_are_suspects_but_no_product():
    rng = np.random.default_rng(0)
    assert sizes_of(np.concatenate([cloud(rng, 50), cloud(rng, 2, 6.0)])) == [52]


def test_bursts_of_few_parts_are_no_products():
    rng = np.random.default_rng(0)
    sketches = np.repeat(cloud(rng, 12), 10, axis=0) + rng.normal(0, 0.01, (120, 64)).astype(np.float32)
    assert sizes_of(sketches, Groups(numbered(np.repeat(np.arange(12), 10).tolist()), "auto")) == [120]


def test_a_foreign_part_photographed_three_times_is_found():
    rng = np.random.default_rng(0)
    sketches = np.concatenate([cloud(rng, 40), np.repeat(cloud(rng, 1, 4.0), 3, axis=0)])
    groups = Groups(numbered([*range(40), 40, 40, 40]), "auto")
    assert sizes_of(sketches, groups) == [40, 3]


def test_photographs_of_parts_have_looks():
    assert {Look.of(Photograph(image)).shape for image in parts(3)} == {(64, 64)}
