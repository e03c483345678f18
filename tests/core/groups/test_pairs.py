"""Candidate pairs against an oracle, and LSH against its theorems."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.groups.pairs import NEAREST, WINDOW, Pairs, exact_pairs, lsh_pairs, term_codes


def directions(rng, n, d):
    vectors = rng.standard_normal((n, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def at_angle(rng, n, d, theta):
    """n pairs of unit vectors, each pair at the angle theta."""
    a, other = directions(rng, n, d).astype(np.float64), directions(rng, n, d).astype(np.float64)
    other -= (other * a).sum(1, keepdims=True) * a
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    b = np.cos(theta) * a + np.sin(theta) * other
    return np.concatenate([a, b]).astype(np.float32)


def as_set(pairs):
    return set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


@pytest.mark.parametrize("theta", [0.3, 0.8, np.pi / 2, 2.0])
def test_a_bit_is_equal_with_probability_one_minus_theta_by_pi(rng, theta):
    vectors = at_angle(rng, 400, 64, theta)
    bits = term_codes(vectors, 1, terms=200, bits=1)
    equal = (bits[:400] == bits[400:]).mean()
    assert equal == pytest.approx(1 - theta / np.pi, abs=0.006)  # 80,000 draws: 3.5 standard deviations


@pytest.mark.parametrize(("terms", "bits"), [(64, 12), (16, 6)])
@pytest.mark.parametrize("cosine", [0.6, 0.8, 0.95])
def test_recall_is_one_minus_the_chance_that_no_term_agrees(rng, terms, bits, cosine):
    theta, n = np.arccos(cosine), 2000
    codes = term_codes(at_angle(rng, n, 64, theta), 2, terms, bits)
    found = (codes[:n] == codes[n:]).any(axis=1).mean()
    predicted = 1 - (1 - (1 - theta / np.pi) ** bits) ** terms
    assert found == pytest.approx(predicted, abs=0.05)  # pairs share the planes


def test_lsh_finds_as_many_of_the_true_pairs_as_predicted(rng):
    n, theta = 1500, np.arccos(0.85)
    found = as_set(lsh_pairs(at_angle(rng, n, 128, theta), 3, terms=32, bits=12))
    predicted = 1 - (1 - (1 - theta / np.pi) ** 12) ** 32
    recall = sum((i, i + n) in found for i in range(n)) / n
    assert recall == pytest.approx(predicted, abs=0.03)


def test_exact_pairs_are_those_of_a_sort_of_all_products(rng):
    vectors = directions(rng, 150, 16)
    products = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    np.fill_diagonal(products, -np.inf)
    nearest = np.argsort(-products, axis=1)[:, :NEAREST]
    expected = {(min(i, j), max(i, j)) for i, row in enumerate(nearest.tolist()) for j in row}
    assert as_set(exact_pairs(vectors)) == expected


def test_fewer_vectors_than_neighbours_give_all_pairs(rng):
    assert as_set(exact_pairs(directions(rng, 3, 4))) == {(0, 1), (0, 2), (1, 2)}


def test_a_term_that_all_share_costs_a_window_and_no_square(rng):
    same = np.repeat(directions(rng, 1, 8), 500, axis=0)
    pairs = lsh_pairs(same, 0)
    assert len(pairs.first) <= 500 * WINDOW
    assert len(np.unique(np.concatenate(pairs))) == 500


def test_pairs_are_ascending_and_each_there_once():
    pairs = Pairs.of(np.array([3, 1, 2, 1]), np.array([1, 3, 0, 0]), 4)
    assert as_set(pairs) == {(0, 1), (0, 2), (1, 3)}
    assert pairs.first.tolist() == [0, 0, 1]


@pytest.mark.parametrize("search", [exact_pairs, lambda vectors: lsh_pairs(vectors, 5)])
def test_pairs_do_not_depend_on_the_number_of_threads(rng, search):
    vectors = directions(rng, 1300, 32)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(as_set(search(vectors)))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1] == found[2]
