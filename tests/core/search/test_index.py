"""Search against a float64 oracle; approximate indexes, their recall, and hostile index arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.config import IndexConfig
from core.errors import ConfigError, SearchError, ShapeError
from core.search import Index

HNSW = IndexConfig(kind="hnsw", links=8, build_effort=40, effort=32)
IVFPQ = IndexConfig(kind="ivfpq", lists=12, probes=4, code_bytes=4)
APPROXIMATE = pytest.mark.parametrize("config", [HNSW, IVFPQ], ids=lambda config: config.kind)
EVERY = pytest.mark.parametrize("config", [IndexConfig(), HNSW, IVFPQ], ids=lambda config: config.kind)


def oracle(queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """All Euclidean distances (n, m) in float64."""
    difference = queries[:, None].astype(np.float64) - vectors[None].astype(np.float64)
    return np.asarray(np.sqrt((difference**2).sum(axis=2)))


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(("m", "d", "n", "k"), [(1, 1, 1, 1), (7, 1, 30, 7), (50, 33, 1, 3), (300, 9, 64, 9)])
def test_search_equals_a_float64_search(rng: np.random.Generator, m: int, d: int, n: int, k: int) -> None:
    vectors, queries = normal(rng, m, d), normal(rng, n, d)
    distances, ids = Index.build(vectors).search(queries, k)
    every = oracle(queries, vectors)
    np.testing.assert_array_equal(ids, np.argsort(every, axis=1)[:, :k])
    np.testing.assert_allclose(distances, np.sort(every, axis=1)[:, :k], rtol=1e-5)


def test_distances_keep_their_accuracy_where_products_cancel(rng: np.random.Generator) -> None:
    vectors = normal(rng, 200, 64) + 1000  # squared norms of 6e7 leave a product no digit of these distances
    queries = vectors[:40] + normal(rng, 40, 64) * np.float32(0.01)
    distances, ids = Index.build(vectors).search(queries)
    np.testing.assert_array_equal(ids[:, 0], np.arange(40))
    np.testing.assert_allclose(distances[:, 0], oracle(queries, vectors).min(axis=1), rtol=1e-5)


@EVERY
def test_a_bank_vector_is_exactly_zero_from_itself(rng: np.random.Generator, config: IndexConfig) -> None:
    vectors = np.abs(normal(rng, 400, 24)) * 30 + 100
    distances, ids = Index.build(vectors, config).search(vectors)
    found = ids[:, 0] == np.arange(400)
    assert found.mean() >= (1 if config.kind == "flat" else 0.98)  # an approximate index may miss a few
    np.testing.assert_array_equal(distances[found], 0)


@EVERY
def test_a_batch_equals_its_singles_bit_for_bit(rng: np.random.Generator, config: IndexConfig) -> None:
    vectors, queries = normal(rng, 400, 24) + 20, normal(rng, 70, 24) + 20
    index = Index.build(vectors, config)
    distances, ids = index.search(queries, 4)
    singles = [index.search(query[None], 4) for query in queries]
    np.testing.assert_array_equal(distances, np.concatenate([single[0] for single in singles]))
    np.testing.assert_array_equal(ids, np.concatenate([single[1] for single in singles]))


def test_ties_beyond_every_candidate_go_to_the_lowest_ids(rng: np.random.Generator) -> None:
    vectors = np.repeat(normal(rng, 3, 8), 40, axis=0)[rng.permutation(120)]
    queries = normal(rng, 30, 8)
    distances, ids = Index.build(vectors).search(queries, 5)
    every = oracle(queries, vectors)
    nearest = np.isclose(every, every.min(axis=1, keepdims=True), rtol=1e-9)
    np.testing.assert_array_equal(ids, [np.flatnonzero(row)[:5] for row in nearest])
    np.testing.assert_array_equal(distances, np.repeat(distances[:, :1], 5, axis=1))


def test_no_queries_give_empty_answers(rng: np.random.Generator) -> None:
    distances, ids = Index.build(normal(rng, 5, 3)).search(np.empty((0, 3), np.float32), 2)
    assert distances.shape == ids.shape == (0, 2)


def test_queries_in_another_layout_or_precision_are_read_alike(rng: np.random.Generator) -> None:
    index, queries = Index.build(normal(rng, 30, 6)), normal(rng, 40, 6)
    expected = index.search(queries)[0]
    np.testing.assert_array_equal(index.search(np.asfortranarray(queries))[0], expected)
    np.testing.assert_array_equal(index.search(queries.astype(np.float64))[0], expected)


@EVERY
@pytest.mark.parametrize("k", [0, -1, 301])
def test_k_outside_the_bank_is_refused(rng: np.random.Generator, config: IndexConfig, k: int) -> None:
    index = Index.build(normal(rng, 300, 8), config)
    with pytest.raises(SearchError, match="300 vectors"):
        index.search(normal(rng, 2, 8), k)


def test_queries_of_another_dimension_are_refused(rng: np.random.Generator) -> None:
    with pytest.raises(SearchError, match=r"\(n, 8\)"):
        Index.build(normal(rng, 10, 8)).search(normal(rng, 2, 7))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_values_without_a_finite_square_are_refused(rng: np.random.Generator, value: float) -> None:
    vectors = normal(rng, 10, 4)
    queries = vectors.copy()
    queries[3, 2] = value
    with pytest.raises(ShapeError, match="row 3"):
        Index.build(vectors).search(queries)
    with pytest.raises(ShapeError, match="Bank vectors"):
        Index.build(queries)


@pytest.mark.parametrize("shape", [(0, 4), (4, 0)])
def test_a_bank_without_vectors_or_dimensions_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ShapeError, match="at least one"):
        Index.build(np.empty(shape, np.float32))


@EVERY
@pytest.mark.parametrize("count", [0, 1, 60, 399])
def test_nearest_excluding_equals_the_oracle_without_those(
    rng: np.random.Generator, config: IndexConfig, count: int
) -> None:
    vectors, queries = normal(rng, 400, 12), normal(rng, 40, 12)
    excluded = rng.permutation(400)[:count]
    every = oracle(queries, vectors)
    every[:, excluded] = np.inf
    distances, ids = Index.build(vectors, config).nearest_excluding(queries, excluded)
    np.testing.assert_allclose(distances, every.min(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(ids, every.argmin(axis=1))


def test_nearest_excluding_looks_past_a_whole_cluster_of_excluded(rng: np.random.Generator) -> None:
    near, far = normal(rng, 50, 6) * np.float32(0.01), normal(rng, 20, 6) + 10
    distances, ids = Index.build(np.concatenate([near, far])).nearest_excluding(near, np.arange(50))
    np.testing.assert_allclose(distances, oracle(near, far).min(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(ids, oracle(near, far).argmin(axis=1) + 50)


def test_nearest_excluding_refuses_to_exclude_everything_or_strangers(rng: np.random.Generator) -> None:
    index, queries = Index.build(normal(rng, 5, 3)), normal(rng, 2, 3)
    with pytest.raises(SearchError, match="must remain"):
        index.nearest_excluding(queries, np.arange(5))
    for stranger in (-1, 5):
        with pytest.raises(SearchError, match="from 0 to 4"):
            index.nearest_excluding(queries, np.array([stranger]))


@APPROXIMATE
def test_approximate_distances_are_exact_for_their_ids(rng: np.random.Generator, config: IndexConfig) -> None:
    vectors, queries = normal(rng, 500, 16), normal(rng, 50, 16)
    distances, ids = Index.build(vectors, config).search(queries, 3)
    np.testing.assert_allclose(distances, np.take_along_axis(oracle(queries, vectors), ids, 1), rtol=1e-5)
    assert (np.diff(distances, axis=1) >= 0).all()


@APPROXIMATE
def test_recorded_recall_is_the_share_of_held_queries_answered_exactly(
    rng: np.random.Generator, config: IndexConfig
) -> None:
    vectors, held = normal(rng, 600, 16), normal(rng, 200, 16)
    index = Index.build(vectors, config, held=held)
    share = np.mean(index.search(held)[1] == Index.build(vectors).search(held)[1])
    assert index.recall == pytest.approx(share)


def test_recall_falls_with_too_little_effort_and_is_one_for_flat(rng: np.random.Generator) -> None:
    vectors = normal(rng, 800, 16)
    hasty = IndexConfig(kind="ivfpq", lists=40, probes=1, code_bytes=1, rerank=1)
    assert Index.build(vectors, hasty).recall < 0.6
    assert Index.build(vectors).recall == 1


@APPROXIMATE
def test_same_vectors_and_seed_give_the_same_arrays(rng: np.random.Generator, config: IndexConfig) -> None:
    vectors = normal(rng, 400, 8)
    first, second = (Index.build(vectors, config, seed=3).arrays() for _ in range(2))
    other = Index.build(vectors, config, seed=4).arrays()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)


@EVERY
def test_an_index_from_its_arrays_searches_alike(rng: np.random.Generator, config: IndexConfig) -> None:
    vectors, queries = normal(rng, 400, 8), normal(rng, 60, 8)
    built = Index.build(vectors, config)
    loaded = Index.from_arrays(vectors, config, built.arrays())
    for mine, theirs in zip(built.search(queries, 5), loaded.search(queries, 5), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert loaded.recall == built.recall
    assert (loaded.size, loaded.dimension) == (400, 8)


def test_rows_an_approximate_index_cannot_fill_are_searched_exactly(rng: np.random.Generator) -> None:
    config = IndexConfig(kind="ivfpq", lists=30, probes=1, code_bytes=4)
    vectors, queries = normal(rng, 300, 8), normal(rng, 20, 8)
    distances, ids = Index.build(vectors, config).search(queries, 250)  # one list holds far fewer
    np.testing.assert_allclose(distances, np.sort(oracle(queries, vectors), axis=1)[:, :250], rtol=1e-5)
    assert all(len(set(row)) == 250 for row in ids.tolist())


def test_ivfpq_of_too_small_a_bank_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(SearchError, match="at least 256 vectors"):
        Index.build(normal(rng, 255, 8), IndexConfig(kind="ivfpq"))


def test_a_config_outside_its_ranges_is_refused() -> None:
    with pytest.raises(ConfigError, match="links"):
        IndexConfig(links=3)
    with pytest.raises(ConfigError, match="kind"):
        IndexConfig(kind="annoy")


def put(name: str, place: Any, value: float) -> Callable[[dict[str, np.ndarray]], None]:
    """A change to one element of an index array."""

    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays[name] = arrays[name].copy()
        arrays[name][place] = value

    return change


def replace(name: str, make: Callable[[np.ndarray], np.ndarray]) -> Callable[[dict[str, np.ndarray]], None]:
    """A change to a whole index array."""
    return lambda arrays: arrays.__setitem__(name, make(arrays[name]))


HOSTILE_GRAPHS = {
    "neighbour past the end": put("neighbours", 0, 300),
    "neighbour far past the end": put("neighbours", 5, 2**31 - 1),
    "neighbour below -1": put("neighbours", 0, -2),
    "neighbour without the level it is linked on": lambda arrays: put(
        "neighbours", arrays["neighbours"] < 0, arrays["levels"].argmin()
    )(arrays),
    "level of zero": put("levels", 0, 0),
    "level beyond FAISS's table": put("levels", 0, 1000),
    "level that needs more slots": lambda arrays: put("levels", arrays["levels"].argmin(), 2)(arrays),
    "level whose slots overflow": put("levels", slice(None), 2**31 - 1),
    "entry past the end": put("entry", 0, 300),
    "entry below zero": put("entry", 0, -1),
    "entry of a low level": lambda arrays: put("entry", 0, arrays["levels"].argmin())(arrays),
    "two entries": replace("entry", lambda entry: np.repeat(entry, 2)),
    "levels too short": replace("levels", lambda levels: levels[:-1]),
    "neighbours too short": replace("neighbours", lambda neighbours: neighbours[:-1]),
    "neighbours of another type": replace("neighbours", lambda neighbours: neighbours.astype(np.int64)),
    "levels in two dimensions": replace("levels", lambda levels: levels[None]),
    "an array missing": lambda arrays: arrays.pop("levels"),
    "an array unknown": lambda arrays: arrays.update(offsets=arrays["levels"]),
    "recall missing": lambda arrays: arrays.pop("recall"),
    "recall above one": put("recall", 0, 1.5),
    "recall not a number": put("recall", 0, np.nan),
}
HOSTILE_CELLS = {
    "centroid not a number": put("centroids", (0, 0), np.nan),
    "centroid infinite": put("centroids", (0, 0), np.inf),
    "centroid whose square overflows": put("centroids", (0, 0), 1e30),
    "codeword not a number": put("codebooks", (0, 0, 0), np.nan),
    "list past the end": put("lists", 0, 12),
    "list below zero": put("lists", 0, -1),
    "codes too few": replace("codes", lambda codes: codes[:-1]),
    "codes too narrow": replace("codes", lambda codes: np.ascontiguousarray(codes[:, :-1])),
    "codes of another type": replace("codes", lambda codes: codes.astype(np.int32)),
    "centroids of another dimension": replace("centroids", lambda centroids: centroids[:, :-1].copy()),
    "no centroids": replace("centroids", lambda centroids: centroids[:0]),
    "codebooks with fewer words": replace("codebooks", lambda codebooks: codebooks[:, :255].copy()),
    "codebooks that do not divide the dimension": replace("codebooks", lambda codebooks: codebooks[:3]),
    "no codebooks": replace("codebooks", lambda codebooks: codebooks[:0]),
    "an array missing": lambda arrays: arrays.pop("codes"),
    "recall below zero": put("recall", 0, -0.1),
}


@pytest.mark.parametrize("name", HOSTILE_GRAPHS)
def test_hostile_graph_arrays_never_reach_faiss(rng: np.random.Generator, name: str) -> None:
    refuse_changed(normal(rng, 300, 8), HNSW, HOSTILE_GRAPHS[name])


@pytest.mark.parametrize("name", HOSTILE_CELLS)
def test_hostile_cell_arrays_never_reach_faiss(rng: np.random.Generator, name: str) -> None:
    refuse_changed(normal(rng, 300, 8), IVFPQ, HOSTILE_CELLS[name])


def refuse_changed(
    vectors: np.ndarray, config: IndexConfig, change: Callable[[dict[str, np.ndarray]], object]
) -> None:
    arrays = Index.build(vectors, config).arrays()
    change(arrays)
    with pytest.raises(ShapeError):
        Index.from_arrays(vectors, config, arrays)


def test_a_flat_index_takes_no_arrays(rng: np.random.Generator) -> None:
    with pytest.raises(ShapeError, match="levels"):
        Index.from_arrays(normal(rng, 5, 2), IndexConfig(), {"levels": np.ones(5, np.int32)})


@APPROXIMATE
def test_arrays_changed_at_random_are_refused_or_still_search_within_the_bank(
    rng: np.random.Generator, config: IndexConfig
) -> None:
    vectors, queries = normal(rng, 300, 8), normal(rng, 30, 8)
    arrays = Index.build(vectors, config).arrays()
    outcomes = [survives(vectors, queries, config, scrambled(rng, arrays)) for _ in range(150)]
    assert 0 < sum(outcomes) < len(outcomes)  # both kinds of change were tried


def scrambled(rng: np.random.Generator, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    changed = {name: array.copy() for name, array in arrays.items()}
    target = changed[rng.choice(sorted(set(changed) - {"recall"}))].reshape(-1)
    if rng.random() < 0.5:
        target = target.view(np.uint8)  # bytes go astray, else whole elements
    target[rng.integers(len(target), size=3)] = target[rng.integers(len(target), size=3)]
    return changed


def survives(
    vectors: np.ndarray, queries: np.ndarray, config: IndexConfig, arrays: dict[str, np.ndarray]
) -> bool:
    try:
        index = Index.from_arrays(vectors, config, arrays)
    except ShapeError:
        return False
    distances, ids = index.search(queries, 5)
    assert ((ids >= 0) & (ids < len(vectors))).all()
    np.testing.assert_allclose(distances, np.take_along_axis(oracle(queries, vectors), ids, 1), rtol=1e-5)
    return True
