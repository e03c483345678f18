"""Search, coreset and builds on a device: what the CPU finds, by the code a GPU runs, run here on the CPU too."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from fakes import random_backbone, tiny_weights
from parts import SMALL, build, parts

import core.memory.coreset
from core.bank import Bank
from core.detector import detect
from core.errors import Cancelled, ShapeError
from core.input.preprocess import to_tensor
from core.memory.coreset import greedy_coreset, on_device
from core.search import Index
from core.search import measure as measures
from core.search.exact import ExactSearch
from models.backbone import Backbone, load_module
from models.runtime import open_runtime
from models.source import Source

CPU = torch.device("cpu")
GPU = pytest.param(
    torch.device("cuda"),
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    ],
    id="cuda",
)
DEVICES = pytest.mark.parametrize("device", [pytest.param(CPU, id="cpu"), GPU])
PRECISIONS = pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def on(device: torch.device, vectors: np.ndarray, precision: torch.dtype | None = None) -> ExactSearch:
    """The search as a device does it, the CPU too."""
    return ExactSearch(vectors, device, precision, sketched=False)


def never() -> bool:
    return False


# Search


@DEVICES
@PRECISIONS
@pytest.mark.parametrize(
    ("m", "d", "n", "k"), [(1, 1, 1, 1), (7, 1, 30, 7), (600, 64, 90, 1), (600, 33, 90, 9)]
)
def test_search_finds_what_the_cpu_finds(device, precision, m, d, n, k, rng):
    vectors, queries = normal(rng, m, d), normal(rng, n, d)
    squared, ids = ExactSearch(vectors).nearest(torch.from_numpy(queries), k)
    found = on(device, vectors, precision).nearest(torch.from_numpy(queries).to(device), k)
    np.testing.assert_array_equal(found[1], ids)
    np.testing.assert_allclose(found[0], squared, rtol=1e-5)


@DEVICES
@PRECISIONS
def test_rounded_vectors_far_from_zero_hide_no_nearest(device, precision, rng):
    vectors = normal(rng, 200, 64) * np.float32(0.01) + normal(rng, 1, 64) * 1000
    queries = torch.from_numpy(vectors + normal(rng, 200, 64) * np.float32(0.001)).to(device)
    squared, ids = on(device, vectors, precision).nearest(queries, 1)
    expected = ExactSearch(vectors).nearest(queries.cpu(), 1)
    np.testing.assert_array_equal(ids, expected[1])
    np.testing.assert_allclose(squared, expected[0], rtol=1e-5)


@DEVICES
@pytest.mark.parametrize("scale", [1.0, 1e5])
def test_twins_are_told_apart_by_id_and_excluded_vectors_are_never_found(device, scale, rng):
    vectors = np.repeat(normal(rng, 40, 16) * np.float32(scale), 3, axis=0)  # 1e5 overflows float16
    excluded = np.zeros(120, bool)
    excluded[::3] = True
    search = on(device, vectors, torch.float16)
    queries = torch.from_numpy(vectors).to(device)
    squared, ids = search.nearest(queries, 1, excluded)
    assert squared.ravel().tolist() == [0] * 120
    assert ids.ravel().tolist() == [3 * (i // 3) + 1 for i in range(120)]


@DEVICES
def test_differences_by_tensors_are_those_of_measuring(device, rng, monkeypatch):
    monkeypatch.setattr("core.search.measure._MEASURED", 60)
    vectors, queries = torch.from_numpy(normal(rng, 90, 12)), torch.from_numpy(normal(rng, 70, 12))
    rows, ids = torch.from_numpy(rng.integers(0, 70, 200)), torch.from_numpy(rng.integers(0, 90, 200))
    expected = measures.measure(queries, rows, vectors, ids)
    found = measures.differences(*(each.to(device) for each in (queries, rows, vectors, ids)))
    np.testing.assert_allclose(found.cpu(), expected, rtol=1e-5)


@DEVICES
def test_many_blocks_give_what_one_gives(device, rng, monkeypatch):
    vectors, queries = normal(rng, 90, 12), torch.from_numpy(normal(rng, 70, 12)).to(device)
    whole = on(device, vectors).nearest(queries, 3)
    monkeypatch.setattr("core.search.contenders._PAIRS", 900)
    monkeypatch.setattr("core.search.contenders._DEVICE_PAIRS", 900)
    monkeypatch.setattr("core.search.measure._MEASURED", 60)
    for one, other in zip(whole, on(device, vectors).nearest(queries, 3), strict=True):
        np.testing.assert_array_equal(one, other)


@DEVICES
def test_an_index_answers_tensors_as_it_answers_arrays(device, rng):
    vectors, queries = normal(rng, 300, 24), normal(rng, 50, 24)
    index = Index.build(vectors)
    on_it = torch.from_numpy(queries).to(device)
    for k in (1, 4):
        distances, ids = index.search(on_it, k)
        np.testing.assert_array_equal(ids, index.search(queries, k)[1])
        np.testing.assert_allclose(distances, index.search(queries, k)[0], rtol=1e-5)
    own = np.arange(100)
    np.testing.assert_array_equal(
        index.nearest_excluding(on_it, own)[1], index.nearest_excluding(queries, own)[1]
    )


def test_no_queries_have_no_neighbours(rng):
    distances, ids = Index.build(normal(rng, 20, 6)).search(torch.empty(0, 6), 2)
    assert distances.shape == ids.shape == (0, 2)


def test_queries_that_are_not_numbers_are_refused(rng):
    with pytest.raises(ShapeError, match="finite"):
        Index.build(normal(rng, 20, 6)).search(torch.full((2, 6), torch.nan))


# Coreset


@DEVICES
@pytest.mark.parametrize("block", [1 << 25, 500])
def test_picks_are_those_of_the_cpu(device, block, monkeypatch):
    monkeypatch.setattr("core.memory.centres._BLOCK", block)
    points = torch.randn(3000, 32, generator=torch.Generator().manual_seed(1))
    expected = greedy_coreset(points, 300, torch.Generator().manual_seed(0))
    found = on_device(points.to(device), 300, int(expected.indices[0]), lambda done, total: None, never)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.radii, expected.radii, rtol=1e-5)
    assert found.covering_radius == pytest.approx(expected.covering_radius, rel=1e-5)


@DEVICES
@pytest.mark.parametrize(("distinct", "count"), [(5, 40), (150, 400), (40, 40)])
def test_fewer_distinct_points_than_asked_for_end_early(device, distinct, count):
    points = torch.randn(distinct, 4, generator=torch.Generator().manual_seed(0)).repeat(3, 1).to(device)
    found = on_device(points, count, 0, lambda done, total: None, never)
    assert len(np.unique(points.cpu().numpy()[found.indices], axis=0)) == len(found.indices) == distinct
    assert found.covering_radius == 0


def test_progress_rises_to_the_end_and_a_request_to_stop_is_heard():
    points, steps = torch.randn(500, 8, generator=torch.Generator().manual_seed(0)), []
    on_device(points, 200, 0, lambda done, total: steps.append((done, total)), never)
    assert steps == sorted(steps)
    assert steps[-1] == (200, 200)
    with pytest.raises(Cancelled, match="after 64 of 200 picks"):
        on_device(points, 200, 0, lambda done, total: None, lambda: True)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e17])
def test_points_without_distances_are_refused(value):
    with pytest.raises(ShapeError, match="finite"):
        on_device(torch.tensor([[0.0], [value]]), 2, 0, lambda done, total: None, never)


# A whole build


def test_a_build_by_the_device_code_gives_the_bank_of_the_cpu(monkeypatch):
    backbone = random_backbone()
    expected = build(parts(6), SMALL, backbone)
    monkeypatch.setattr("core.search.index.ExactSearch", partial(on, CPU))
    monkeypatch.setattr(core.memory.coreset, "HOST", "none")
    same_bank(build(parts(6), SMALL, backbone), expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_build_on_a_gpu_gives_the_bank_of_the_cpu(precision):
    backbone = random_backbone()
    module = load_module(backbone.spec, tiny_weights())
    gpu = Backbone(
        backbone.spec,
        backbone.digest,
        "file",
        backbone.path,
        None,
        open_runtime(Source(lambda: module), "torch-cuda", precision, None),
    )
    bank, expected = build(parts(6), SMALL, gpu), build(parts(6), SMALL, backbone)
    if precision == "float32":
        same_bank(bank, expected)
    np.testing.assert_allclose(bank.calibration_scores, expected.calibration_scores, rtol=0.05)
    x = to_tensor(parts(7)[-1], SMALL.input, gpu.spec.mean, gpu.spec.std)[None]
    np.testing.assert_allclose(detect(x, gpu, bank).scores, detect(x, backbone, expected).scores, rtol=0.05)


def same_bank(bank: Bank, expected: Bank) -> None:
    """The same patches kept, scores alike up to float32's rounding."""
    np.testing.assert_array_equal(bank.provenance.image, expected.provenance.image)
    np.testing.assert_array_equal(bank.provenance.row, expected.provenance.row)
    np.testing.assert_allclose(bank.vectors, expected.vectors, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(bank.calibration_scores, expected.calibration_scores, rtol=1e-4)
    np.testing.assert_allclose(bank.calibration_peaks, expected.calibration_peaks, rtol=1e-4)
    np.testing.assert_allclose(bank.conformance.scores, expected.conformance.scores, rtol=1e-4)
