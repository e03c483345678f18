"""Made defects: on the part, apart, as large as they say, the same for one seed, and nowhere else."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from parts import parts

from core.advice.made import EACH, KINDS, SIZES, Made, drawn, extent, planned
from core.input.mask import mask_text


def part_on_dark(side: int = 200) -> np.ndarray:
    """A bright square in the middle of a dark ground."""
    image = np.full((side, side, 3), 20, np.uint8)
    image[60:140, 60:140] = parts(1, (80, 80))[0]
    return image


def changed(image: np.ndarray, defects: list[Made]) -> np.ndarray:
    return np.asarray((drawn(image, defects) != image).any(axis=2))


def test_kinds_and_sizes_take_turns():
    flat = np.full((400, 400, 3), 90, np.uint8)
    made = [each for number in range(20) for each in planned(flat, number, 0)]
    kinds, sizes = (Counter(of) for of in zip(*((each.kind, each.size) for each in made), strict=True))
    assert len(made) > 0.9 * 20 * EACH
    assert kinds.keys() == {*KINDS}
    assert sizes.keys() == {*SIZES}
    assert max(kinds.values()) < 1.2 * min(kinds.values())
    assert max(sizes.values()) < 1.3 * min(sizes.values())


def test_defects_are_on_the_part_and_apart():
    for number in range(8):
        made = planned(part_on_dark(), number, 3)
        assert len(made) >= 2
        places = np.array([(each.y, each.x) for each in made])
        assert (places > 0.28).all()
        assert (places < 0.72).all()
        for one, other in itertools.combinations(made, 2):
            away = np.hypot(one.y - other.y, one.x - other.x)
            assert away >= extent(one.kind, one.size) + extent(other.kind, other.size) + 0.12


def test_what_stands_out_from_nothing_may_have_defects_anywhere():
    flat = np.full((100, 100, 3), 90, np.uint8)
    places = np.array([(each.y, each.x) for number in range(40) for each in planned(flat, number, 0)])
    assert places.min() < 0.2
    assert places.max() > 0.8


def test_none_is_where_a_mask_leaves_out():
    mask = np.zeros((200, 200), bool)
    mask[:, :100] = True
    made = [each for number in range(6) for each in planned(part_on_dark(), number, 0, mask_text(mask))]
    assert len(made) >= 6
    assert all(each.x < 0.5 for each in made)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_a_defect_changes_pixels_around_its_middle_only(kind, size):
    image = np.random.default_rng(0).integers(60, 120, (400, 600, 3), np.uint8)
    rows, columns = np.nonzero(changed(image, [Made(kind, size, 0.5, 0.25, 7)]))
    reach = max(2.0, size * 400) * (1.0 if kind == "scratch" else 0.5) + 3
    assert len(rows)
    assert np.abs(rows - 200).max() <= reach
    assert np.abs(columns - 150).max() <= reach


def test_the_same_seed_draws_the_same_pixels_and_another_others():
    image = part_on_dark()
    first, again = (drawn(image, planned(image, 5, 1)) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, drawn(image, planned(image, 5, 2)))


def test_a_defect_at_the_very_corner_is_cut_off():
    assert changed(part_on_dark(), [Made("blob", 0.08, 0.0, 0.999, 0)])[:10, -10:].any()
