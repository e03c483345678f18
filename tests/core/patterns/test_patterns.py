"""PatternNet: planted patterns are found, groupings agree by known values."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import random_backbone
from parts import build, parts

from core.errors import ShapeError
from core.input.views import view_of
from core.patterns import Pooled, agreement, mine, rand_index, seen, stability


def planted() -> Pooled:
    """Two kinds of rejects, each with four channels of its own that no nominal image raises."""
    rng = np.random.default_rng(0)
    nominal, rejects = (rng.normal(0, 1, (40, 16)).astype(np.float32) for _ in range(2))
    rejects[:20, :4] += 8
    rejects[20:, 4:8] += 8
    return Pooled(nominal, rejects)


@pytest.mark.parametrize("seed", range(3))
def test_planted_patterns_tell_rejects_from_nominal_images_by_planted_channels(seed: int) -> None:
    """Of two kinds they need not tell one from the other: nothing in the cost asks for it."""
    found = mine(planted(), 2, seed)
    assert found.separation == 1
    assert found.weights.min() >= 0
    assert found.weights[:, :8].sum() > 0.9 * found.weights.sum()
    assert (found.responses.mean(axis=0) > 0.2).all(), "each answers to a share of the rejects"


def test_a_pattern_is_placed_where_its_channels_are() -> None:
    found = mine(planted(), 2, seed=1)
    patches = np.zeros((9, 16), np.float32)
    patches[5, :4] = 9
    places = found.places(patches, int(found.groups[0]))
    assert places.argmax() == 5
    assert np.count_nonzero(places) == 1


def test_mining_is_the_same_for_a_seed_and_stability_is_one_for_equal_groups() -> None:
    a, b = (mine(planted(), 2, seed=3) for _ in range(2))
    assert np.array_equal(a.weights, b.weights)
    assert stability([a, b]) == 1


def test_groupings_agree_by_known_values() -> None:
    assert rand_index([0, 0, 1, 1], ["b", "b", "a", "a"]) == 1
    assert rand_index([0, 0, 1, 1], [0, 0, 1, 2]) == pytest.approx(
        0.5714285714285714
    )  # (1 - 1/3) / (3/2 - 1/3)
    assert rand_index([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(-0.5)
    assert agreement([0, 0, 1, 1], ["x", "x", "y", "y"]) == agreement([5, 5, 7, 7], ["x", "x", "y", "y"])
    assert agreement([0, 0, 1, 1], ["x", "y", "x", "y"]).nmi == pytest.approx(0)
    assert agreement([0, 0, 1, 1], ["x", "x", "x", "y"]).purity == 0.75


def test_images_respond_as_the_rejects_did_and_nominal_ones_hardly() -> None:
    pooled = planted()
    found = mine(pooled, 2)
    assert np.allclose(found.respond(pooled.rejects), found.responses, atol=1e-5)
    assert found.respond(pooled.nominal).max() < found.responses.max(axis=1).min()


def test_an_image_that_the_bank_learnt_is_seen_as_if_it_had_not() -> None:
    images = parts(8)
    bank, backbone = build(images), random_backbone()
    view = view_of(images[0], bank.config, bank.backbone.mean, bank.reference)
    x = view.tensor(bank.config.input, backbone.spec.mean, backbone.spec.std)
    own = np.flatnonzero(bank.provenance.image == 0)
    plain, apart = (seen(view, x, backbone(x[None]), bank, rows) for rows in (None, own))
    assert np.array_equal(plain.patches["whole"], apart.patches["whole"])
    assert apart.pooled()["residual"].sum() > plain.pooled()["residual"].sum()


def test_bad_input_is_refused() -> None:
    with pytest.raises(ShapeError, match="two rejects"):
        Pooled(np.zeros((3, 2), np.float32), np.zeros((1, 2), np.float32))
    with pytest.raises(ShapeError, match="at least 1"):
        mine(planted(), 0)
    with pytest.raises(ShapeError, match="same images"):
        agreement([1], [])
