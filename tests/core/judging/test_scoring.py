"""Image scores against float64 forms of Eq. 6 and Eq. 7 written out one patch at a time."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import ShapeError
from core.judging.scoring import image_scores, reweight, reweighted_scores


class ExactIndex:
    """Brute-force nearest neighbours in float64: the working stand-in for an index."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        assert k <= len(self.vectors)
        apart = distances_between(queries, self.vectors)
        ids = np.argsort(apart, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(apart, ids, axis=1).astype(np.float32), ids.astype(np.int64)


def distances_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a[:, None].astype(np.float64) - b[None].astype(np.float64), axis=-1)


def naive_reweighted(patches: np.ndarray, bank: np.ndarray, b: int) -> float:
    """Eq. 7 as printed: (1 - exp(s*) / sum exp(d_m)) s*, in float64."""
    apart = distances_between(patches, bank)
    worst = apart.min(axis=1).argmax()
    m_star = apart[worst].argmin()
    around = np.argsort(distances_between(bank[m_star : m_star + 1], bank)[0], kind="stable")[:b]
    s_star = apart[worst, m_star]
    return float((1 - np.exp(s_star) / np.exp(apart[worst, around]).sum()) * s_star)


def eq_7(
    patches: np.ndarray,
    index: ExactIndex,
    neighbours: int = 9,
    excluded: np.ndarray | None = None,
) -> np.ndarray:
    """Scores (b,) of patches (b, p, d): Eq. 6 by brute force over what is not excluded, then Eq. 7."""
    apart = np.stack([distances_between(image, index.vectors) for image in patches])  # (b, p, m)
    if excluded is not None:
        apart[:, :, excluded] = np.inf
    distances = apart.min(axis=2).astype(np.float32)
    images, worst = np.arange(len(patches)), distances.argmax(axis=1)
    nearest = apart[images, worst].argmin(axis=1)
    return reweighted_scores(
        image_scores(distances),
        patches[images, worst],
        nearest,
        index.vectors,
        index.search,
        neighbours,
        excluded,
    )


@pytest.fixture
def patches(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(4, 12, 6)).astype(np.float32)


@pytest.fixture
def bank(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(40, 6)).astype(np.float32)


def test_image_score_is_the_largest_nearest_distance() -> None:
    distances = np.array([[1, 7, 3], [2, 2, 0]], dtype=np.float32)
    assert image_scores(distances).tolist() == [7, 2]


def test_images_without_patches_are_refused() -> None:
    with pytest.raises(ShapeError, match="at least one patch"):
        image_scores(np.empty((2, 0), np.float32))


def test_no_images_give_no_scores() -> None:
    assert image_scores(np.empty((0, 5), np.float32)).shape == (0,)


@pytest.mark.parametrize("neighbours", [1, 2, 9, 40])
def test_reweighted_scores_equal_the_printed_equation(
    patches: np.ndarray, bank: np.ndarray, neighbours: int
) -> None:
    expected = [naive_reweighted(image, bank, neighbours) for image in patches]
    np.testing.assert_allclose(eq_7(patches, ExactIndex(bank), neighbours), expected, rtol=1e-4, atol=1e-6)


def test_neighbours_larger_than_bank_uses_whole_bank(patches: np.ndarray, bank: np.ndarray) -> None:
    five = ExactIndex(bank[:5])
    np.testing.assert_array_equal(eq_7(patches, five, 9), eq_7(patches, five, 5))


def test_a_bank_of_one_vector_scores_zero_by_eq_7(patches: np.ndarray, bank: np.ndarray) -> None:
    np.testing.assert_allclose(eq_7(patches, ExactIndex(bank[:1])), np.zeros(4), atol=1e-5)


def test_a_batch_scores_as_its_images_do_alone(patches: np.ndarray, bank: np.ndarray) -> None:
    index = ExactIndex(bank)
    alone = [eq_7(patches[i : i + 1], index)[0] for i in range(4)]
    np.testing.assert_array_equal(eq_7(patches, index), alone)


def test_excluded_vectors_count_as_absent(patches: np.ndarray, bank: np.ndarray) -> None:
    excluded = np.array([0, 3, 4, 17, 39], dtype=np.int64)
    expected = eq_7(patches, ExactIndex(np.delete(bank, excluded, axis=0)))
    np.testing.assert_allclose(eq_7(patches, ExactIndex(bank), excluded=excluded), expected, rtol=1e-6)


def test_few_vectors_left_by_exclusion_are_all_used(patches: np.ndarray, bank: np.ndarray) -> None:
    expected = eq_7(patches, ExactIndex(bank[:3]))
    found = eq_7(patches, ExactIndex(bank[:8]), excluded=np.arange(3, 8))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_bank_all_excluded_is_refused(patches: np.ndarray, bank: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="not excluded"):
        eq_7(patches, ExactIndex(bank), excluded=np.arange(40))


class ForgetfulIndex(ExactIndex):
    """Misses the vector it is asked for, as an approximate index may."""

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        distances, ids = super().search(queries, k + 1)
        return distances[:, 1:], ids[:, 1:]


def test_itself_counts_as_neighbour_even_where_the_index_misses_it(
    patches: np.ndarray, bank: np.ndarray
) -> None:
    found, expected = eq_7(patches, ForgetfulIndex(bank)), eq_7(patches, ExactIndex(bank))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_nine_duplicates_keep_eight_ninths_of_the_score(patches: np.ndarray, bank: np.ndarray) -> None:
    """Copies of m* fill N_9(m*) with distances s*: Eq. 7 gives s* (1 - 1/9), whichever copy m* is."""
    copies = np.repeat(bank[:1], 12, axis=0)
    eq_6 = distances_between(patches[0], bank[:1]).max()
    np.testing.assert_allclose(eq_7(patches[:1], ExactIndex(copies)), eq_6 * 8 / 9, rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e3, 1e6, 1e30])
def test_no_magnitude_of_distance_gives_nan_or_leaves_the_range(
    scale: float, rng: np.random.Generator
) -> None:
    apart = (np.sort(rng.random((8, 9)), axis=1) * scale).astype(np.float32)
    found = reweight(apart[:, 0], apart)
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= apart[:, 0])).all()


def test_a_perfect_match_scores_zero() -> None:
    distances = np.array([[0, 5, 900]], dtype=np.float32)
    assert reweight(distances[:, 0], distances).tolist() == [0]


def test_small_differences_of_large_distances_keep_their_digits() -> None:
    """Nine equal neighbours give exactly 1 - 1/9, where exp(1000) alone would overflow."""
    distances = np.full((1, 9), 1000, dtype=np.float32)
    np.testing.assert_allclose(reweight(distances[:, 0], distances), 1000 * 8 / 9, rtol=1e-6)
