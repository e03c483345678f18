"""Decoder threads: taken in turns, never all of them by large images, and by nobody who left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from app.inspection.decoders import Decoders
from app.inspection.lanes import BACKGROUND, LINE, Lane

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Work:
    """Jobs that note their names when they begin and end when they are let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.open = threading.Event()

    def job(self, name: str) -> Callable[[], str]:
        def run() -> str:
            self.begun.append(name)
            assert self.open.wait(30)
            return name

        return run


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
async def decoders(work: Work) -> AsyncIterator[Decoders]:
    """Two threads."""
    made = Decoders(2)
    yield made
    work.open.set()
    await asyncio.to_thread(made.close)


async def begun(work: Work, count: int) -> list[str]:
    """The names of what has begun, once so many have."""
    async with asyncio.timeout(30):
        while len(work.begun) < count:
            await asyncio.sleep(0.001)
    return work.begun


async def test_one_thread_stays_for_small_images(decoders: Decoders, work: Work) -> None:
    large = [asyncio.create_task(decoders.run(work.job(f"large {i}"), large=True)) for i in range(3)]
    await begun(work, 1)
    assert decoders.waiting == 2
    small = asyncio.create_task(decoders.run(work.job("small")))
    assert (await begun(work, 2))[1] == "small"
    work.open.set()
    assert await asyncio.gather(*large, small) == ["large 0", "large 1", "large 2", "small"]


async def test_a_large_image_of_the_line_may_take_the_last_thread(decoders: Decoders, work: Work) -> None:
    tasks = [asyncio.create_task(decoders.run(work.job("large"), large=True))]
    tasks.append(asyncio.create_task(decoders.run(work.job("line"), Lane(rank=LINE), large=True)))
    assert sorted(await begun(work, 2)) == ["large", "line"]
    work.open.set()
    await asyncio.gather(*tasks)


async def test_who_waits_goes_by_priority(decoders: Decoders, work: Work) -> None:
    lanes = {"a": Lane("a"), "b": Lane("b"), "late": Lane("c", rank=BACKGROUND)}
    tasks = [asyncio.create_task(decoders.run(work.job(name), lanes[name])) for name in ("a", "b")]
    await begun(work, 2)
    tasks += [asyncio.create_task(decoders.run(work.job("late"), lanes["late"])) for _ in range(2)]
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(decoders.run(work.job("line"), Lane("d", rank=LINE))))
    await asyncio.sleep(0)
    work.open.set()
    await asyncio.gather(*tasks)
    assert work.begun[2] == "line"


async def test_a_job_that_nobody_waits_for_is_not_begun(decoders: Decoders, work: Work) -> None:
    running = [asyncio.create_task(decoders.run(work.job("busy"))) for _ in range(2)]
    await begun(work, 2)
    gone = asyncio.create_task(decoders.run(work.job("gone")))
    await asyncio.sleep(0)
    gone.cancel()
    work.open.set()
    await asyncio.gather(*running)
    assert await decoders.run(work.job("next")) == "next"
    assert "gone" not in work.begun
    assert decoders.waiting == 0


async def test_a_caller_who_leaves_while_it_runs_gives_its_thread_back_when_it_ends(
    decoders: Decoders, work: Work
) -> None:
    left = [asyncio.create_task(decoders.run(work.job("left"))) for _ in range(2)]
    await begun(work, 2)
    for task in left:
        task.cancel()
    waiting = asyncio.create_task(decoders.run(work.job("waiting")))
    await asyncio.sleep(0.05)
    assert work.begun == ["left", "left"]  # both threads are busy, whoever waits for them
    work.open.set()
    assert await waiting == "waiting"


async def test_what_a_job_raises_reaches_its_caller(decoders: Decoders) -> None:
    with pytest.raises(ZeroDivisionError):
        await decoders.run(lambda: 1 / 0)
