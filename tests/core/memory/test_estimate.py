"""What a build is said to take: shared out within the budget, honoured by the parts, refused with the numbers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError, MemoryBudgetError
from core.memory.estimate import estimate_build, kept_vectors
from core.memory.merge_reduce import StreamedCoreset, points_in

GB = 10**9


@given(
    images=st.integers(1, 2000),
    patches=st.integers(1, 2000),
    dimension=st.integers(1, 600),
    projection=st.none() | st.integers(1, 256),
    ratio=st.floats(1e-4, 1),
    budget=st.integers(1, 8 * GB),
)
def test_shares_add_up_to_at_most_the_budget(
    images: int, patches: int, dimension: int, projection: int | None, ratio: float, budget: int
) -> None:
    try:
        found = estimate_build(images, patches, dimension, projection, ratio, 10_000, budget)
    except MemoryBudgetError:
        return
    k = min(projection or dimension, dimension)
    assert found.memory_bytes <= budget
    assert found.patches == images * patches
    full = found.patches * dimension * 4
    assert full <= found.store_bytes + found.disk_bytes <= full + found.patches * k * 4
    whole = points_in(found.coreset_bytes, found.vectors, k) >= found.patches
    assert (found.store_bytes + found.disk_bytes > full) == (not whole)
    assert found.exact >= whole
    StreamedCoreset(found.vectors, k, found.coreset_bytes, torch.Generator())  # accepts its share


def test_a_small_build_stays_in_memory_and_is_exact() -> None:
    found = estimate_build(40, 1024, 1536, 128, 0.01, 50_000, 2 * GB)
    assert (found.vectors, found.disk_bytes, found.exact) == (410, 0, True)
    assert "410 are kept (exact)" in str(found)
    assert "disk" not in str(found)


def test_a_large_build_spills_full_vectors_then_projected_ones_and_at_last_merges_and_reduces() -> None:
    spills = estimate_build(762, 1024, 1536, 128, 0.01, 50_000, GB)
    assert spills.exact
    assert spills.disk_bytes > 4 * GB
    searched = estimate_build(2000, 1024, 400, 128, 0.001, 50_000, GB)
    assert searched.exact
    assert 4 * 2000 * 1024 * 400 < searched.disk_bytes + searched.store_bytes < 4 * 2000 * 1024 * (400 + 128)
    merges = estimate_build(2000, 1024, 200, 128, 0.0001, 50_000, GB // 5)
    assert not merges.exact
    assert "merge-reduce" in str(merges)
    assert "disk" in str(merges)


def test_a_bank_that_cannot_fit_is_refused_with_the_numbers() -> None:
    with pytest.raises(MemoryBudgetError, match=r"bank of 50,000 vectors .* at least 1\.\d\d GB.* 500 MB"):
        estimate_build(762, 10_000, 1536, 128, 0.5, 50_000, GB // 2)


def test_vectors_beyond_the_free_disk_are_refused_with_the_numbers(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    images = free // (1024 * 1536 * 4) + 2000
    with pytest.raises(MemoryBudgetError, match="GB of disk"):
        estimate_build(images, 1024, 1536, 128, 0.01, 1000, GB, tmp_path)


@pytest.mark.parametrize("ratio", [0.0, -1.0, float("nan")])
def test_sizes_that_are_not_positive_are_refused(ratio: float) -> None:
    with pytest.raises(ConfigError, match="positive"):
        estimate_build(10, 1024, 1536, 128, ratio, 1000, GB)
    with pytest.raises(ConfigError, match="positive"):
        estimate_build(0, 1024, 1536, 128, 0.1, 1000, GB)


@pytest.mark.parametrize(
    ("patches", "ratio", "most", "kept"),
    [(1000, 0.01, 50, 10), (1001, 0.01, 50, 11), (10**6, 0.01, 50, 50), (5, 1.0, 9, 5)],
)
def test_kept_vectors_are_the_share_rounded_up_and_bounded(
    patches: int, ratio: float, most: int, kept: int
) -> None:
    assert kept_vectors(patches, ratio, most) == kept
