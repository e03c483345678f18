"""Descriptors on a shelf: exact while few, in float16 beyond, the same rows whatever was added or taken away."""

from __future__ import annotations

import numpy as np
import pytest

from core.retrieval import Shelf, shelf, unit

HALF = 2.0**-11  # of a value, that float16 rounds off at most


def made(n: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((n, 12)).astype(np.float32))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "CHUNK", 16)
    monkeypatch.setattr(shelf, "EXACT", 100)


@pytest.mark.parametrize("n", [1, 15, 16, 40, 100])
def test_few_descriptors_are_exact(n: int) -> None:
    vectors = made(n)
    found = Shelf(12).added(vectors[: n // 2]).added(vectors[n // 2 :])
    assert (len(found), found.halved) == (n, False)
    assert np.array_equal(found.taken(range(n)), vectors)
    assert np.allclose(found.products(vectors[0]), vectors @ vectors[0], atol=1e-6)


def test_more_are_kept_in_half_and_none_is_dropped() -> None:
    vectors, found = made(250), Shelf(12)
    before = found
    for some in np.array_split(vectors, 7):
        found = found.added(some)
    assert (len(found), found.halved, len(before)) == (250, True, 0)
    assert np.abs(found.taken(range(250)) - vectors).max() <= HALF
    assert np.abs(found.products(vectors[3]) - vectors @ vectors[3]).max() < 12 * HALF
    assert int(found.products(vectors[3]).argmax()) == 3
    axes = np.diag(np.arange(1, 13)).astype(np.float32)
    assert np.allclose(found.lengths(axes), np.linalg.norm(vectors @ axes, axis=1), rtol=1e-3)


def test_those_that_are_kept_stay_in_their_order_and_the_shelf_before_stays_too() -> None:
    vectors = made(130)
    whole = Shelf(12).added(vectors)
    rows = [*range(0, 130, 3)]
    some = whole.kept(rows)
    assert np.abs(some.taken(range(len(rows))) - vectors[rows]).max() <= 2 * HALF
    assert (len(whole), len(some), len(Shelf(12).kept([]))) == (130, len(rows), 0)
    assert len(Shelf(12).products(vectors[0])) == 0
