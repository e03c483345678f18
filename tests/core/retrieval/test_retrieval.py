"""Descriptors, whitening, expansion and triplets, on known values."""

from __future__ import annotations

import numpy as np
import pytest

from core.retrieval import (
    KINDS,
    WORST,
    Kind,
    describe,
    expanded,
    learn_projection,
    ranked,
    regions_of,
    retrieval_quality,
    unit,
    whitening_of,
    worst_mean,
)


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_a_map_of_16_x_16_has_14_regions_of_sides_16_10_and_8() -> None:
    regions = regions_of(16, 16)
    assert [side for _, _, side in regions] == [16] + [10] * 4 + [8] * 9
    assert {(top, left) for top, left, side in regions if side == 10} == {(0, 0), (0, 6), (6, 0), (6, 6)}


@pytest.mark.parametrize(("rows", "columns"), [(16, 24), (24, 16), (1, 1), (3, 40), (7, 8)])
def test_regions_lie_within_the_map_and_touch_all_its_sides(rows: int, columns: int) -> None:
    regions = regions_of(rows, columns)
    assert all(
        0 <= top <= rows - side and 0 <= left <= columns - side and side >= 1 for top, left, side in regions
    )
    assert max(top + side for top, _, side in regions) == rows
    assert max(left + side for _, left, side in regions) == columns


def test_regions_of_a_map_on_its_side_are_those_of_the_map_turned() -> None:
    turned = {(left, top, side) for top, left, side in regions_of(16, 24)}
    assert turned == set(regions_of(24, 16))


@pytest.mark.parametrize("kind", KINDS)
def test_a_descriptor_has_unit_length_whitened_or_not(kind: Kind) -> None:
    vectors, distances = np.abs(noise(64, 12)), np.abs(noise(64, seed=1))
    for whitening in (None, whitening_of(noise(500, 12))):
        found = describe(kind, vectors, distances, (8, 8), whitening)
        assert found.shape == (12,)
        assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)


def test_the_worst_patches_are_those_with_the_largest_distances() -> None:
    vectors, distances = noise(100, 4), np.arange(100, dtype=np.float32)
    assert np.allclose(worst_mean(vectors, distances), vectors[-WORST:].mean(axis=0), atol=1e-6)
    assert np.allclose(worst_mean(vectors[:3], distances[:3]), vectors[:3].mean(axis=0), atol=1e-6)


def test_gem_of_power_3_lies_between_mean_and_maximum() -> None:
    vectors = np.abs(noise(50, 1))
    raw = float(np.cbrt((vectors.astype(np.float64) ** 3).mean()))
    assert vectors.mean() < raw < vectors.max()
    two = np.concatenate([vectors, np.ones_like(vectors)], axis=1)
    found = describe("gem", two, np.zeros(50, np.float32), (5, 10))
    assert found[0] / found[1] == pytest.approx(raw, rel=1e-5)


def test_rmac_sums_the_maxima_of_regions_each_of_unit_length() -> None:
    plane = noise(256, 5)
    maxima = [
        plane.reshape(16, 16, 5)[t : t + s, x : x + s].reshape(-1, 5).max(0) for t, x, s in regions_of(16, 16)
    ]
    expected = unit(unit(np.stack(maxima)).sum(axis=0)[None])[0]
    assert np.allclose(describe("rmac", plane, np.zeros(256, np.float32), (16, 16)), expected, atol=1e-6)


def test_whitened_nominal_patches_have_the_identity_as_their_covariance() -> None:
    mixed = noise(4000, 8) @ noise(8, 8, seed=1) + 5
    whitening = whitening_of(mixed, floor=0.0)
    white = (mixed - whitening.mean) @ whitening.axes
    assert np.allclose(np.cov(white.T), np.eye(8), atol=1e-2)
    assert np.allclose(white.mean(axis=0), 0, atol=1e-2)


def test_a_direction_in_which_good_parts_never_vary_stays_finite() -> None:
    flat = noise(300, 6)
    flat[:, 5] = 1
    assert np.isfinite(whitening_of(flat)(noise(10, 6, seed=2))).all()


def test_the_query_ranks_first_and_order_falls() -> None:
    known = unit(noise(200, 16))
    rows, similar = ranked(known[7], known, 10)
    assert rows[0] == 7
    assert similar[0] == pytest.approx(1, abs=1e-5)
    assert (np.diff(similar) <= 0).all()
    assert len(ranked(known[7], known, 1000)[0]) == 200
    everything, _ = ranked(known[7], known, 200)
    assert rows.tolist() == everything[:10].tolist()


def test_equals_come_in_the_order_they_are_known() -> None:
    known = unit(np.ones((6, 3), np.float32))
    assert ranked(known[0], known, 4)[0].tolist() == [0, 1, 2, 3]


def test_expansion_with_none_changes_nothing_and_with_some_goes_towards_them() -> None:
    known = unit(noise(50, 8))
    query = unit(noise(1, 8, seed=3))[0]
    assert expanded(query, known, nearest=0) is query
    assert expanded(query, known[:0], nearest=5) is query
    grown = expanded(query, known, nearest=3)
    nearest = known[ranked(query, known, 3)[0]]
    assert (nearest @ grown).mean() > (nearest @ query).mean()
    assert np.linalg.norm(grown) == pytest.approx(1, abs=1e-5)


def test_quality_leaves_out_the_querys_own_part() -> None:
    same = unit(np.asarray([[1, 0], [1, 0.01], [0, 1], [0.01, 1]], np.float32))
    kinds = np.asarray(["crack", "crack", "stain", "stain"])
    assert retrieval_quality(same, kinds, np.arange(4)).map == 1
    alone = retrieval_quality(same, kinds, np.asarray([0, 0, 1, 1]))
    assert (alone.queries, alone.map) == (0, 0)


def test_average_precision_by_hand() -> None:
    known = unit(np.asarray([[1, 0], [1, 0.1], [1, 0.2]], np.float32))
    quality = retrieval_quality(known, np.asarray(["a", "b", "a"]), np.arange(3))
    # the first finds b, then a: 1/2; the third finds b, then a: 1/2; the second has no other of its kind
    assert (quality.queries, quality.map, quality.precision_at_1) == (2, 0.5, 0.0)


def clusters(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two kinds that differ in one direction, which others drown."""
    chance = np.random.default_rng(seed)
    kinds = np.repeat([0, 1], 60)
    plain = chance.standard_normal((120, 12)).astype(np.float32)
    plain[:, 0] += np.where(kinds == 0, 1.0, -1.0)
    return unit(plain), kinds, np.arange(120)


def test_triplets_find_what_sets_the_kinds_apart() -> None:
    descriptors, kinds, parts = clusters()
    learnt = learn_projection(descriptors, kinds, parts)
    assert learnt is not None
    assert learnt.after > learnt.before + 0.03
    unseen, kinds, parts = clusters(seed=1)
    assert (
        retrieval_quality(learnt(unseen), kinds, parts).map
        > retrieval_quality(unseen, kinds, parts).map + 0.03
    )


def test_triplets_are_not_offered_where_kinds_are_chance_or_labels_few() -> None:
    descriptors, kinds, parts = clusters()
    shuffled = np.random.default_rng(5).permutation(kinds)
    assert learn_projection(unit(noise(120, 12)), shuffled, parts) is None
    assert learn_projection(descriptors[40:80], kinds[40:80], parts[40:80]) is None
    assert learn_projection(descriptors, np.zeros(120), parts) is None


def test_triplets_learn_the_same_from_the_same_seed() -> None:
    one, other = learn_projection(*clusters()), learn_projection(*clusters())
    assert one is not None
    assert other is not None
    assert np.array_equal(one.axes, other.axes)
