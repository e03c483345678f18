"""The coarse product and the sketches: whatever they round, the nearest are those that direct measuring finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from core.search import Index, bounds, contenders
from core.search import measure as measures
from core.search.bounds import product
from core.search.contenders import Product
from core.search.exact import ExactSearch
from core.search.sketch import Sketch

Kind = torch.dtype
EXACT = pytest.mark.skipif(
    not bounds.multiplies_exactly(), reason="this processor does not multiply integers exactly"
)
BOTH = pytest.mark.parametrize("kind", [torch.float32, pytest.param(torch.int8, marks=EXACT)])
SHAPES = [
    (1, 1, 1),
    (7, 5, 7),
    (300, 24, 5),
    (900, 40, 2),
    (700, 512, 1),
    (640, 520, 4),
]  # the last two sketch


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def patchlike(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Vectors whose variance falls along axes, as that of patches does, around a mean far from 0."""
    spectrum = (np.arange(1, d + 1) ** -0.7).astype(np.float32)
    return np.asarray(normal(rng, n, d) * spectrum + 1, np.float32)


def product_of(kind: Kind | None, vectors: np.ndarray) -> Product:
    """The first product of this kind, in place of what is measured to be quicker here."""
    return ExactSearch(vectors, kind=kind).product


def measure(queries: np.ndarray, rows: np.ndarray, vectors: np.ndarray, ids: np.ndarray) -> np.ndarray:
    return measures.measure(*map(torch.from_numpy, (queries, rows, vectors, ids))).numpy()


def directly(
    queries: np.ndarray, vectors: np.ndarray, k: int, excluded: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Every pair measured: the k nearest, ties by id."""
    n, m = len(queries), len(vectors)
    rows, ids = np.divmod(np.arange(n * m), m)
    squared = measure(queries, rows, vectors, ids).reshape(n, m)
    if excluded is not None:
        squared[:, excluded] = np.inf
    order = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(squared, order, axis=1), order


def assert_found(
    kind: Kind,
    queries: np.ndarray,
    vectors: np.ndarray,
    k: int = 1,
    excluded: np.ndarray | None = None,
) -> None:
    squared, ids = ExactSearch(vectors, kind=kind).nearest(torch.from_numpy(queries), k, excluded)
    expected, order = directly(queries, vectors, k, excluded)
    np.testing.assert_array_equal(ids, order)
    np.testing.assert_array_equal(squared, expected)


def sketched(sketch: Sketch, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sketches, off = sketch(torch.from_numpy(vectors))
    return sketches.numpy(), off.numpy()


def test_direct_distances_are_those_of_float64(rng: np.random.Generator) -> None:
    queries, vectors = normal(rng, 20, 1536) + 30, normal(rng, 50, 1536) + 30
    rows, ids = rng.integers(0, 20, 300), rng.integers(0, 50, 300)
    exact = ((queries[rows].astype(np.float64) - vectors[ids]) ** 2).sum(axis=1)
    np.testing.assert_allclose(measure(queries, rows, vectors, ids), exact, rtol=1e-6)


@BOTH
@pytest.mark.parametrize(("m", "d", "k"), SHAPES)
def test_the_nearest_are_those_of_measuring_every_pair(
    rng: np.random.Generator, kind: Kind, m: int, d: int, k: int
) -> None:
    assert_found(kind, patchlike(rng, 200, d), patchlike(rng, m, d), k)


@BOTH
@pytest.mark.parametrize(("m", "d", "k"), [(300, 24, 1), (300, 24, 4), (640, 512, 1), (640, 512, 3)])
@pytest.mark.parametrize("left", [4, 40])
def test_what_is_excluded_is_never_found(
    rng: np.random.Generator, kind: Kind, m: int, d: int, k: int, left: int
) -> None:
    vectors = patchlike(rng, m, d)
    excluded = np.ones(m, bool)
    excluded[rng.permutation(m)[:left]] = False
    assert_found(kind, vectors[:150] + np.float32(1e-3), vectors, k, excluded)


@BOTH
def test_the_few_that_remain_are_found_wherever_they_stand(rng: np.random.Generator, kind: Kind) -> None:
    vectors = patchlike(rng, 300, 24)
    excluded = np.ones(300, bool)
    excluded[[3, 22, 60, 288]] = False  # in one of 19 groups, where the best of k groups are looked for
    assert_found(kind, vectors, vectors, 4, excluded)


@BOTH
@pytest.mark.parametrize("d", [24, 512])
def test_differences_far_below_the_rounding_still_decide(
    rng: np.random.Generator, kind: Kind, d: int
) -> None:
    vectors = np.repeat(patchlike(rng, 130, d), 5, axis=0)  # fives a hair apart
    vectors += normal(rng, *vectors.shape) * np.float32(1e-5)
    queries = vectors[::5] + normal(rng, 130, d) * np.float32(1e-4)
    assert_found(kind, queries, vectors, 3)


@BOTH
@pytest.mark.parametrize("d", [24, 512])
def test_duplicates_are_at_exactly_zero_and_go_to_the_lowest_id(
    rng: np.random.Generator, kind: Kind, d: int
) -> None:
    distinct = patchlike(rng, 200, d)
    squared, ids = ExactSearch(np.concatenate([distinct] * 4), kind=kind).nearest(
        torch.from_numpy(distinct), 1
    )
    np.testing.assert_array_equal(squared, 0)
    np.testing.assert_array_equal(ids[:, 0], np.arange(200))


@BOTH
def test_one_vector_repeated_is_found_by_its_lowest_ids(rng: np.random.Generator, kind: Kind) -> None:
    one, queries = patchlike(rng, 1, 512), patchlike(rng, 30, 512)
    _, ids = ExactSearch(np.repeat(one, 520, axis=0), kind=kind).nearest(torch.from_numpy(queries), 2)
    np.testing.assert_array_equal(ids, np.broadcast_to([0, 1], (30, 2)))


@BOTH
@pytest.mark.parametrize("scale", [1e-18, 1e-12, 1e15])
@pytest.mark.parametrize("d", [24, 512])
def test_the_scale_of_the_vectors_does_not_matter(
    rng: np.random.Generator, kind: Kind, scale: float, d: int
) -> None:
    vectors, queries = patchlike(rng, 600, d), patchlike(rng, 60, d)
    assert_found(kind, queries * np.float32(scale), vectors * np.float32(scale), 2)


@BOTH
@pytest.mark.parametrize("d", [24, 512])
def test_one_huge_vector_or_query_does_not_hide_the_others(
    rng: np.random.Generator, kind: Kind, d: int
) -> None:
    vectors, queries = patchlike(rng, 600, d), patchlike(rng, 60, d)
    vectors[17] *= 1e12
    queries[3] *= 1e10
    assert_found(kind, queries, vectors)


@BOTH
@pytest.mark.parametrize("d", [24, 512])
def test_numbers_beyond_the_span_of_integers_hide_nothing(
    rng: np.random.Generator, kind: Kind, d: int
) -> None:
    heavy = rng.standard_t(2, size=(700, d)).astype(np.float32)
    heavy[::7] *= 30
    assert_found(kind, heavy[:100] + normal(rng, 100, d) * np.float32(0.5), heavy, 2)


@BOTH
def test_queries_and_banks_of_several_blocks_are_searched_alike(
    rng: np.random.Generator, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contenders, "_PAIRS", 16 * 1000)  # 15 queries of a bank of 1,000
    monkeypatch.setattr(contenders, "_ROWS", 50)
    assert_found(kind, patchlike(rng, 130, 24), patchlike(rng, 1000, 24), 2)


@BOTH
@pytest.mark.parametrize("d", [24, 512])
def test_no_gain_within_reach_lies_below_the_least(rng: np.random.Generator, kind: Kind, d: int) -> None:
    """The proof itself: what is as near as a bound has a gain of at least that bound's floor."""
    vectors, queries = patchlike(rng, 700, d), patchlike(rng, 60, d)
    side = product_of(kind, vectors)
    part, bank = side._round(torch.from_numpy(queries)), side._round(torch.from_numpy(vectors))
    gained = product(part.values, bank.values).double() - side._rounding.halves(bank.squared).double()
    squared = ((queries[:, None].astype(np.float64) - vectors[None]) ** 2).sum(axis=2)
    for each in range(0, 700, 50):  # as if that vector were the nearest
        least = side._least(torch.from_numpy(squared[:, each]).sqrt(), part)
        assert (gained[:, each] >= least).all()
    least = side._least(torch.from_numpy(squared.min(axis=1)).sqrt(), part)
    assert (gained >= least[:, None]).double().mean() < 0.6  # and it leaves out many


def test_integers_are_chosen_where_they_are_exact_and_faster_and_the_sketch_is_turned(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned, small = normal(rng, 300, 24), normal(rng, 100, 512)
    monkeypatch.setattr(bounds, "multiplies_exactly", lambda: True)
    monkeypatch.setattr(bounds, "multiplies_faster", lambda type_: True)
    assert product_of(None, turned)._rounding.kind is torch.int8
    assert product_of(None, small)._rounding.kind is torch.float32
    monkeypatch.setattr(bounds, "multiplies_faster", lambda type_: False)
    assert product_of(None, turned)._rounding.kind is torch.float32


def test_a_processor_that_limits_sums_of_two_products_gets_floats(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def limited(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        unsigned = left.int() + 128  # as such processors multiply them
        pairs = (unsigned[:, None] * right.int()[None]).unflatten(2, (-1, 2)).sum(dim=3)
        return pairs.clamp(-(2**15), 2**15 - 1).sum(dim=2) - 128 * right.int().sum(dim=1)

    monkeypatch.setattr(bounds, "multiplies_faster", lambda type_: True)
    monkeypatch.setattr(bounds, "product", limited)
    bounds.multiplies_exactly.cache_clear()
    assert product_of(None, normal(rng, 300, 24))._rounding.kind is torch.float32
    bounds.multiplies_exactly.cache_clear()


@EXACT
def test_contenders_are_few_where_distances_differ(rng: np.random.Generator) -> None:
    vectors, queries = normal(rng, 2000, 24), normal(rng, 200, 24)
    [(block, found)] = product_of(torch.int8, vectors).contenders(torch.from_numpy(queries), 1)
    assert block == slice(0, 200)
    assert not found.crowded.any()
    assert 200 <= len(found.rows) < 600


@EXACT
def test_queries_with_too_many_contenders_are_left_out_whole(rng: np.random.Generator) -> None:
    tight = normal(rng, 1, 24) + normal(rng, 1600, 24) * np.float32(1e-6)
    vectors = np.concatenate([normal(rng, 400, 24) * 10, tight])
    queries = np.concatenate([tight[:1], vectors[:9]])
    [(_, found)] = product_of(torch.int8, vectors).contenders(torch.from_numpy(queries), 1)
    np.testing.assert_array_equal(np.flatnonzero(found.crowded.numpy()), [0])
    np.testing.assert_array_equal(np.unique(found.rows.numpy()), np.arange(1, 10))


@pytest.fixture
def sloppy() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.usefixtures("sloppy")
@BOTH
@pytest.mark.parametrize("d", [24, 512])
def test_sloppy_float32_products_move_no_result(rng: np.random.Generator, kind: Kind, d: int) -> None:
    assert_found(kind, patchlike(rng, 100, d), patchlike(rng, 600, d), 2)


@pytest.mark.parametrize(("m", "d", "width"), [(300, 24, 24), (600, 512, 128), (160, 512, 512)])
def test_a_sketch_never_lengthens_a_distance(rng: np.random.Generator, m: int, d: int, width: int) -> None:
    vectors, queries = patchlike(rng, m, d), patchlike(rng, 50, d)
    sketch = Sketch(torch.from_numpy(vectors))
    assert sketch.width == width
    (x, x_off), (c, c_off) = sketched(sketch, queries), sketched(sketch, vectors)
    short = np.linalg.norm(x[:, None].astype(np.float64) - c[None], axis=2)
    long = np.linalg.norm(queries[:, None].astype(np.float64) - vectors[None], axis=2)
    assert (short <= long + x_off[:, None] + c_off).all()
    assert x_off.max() < 0.02 * long.min()  # and the allowance is small
    assert short.mean() > 0.6 * long.mean()  # and the sketch tells them apart


def test_a_sketch_keeps_the_distance_from_the_mean(rng: np.random.Generator) -> None:
    vectors = patchlike(rng, 700, 600)
    short = np.linalg.norm(sketched(Sketch(torch.from_numpy(vectors)), vectors)[0], axis=1)
    np.testing.assert_allclose(short, np.linalg.norm(vectors - vectors.mean(axis=0), axis=1), rtol=1e-4)


def test_real_patches_find_their_float64_nearest_or_one_as_near(shared: Path) -> None:
    vectors, queries = real_patches(shared)
    distances, ids = Index.build(vectors).search(queries)
    exact = torch.cdist(torch.from_numpy(queries).double(), torch.from_numpy(vectors).double()).numpy()
    chosen = np.take_along_axis(exact, ids, axis=1)[:, 0]
    assert (chosen <= exact.min(axis=1) * (1 + 1e-6)).all()
    assert (ids[:, 0] == exact.argmin(axis=1)).mean() > 0.99
    np.testing.assert_allclose(distances[:, 0], chosen, rtol=1e-6)


def test_every_patch_of_unseen_solar_cells_finds_its_float64_nearest_or_one_as_near() -> None:
    from app.imaging.folders import read_image
    from bench.datasets import elpv_split
    from core.config import InputConfig, PatchConfig
    from core.features.patches import patch_features
    from core.input.preprocess import to_tensor
    from models.backbone import load_backbone

    split, backbone = elpv_split(), load_backbone("efficientnet-lite2", runtime="torch", precision="float32")
    files = [*split.train[:6], split.test_good[0], split.defective[0]]
    inputs = [to_tensor(read_image(f), InputConfig(), backbone.spec.mean, backbone.spec.std) for f in files]
    patches = patch_features(backbone(torch.stack(inputs)), PatchConfig()).vectors.numpy()  # (8, 1024, 168)
    vectors, queries = patches[:6].reshape(-1, 168)[::2].copy(), patches[6:].reshape(-1, 168)
    distances, ids = Index.build(vectors).search(queries)
    exact = torch.cdist(torch.from_numpy(queries).double(), torch.from_numpy(vectors).double()).numpy()
    chosen = np.take_along_axis(exact, ids, axis=1)[:, 0]
    assert len(queries) == 2048
    assert (chosen <= exact.min(axis=1) * (1 + 1e-4)).all()
    np.testing.assert_allclose(distances[:, 0], chosen, rtol=1e-4)


def real_patches(shared: Path) -> tuple[np.ndarray, np.ndarray]:
    """ResNet50 patches of magnetic tiles: (1600, 1536) of five good ones, (256, 1536) of another."""
    from PIL import Image

    from core.config import InputConfig, PatchConfig
    from core.features.patches import patch_features
    from core.input.preprocess import to_tensor
    from models.backbone import load_backbone

    weights = shared / "weights" / "resnet50-imagenet1k_v1-thru-layer3.safetensors"
    paths = sorted((shared / "data" / "mtd" / "train" / "good").glob("*"))[:60:10]
    if not weights.exists() or len(paths) < 6:
        pytest.skip("no ResNet50 weights or magnetic tiles among the shared files")
    backbone = load_backbone("resnet50", weights=weights)
    inputs = [
        to_tensor(
            np.array(Image.open(p).convert("RGB")), InputConfig(), backbone.spec.mean, backbone.spec.std
        )
        for p in paths
    ]
    patches = patch_features(backbone(torch.stack(inputs)), PatchConfig()).vectors.numpy()  # (6, 1024, 1536)
    return patches[:5].reshape(-1, 1536)[::3][:1600].copy(), patches[5, ::4].copy()
