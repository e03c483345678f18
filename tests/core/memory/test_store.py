"""Patch vectors past the memory budget come back as they went in, and memory and disk stay in bounds."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import MemoryBudgetError, ShapeError
from core.memory.patch_store import PatchStore

GRIDS = [(2, 3), (1, 1), (4, 2), (3, 3), (1, 5)]


def vectors(grid: tuple[int, int], d: int, seed: int) -> torch.Tensor:
    return torch.randn(grid[0] * grid[1], d, generator=torch.Generator().manual_seed(seed))


def filled(budget: int, directory: Path, d: int = 7) -> PatchStore:
    store = PatchStore(d, budget, directory)
    for image, grid in enumerate(GRIDS):
        store.append(vectors(grid, d, image), image, grid)
    return store


def _append_zeros(store: PatchStore, images: int) -> None:
    for image in range(images):
        store.append(torch.zeros(25, 256), image, (5, 5))


@settings(max_examples=50, deadline=None)
@given(budget=st.integers(0, 900), data=st.data())
def test_rows_are_those_appended_whatever_lies_in_the_file(
    tmp_path_factory: pytest.TempPathFactory, budget: int, data: st.DataObject
) -> None:
    everything = np.concatenate([vectors(grid, 7, image).numpy() for image, grid in enumerate(GRIDS)])
    with filled(budget, tmp_path_factory.getbasetemp()) as store:
        ids = np.array(data.draw(st.lists(st.integers(0, store.count - 1))), np.int64)
        np.testing.assert_array_equal(store.rows(ids), everything[ids])
        assert store.count == len(everything) == 29
        in_memory = store.count * 28 - store.spilled_bytes
        assert in_memory <= budget


@pytest.mark.parametrize("budget", [0, 300, 10_000])
def test_an_image_is_read_back_whole(tmp_path: Path, budget: int) -> None:
    with filled(budget, tmp_path) as store:
        for image, grid in enumerate(GRIDS):
            np.testing.assert_array_equal(store.image_vectors(image), vectors(grid, 7, image).numpy())
            assert store.grid(image) == grid
        assert store.images == len(GRIDS)


def test_every_id_knows_its_image_row_and_column(tmp_path: Path) -> None:
    expected = [
        (n, r, c) for n, (rows, columns) in enumerate(GRIDS) for r in range(rows) for c in range(columns)
    ]
    with filled(100, tmp_path) as store:
        image, row, column = store.locate(np.arange(store.count))
        np.testing.assert_array_equal(store.image_of(np.arange(store.count)), image)
    assert list(zip(image.tolist(), row.tolist(), column.tolist(), strict=True)) == expected


def test_a_view_of_a_batch_does_not_keep_or_follow_the_batch(tmp_path: Path) -> None:
    batch = torch.zeros(3, 4, 5)
    with PatchStore(5, 1000, tmp_path) as store:
        store.append(batch[1], 0, (2, 2))
        batch += 1
        np.testing.assert_array_equal(store.image_vectors(0), 0)


def test_transposed_vectors_are_stored_row_by_row(tmp_path: Path) -> None:
    columns = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    for budget in (0, 1000):
        with PatchStore(3, budget, tmp_path) as store:
            store.append(columns.T, 0, (2, 2))
            np.testing.assert_array_equal(store.image_vectors(0), columns.T.numpy())


def test_resident_memory_stays_near_the_budget_while_far_more_is_stored(tmp_path: Path) -> None:
    process, mebibyte = psutil.Process(), 1 << 20
    block = torch.ones(256, 1024)  # 1 MiB
    before = process.memory_info().rss
    with PatchStore(1024, 10 * mebibyte, tmp_path) as store:
        for image in range(200):
            store.append(block, image, (16, 16))
        assert store.spilled_bytes == 190 * mebibyte
        for image in range(200):
            store.image_vectors(image)
        found = store.rows(np.arange(0, store.count, 100))  # 2 MiB
        grown = process.memory_info().rss - before
    assert (found == 1).all()
    assert grown < 40 * mebibyte


def test_nothing_is_left_in_the_directory(tmp_path: Path) -> None:
    store = filled(0, tmp_path)
    store.close()
    store.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ShapeError, match="before the store is closed"):
        store.rows(np.array([0]))


def test_a_full_disk_is_a_named_error_and_frees_what_was_written(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    store = PatchStore(256, 0, tmp_path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # what a write past a quota meets
    try:
        with pytest.raises(MemoryBudgetError, match=r"0\.1 MB of them are written; received File too large"):
            _append_zeros(store, 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.count == store.spilled_bytes == 0
    assert list(tmp_path.iterdir()) == []


def test_more_than_the_free_disk_is_refused_before_it_is_written(tmp_path: Path) -> None:
    store = PatchStore(10_000, 0, tmp_path)
    huge = torch.zeros(1).expand(10**5 * 10**5, 10_000)  # 400 TB, none of it allocated
    with pytest.raises(MemoryBudgetError, match=r"MB free, 400,000,000\.0 MB more to write"):
        store.append(huge, 0, (10**5, 10**5))


def test_a_directory_that_is_none_is_a_named_error(tmp_path: Path) -> None:
    store = PatchStore(4, 0, tmp_path / "none")
    with pytest.raises(MemoryBudgetError, match="name another directory"):
        store.append(torch.zeros(1, 4), 0, (1, 1))


@pytest.mark.parametrize(
    ("shape", "image", "grid"),
    [((6, 7), 1, (2, 3)), ((6, 7), 0, (2, 2)), ((6, 6), 0, (2, 3)), ((0, 7), 0, (0, 3))],
)
def test_vectors_that_do_not_fit_are_refused(
    tmp_path: Path, shape: tuple[int, int], image: int, grid: tuple[int, int]
) -> None:
    with PatchStore(7, 1000, tmp_path) as store, pytest.raises(ShapeError, match="Append images in order"):
        store.append(torch.zeros(shape), image, grid)


@pytest.mark.parametrize("ids", [[-1], [29], [0, 400]])
def test_ids_out_of_range_are_refused(tmp_path: Path, ids: list[int]) -> None:
    with filled(100, tmp_path) as store:
        with pytest.raises(ShapeError, match="from 0 to 28"):
            store.rows(np.array(ids))
        with pytest.raises(ShapeError, match="from 0 to 4"):
            store.image_vectors(5)
