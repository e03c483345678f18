"""Parts run side by side: their order, their errors, and the threads of everything else."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from core.memory.coreset import greedy_coreset
from core.parallel import run_parts


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_results_come_in_the_order_of_the_parts(threads: int, count: int) -> None:
    calls = 0

    def between() -> None:
        nonlocal calls
        calls += 1

    assert run_parts(lambda part: part * part, range(count), between) == [
        part * part for part in range(count)
    ]
    assert calls >= count


def test_parts_compute_on_one_thread_each_and_leave_others_their_number(threads: int) -> None:
    assert run_parts(lambda part: torch.get_num_threads(), range(2 * threads)) == [1] * (2 * threads)
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [threads] == [torch.get_num_threads()]


@pytest.mark.parametrize("error", [ValueError, TimeoutError])
def test_an_error_of_a_part_is_raised(threads: int, error: type[Exception]) -> None:
    def work(part: int) -> int:
        if part == 3:
            raise error("part 3")
        return part

    with pytest.raises(error, match="part 3"):
        run_parts(work, range(9))


def test_an_error_between_parts_ends_the_work(threads: int) -> None:
    stopped = threading.Event()
    done: list[int] = []

    def work(part: int) -> None:
        if part > threads:  # the last parts that may have begun
            stopped.wait()
        done.append(part)

    def stop() -> None:
        stopped.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_parts(work, range(10_000), stop)
    assert len(done) < 10_000


def test_the_coreset_does_not_depend_on_the_number_of_threads(threads: int) -> None:
    points = torch.randn(9000, 12, generator=torch.Generator().manual_seed(0))
    found = greedy_coreset(points, 80, torch.Generator().manual_seed(0))
    torch.set_num_threads(1)
    alone = greedy_coreset(points, 80, torch.Generator().manual_seed(0))
    assert found.indices.tolist() == alone.indices.tolist()
    assert found.radii.tolist() == alone.radii.tolist()
