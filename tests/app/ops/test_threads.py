"""One number of compute threads reaches torch, OpenVINO, FAISS's OpenMP and the decoders; OpenBLAS has one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from app.ops import process as threads
from app.ops.process import available_cores, decoders, default_threads, own_cores
from core.config import IndexConfig, Kind
from core.search import Index
from core.search.measure import faiss_threads
from models.backbone import load_backbone
from models.openvino_runtime import OpenVinoRuntime
from models.spec import EMBEDDED


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = torch.get_num_threads()
    with threadpool_limits():
        yield
    torch.set_num_threads(before)


def counts(api: str) -> set[int]:
    """Threads of the pools of that interface: openmp, or blas on threads of its own."""
    return {
        pool["num_threads"]
        for pool in threadpool_info()
        if pool["user_api"] == api and (api == "openmp" or pool.get("threading_layer") == "pthreads")
    }


@pytest.mark.parametrize("count", [1, 3])
def test_one_number_reaches_torch_and_every_openmp_in_every_thread(count: int) -> None:
    assert np.ones((2, 2)).sum() == 4  # NumPy's OpenBLAS is loaded
    assert own_cores(count) == count
    assert torch.get_num_threads() == count
    assert counts("openmp") == {count}
    assert counts("blas") == {1}
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == count


def test_faiss_takes_torchs_threads_in_a_thread_that_has_never_been_told() -> None:
    import faiss

    def used(count: int | None) -> int:
        with faiss_threads(count):
            return int(faiss.omp_get_max_threads())

    own_cores(3)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(used, 1).result() == 1
        assert pool.submit(used, None).result() == 3


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_a_search_leaves_the_threads_of_torch_and_faiss_as_they_were(kind: Kind) -> None:
    import faiss

    index = Index.build(np.eye(64, 600, dtype=np.float32), IndexConfig(kind=kind))
    own_cores(3)
    for count in (1, 64):  # few pairs are measured on one thread
        index.search(np.ones((count, 600), np.float32))
        assert (torch.get_num_threads(), faiss.omp_get_max_threads()) == (3, 3)


def test_openvino_compiles_for_that_number() -> None:
    if OpenVinoRuntime.missing("float32") is not None:
        pytest.skip("openvino is not installed")
    backbone = load_backbone(EMBEDDED, runtime="openvino", precision="float32", threads=own_cores(1))
    assert isinstance(backbone.engine, OpenVinoRuntime)
    assert backbone.engine._network(64, 64).get_property("INFERENCE_NUM_THREADS") == 1


@pytest.mark.parametrize(
    ("content", "expected"), [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("", 8)]
)
def test_a_quota_of_the_control_group_counts_and_the_affinity_too(
    content: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu.max").write_text(content)
    monkeypatch.setattr(threads, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert available_cores() == expected


def test_the_older_control_groups_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("300000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    monkeypatch.setattr(threads, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    assert available_cores() == 3


def test_the_environment_sets_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert default_threads() == 5
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert default_threads() == available_cores()


def test_decoders_stay_few() -> None:
    assert [decoders(n) for n in (1, 2, 4, 64)] == [1, 2, 2, 8]
