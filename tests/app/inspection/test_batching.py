"""The batcher joins, takes turns, refuses by measured times, forgets who hung up; events drive the tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import DeadlineExceeded, Draining, Overloaded, QueueFull
from app.inspection.batcher import Batcher
from app.inspection.lanes import BACKGROUND, LINE, NORMAL, PATIENCE, FairQueue, Lane, Turns
from app.inspection.waiting import Served, ServiceTimes

pytestmark = pytest.mark.anyio
FOREVER = 1e6  # seconds; a window or deadline that never passes in a test


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Clock:
    """Monotonic seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Work:
    """A ``run`` that answers ``key:item``, records its batches, takes a second an item and can be held up."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.batches, self.threads = clock, list[tuple[str, list[str]]](), set[int]()
        self.open = threading.Event()
        self.open.set()
        self.begun = threading.Semaphore(0)
        self.broken: Callable[[Sequence[str]], None] = lambda items: None

    def __call__(self, key: str, items: Sequence[str]) -> list[str]:
        self.begun.release()
        assert self.open.wait(30)
        self.batches.append((key, list(items)))
        self.threads.add(threading.get_ident())
        self.clock.now += len(items)
        self.broken(items)
        return [f"{key}:{item}" for item in items]


class Heard:
    """An observer that writes down what it hears."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[float], float]] = []
        self.refusals: list[tuple[str, str]] = []

    def batch_computed(self, key: str, queue_seconds: Sequence[float], compute_seconds: float) -> None:
        self.batches.append((key, list(queue_seconds), compute_seconds))

    def batch_refused(self, key: str, error: Overloaded) -> None:
        self.refusals.append((key, type(error).__name__))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def work(clock: Clock) -> Iterator[Work]:
    made = Work(clock)
    yield made
    made.open.set()


Submission = asyncio.Task[Served[str]]
Made = Batcher[str, str, str]


def submitted(batcher: Made, key: str, *items: str, deadline: float | None = None) -> list[Submission]:
    return [asyncio.create_task(batcher.submit(key, item, deadline=deadline)) for item in items]


async def settle() -> None:
    """Lets every task that can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def hold(batcher: Made, work: Work, item: str = "held") -> Submission:
    """Submits an item whose batch is then held on the inference thread."""
    work.open.clear()
    (task,) = submitted(batcher, "busy", item)
    await asyncio.to_thread(work.begun.acquire)
    return task


async def results(tasks: Sequence[Submission]) -> list[str]:
    return [served.result for served in await asyncio.gather(*tasks)]


# Joining


async def test_an_idle_server_runs_at_once_whatever_the_window(work: Work, clock: Clock) -> None:
    async with Batcher(work, window=FOREVER, clock=clock) as batcher:
        for item in "abc":
            assert (await batcher.submit("k", item)).batch == 1
    assert work.batches == [("k", ["a"]), ("k", ["b"]), ("k", ["c"])]


async def test_what_comes_while_the_thread_is_busy_joins_into_one_batch_a_key(
    work: Work, clock: Clock
) -> None:
    async with Batcher(work, clock=clock) as batcher:
        held = await hold(batcher, work)
        tasks = (
            submitted(batcher, "x", "1", "2") + submitted(batcher, "y", "3") + submitted(batcher, "x", "4")
        )
        await settle()
        work.open.set()
        assert await results([held, *tasks]) == ["busy:held", "x:1", "x:2", "y:3", "x:4"]
    assert work.batches[1:] == [("x", ["1", "2", "4"]), ("y", ["3"])]
    assert len(work.threads) == 1


async def test_a_batch_has_at_most_its_size_and_keys_take_turns(work: Work, clock: Clock) -> None:
    async with Batcher(work, batch_size=2, window=0, clock=clock) as batcher:
        held = await hold(batcher, work)
        tasks = submitted(batcher, "x", *"12345") + submitted(batcher, "y", *"678")
        await settle()
        work.open.set()
        await results([held, *tasks])
    assert work.batches[1:] == [
        ("x", ["1", "2"]),
        ("y", ["6", "7"]),
        ("x", ["3", "4"]),
        ("y", ["8"]),
        ("x", ["5"]),
    ]


async def test_callers_just_answered_are_waited_for_and_run_once_all_are_back(
    work: Work, clock: Clock
) -> None:
    async with Batcher(work, window=FOREVER, clock=clock) as batcher:
        held = await hold(batcher, work)
        first = submitted(batcher, "k", "a", "b", "c")
        await settle()
        work.open.set()
        await results([held, *first])
        early = submitted(batcher, "k", "d", "e")
        await settle()
        assert batcher.load().queued == 2  # the third is about to come
        await results([*early, *submitted(batcher, "k", "f")])
    assert work.batches[1:] == [("k", ["a", "b", "c"]), ("k", ["d", "e", "f"])]


async def test_callers_who_do_not_come_back_are_waited_for_no_longer_than_the_window(work: Work) -> None:
    async with Batcher(work, window=0.001) as batcher:
        held = await hold(batcher, work)
        first = submitted(batcher, "k", "a", "b")
        await settle()
        work.open.set()
        await results([held, *first])
        assert (await batcher.submit("k", "c")).batch == 1


async def test_another_key_does_not_wait_for_callers_of_the_first(work: Work, clock: Clock) -> None:
    async with Batcher(work, window=FOREVER, clock=clock) as batcher:
        held = await hold(batcher, work)
        first = submitted(batcher, "x", "a", "b")
        await settle()
        work.open.set()
        await results([held, *first])
        waiting = submitted(batcher, "x", "c")
        assert (await batcher.submit("y", "d")).result == "y:d"
        await results(waiting + submitted(batcher, "x", "e"))


async def test_the_answer_says_how_long_it_queued_and_computed(work: Work, clock: Clock) -> None:
    heard = Heard()
    async with Batcher(work, observer=heard, clock=clock) as batcher:
        held = await hold(batcher, work)
        tasks = submitted(batcher, "k", "a", "b")
        await settle()
        work.open.set()  # the held batch takes a second of the clock
        served = await asyncio.gather(held, *tasks)
    assert [(s.queue_seconds, s.compute_seconds, s.batch) for s in served] == [
        (0, 1, 1),
        (1, 2, 2),
        (1, 2, 2),
    ]
    assert heard.batches == [("busy", [0.0], 1.0), ("k", [1.0, 1.0], 2.0)]


# Failures


async def test_one_poisonous_item_fails_alone(work: Work, clock: Clock) -> None:
    def broken(items: Sequence[str]) -> None:
        if "poison" in items:
            raise ValueError("poison")

    work.broken = broken
    async with Batcher(work, clock=clock) as batcher:
        held = await hold(batcher, work)
        tasks = submitted(batcher, "k", "a", "poison", "b")
        await settle()
        work.open.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert (await held).result == "busy:held"
    assert [type(a) for a in answers] == [Served, ValueError, Served]
    assert [items for _, items in work.batches[1:]] == [["a", "poison", "b"], ["a"], ["poison"], ["b"]]


@pytest.mark.parametrize("error", [TimeoutError("inside"), StopIteration(), MemoryError()])
async def test_any_error_of_an_item_reaches_its_caller_and_the_batcher_goes_on(
    error: Exception, work: Work, clock: Clock
) -> None:
    def broken(items: Sequence[str]) -> None:
        if items == ["a"]:
            raise error

    work.broken = broken
    async with Batcher(work, clock=clock) as batcher:
        with pytest.raises(RuntimeError if isinstance(error, StopIteration) else type(error)):
            await batcher.submit("k", "a", deadline=FOREVER)
        assert (await batcher.submit("k", "b")).result == "k:b"


async def test_too_few_answers_are_an_error_not_a_shift(clock: Clock) -> None:
    async with Batcher[str, str, str](lambda key, items: [], clock=clock) as batcher:
        with pytest.raises(RuntimeError, match="1 items were given and 0 answered"):
            await batcher.submit("k", "a")


async def test_a_broken_observer_does_not_stop_the_dispatcher(
    work: Work, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    async with Batcher(work, observer=heard, clock=clock) as batcher:
        monkeypatch.delattr(Heard, "batch_computed")
        assert (await batcher.submit("k", "a")).result == "k:a"
        assert (await batcher.submit("k", "b")).result == "k:b"


# Bounds


async def test_a_full_queue_refuses_and_says_when_to_come_again(work: Work, clock: Clock) -> None:
    heard = Heard()
    async with Batcher(work, queue_size=3, observer=heard, clock=clock) as batcher:
        await batcher.submit("k", "measured")  # a second an item
        await batcher.submit("busy", "measured")
        held = await hold(batcher, work)
        tasks = submitted(batcher, "k", "a", "b", "c")
        await settle()
        with pytest.raises(QueueFull, match="At most 3 images may wait; received one more") as refused:
            await batcher.submit("k", "d")
        assert refused.value.retry_after == 4.0  # the running one and three that wait
        assert batcher.load().seconds == 4.0
        work.open.set()
        await results([held, *tasks])
    assert heard.refusals == [("k", "QueueFull")]


async def test_a_busy_bank_makes_way_for_one_that_has_fewer_waiting(work: Work, clock: Clock) -> None:
    async with Batcher(work, queue_size=3, clock=clock) as batcher:
        held = await hold(batcher, work)
        flood = submitted(batcher, "x", "1", "2", "3")
        await settle()
        quiet = submitted(batcher, "y", "4")
        await settle()
        work.open.set()
        answers = await asyncio.gather(held, *flood, *quiet, return_exceptions=True)
    assert [type(a) for a in answers] == [Served, Served, Served, QueueFull, Served]


# Deadlines


async def test_a_deadline_that_cannot_be_met_is_refused_before_queueing(work: Work, clock: Clock) -> None:
    async with Batcher(work, clock=clock) as batcher:
        await batcher.submit("k", "measured")
        await batcher.submit("busy", "measured")
        held = await hold(batcher, work)
        tasks = submitted(batcher, "k", "a")
        await settle()
        soon, later = clock.now + 2.5, clock.now + 3.0  # running, waiting and itself: three seconds
        with pytest.raises(DeadlineExceeded, match=r"2\.500 s left"):
            await batcher.submit("k", "b", deadline=soon)
        assert batcher.load().queued == 1
        tasks += submitted(batcher, "k", "c", deadline=later)
        await settle()
        assert batcher.load().queued == 2
        work.open.set()
        await asyncio.gather(held, *tasks, return_exceptions=True)


async def test_another_banks_long_queue_counts_only_for_the_turns_it_takes(work: Work, clock: Clock) -> None:
    async with Batcher(work, batch_size=2, window=0, clock=clock) as batcher:
        for key in ("x", "y", "busy"):
            await batcher.submit(key, "measured")
        held = await hold(batcher, work)
        flood = submitted(batcher, "x", *"12345678")
        await settle()
        quiet = submitted(batcher, "y", "9", deadline=clock.now + 4.0)  # 1 running, 2 of x, itself
        await settle()
        assert batcher.load().queued == 9
        work.open.set()
        await asyncio.gather(held, *flood, *quiet, return_exceptions=True)


async def test_an_idle_server_tries_whatever_it_measured_before(work: Work, clock: Clock) -> None:
    async with Batcher(work, clock=clock) as batcher:
        await batcher.submit("k", "slow once")  # a second
        assert (await batcher.submit("k", "quick now", deadline=clock.now + 0.9)).result == "k:quick now"


async def test_a_deadline_already_passed_is_refused_even_when_idle(work: Work, clock: Clock) -> None:
    clock.now = 5.0
    async with Batcher(work, clock=clock) as batcher:
        with pytest.raises(DeadlineExceeded):
            await batcher.submit("k", "a", deadline=5.0)
    assert work.batches == []


async def test_a_deadline_that_passes_in_the_queue_is_answered_then_and_costs_no_work(work: Work) -> None:
    async with Batcher(work, clock=(clock := Clock())) as batcher:
        held = await hold(batcher, work)
        with pytest.raises(DeadlineExceeded, match="none when it passed"):
            await batcher.submit("k", "a", deadline=clock.now + 0.001)  # while the thread is held
        assert batcher.load().queued == 0
        work.open.set()
        await held
    assert [key for key, _ in work.batches] == ["busy"]


async def test_a_deadline_that_passed_before_its_turn_is_dropped_at_its_turn(
    work: Work, clock: Clock
) -> None:
    async with Batcher(work, clock=clock) as batcher:
        held = await hold(batcher, work)
        late = submitted(batcher, "k", "late", deadline=clock.now + 0.9)
        await settle()
        work.open.set()  # the held batch takes a second of the clock
        await held
        with pytest.raises(DeadlineExceeded):
            await late[0]
    assert [key for key, _ in work.batches] == ["busy"]


# Hanging up and shutting down


async def test_a_caller_who_hangs_up_is_taken_out_of_the_queue(work: Work, clock: Clock) -> None:
    async with Batcher(work, clock=clock) as batcher:
        held = await hold(batcher, work)
        gone, stays = submitted(batcher, "k", "gone", "stays")
        await settle()
        gone.cancel()
        await settle()
        assert batcher.load().queued == 1
        work.open.set()
        await results([held, stays])
    assert work.batches[1:] == [("k", ["stays"])]


async def test_a_caller_who_hangs_up_while_computed_disturbs_nobody(work: Work, clock: Clock) -> None:
    async with Batcher(work, clock=clock) as batcher:
        held = await hold(batcher, work)
        held.cancel()
        await settle()
        work.open.set()
        assert (await batcher.submit("k", "a")).result == "k:a"


async def test_draining_answers_what_waits_and_refuses_what_comes(work: Work, clock: Clock) -> None:
    async with Batcher(work, clock=clock) as batcher:
        held = await hold(batcher, work)
        tasks = submitted(batcher, "k", "a", "b")
        await settle()
        draining = asyncio.create_task(batcher.drain(FOREVER))
        await settle()
        with pytest.raises(Draining) as refused:
            await batcher.submit("k", "c")
        assert refused.value.retry_after >= 1
        work.open.set()
        await draining
        assert await results([held, *tasks]) == ["busy:held", "k:a", "k:b"]


async def test_draining_does_not_wait_for_callers_who_will_not_come_back(work: Work, clock: Clock) -> None:
    async with Batcher(work, window=FOREVER, clock=clock) as batcher:
        held = await hold(batcher, work)
        first = submitted(batcher, "k", "a", "b")
        await settle()
        work.open.set()
        await results([held, *first])
        last = submitted(batcher, "k", "c")
        await settle()
        await batcher.drain(FOREVER)
        assert await results(last) == ["k:c"]


async def test_a_drain_that_takes_too_long_refuses_the_rest(work: Work, clock: Clock) -> None:
    async with Batcher(work, clock=clock) as batcher:
        held = await hold(batcher, work)
        tasks = submitted(batcher, "k", "a")
        await settle()
        await batcher.drain(0.001)
        answers = await asyncio.gather(held, *tasks, return_exceptions=True)
    assert [type(a) for a in answers] == [Draining, Draining]


async def test_draining_an_idle_or_unstarted_batcher_ends_at_once(work: Work, clock: Clock) -> None:
    unstarted = Batcher(work, clock=clock)
    with pytest.raises(Draining):
        await unstarted.submit("k", "a")
    await unstarted.drain(0)
    async with Batcher(work, clock=clock) as batcher:
        await batcher.drain(FOREVER)
        await batcher.drain(FOREVER)


async def test_other_work_shares_the_one_thread(work: Work, clock: Clock) -> None:
    async with Batcher(work, clock=clock) as batcher:
        await batcher.submit("k", "a")
        assert {await batcher.call(threading.get_ident)} == work.threads


async def test_a_thousand_callers_in_any_order_get_their_own_answers(work: Work, clock: Clock) -> None:
    async with Batcher(work, queue_size=1000, batch_size=7, window=0, clock=clock) as batcher:
        tasks = [task for i in range(1000) for task in submitted(batcher, f"k{i % 5}", str(i))]
        for task in tasks[::10]:
            task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    for i, answer in enumerate(answers):
        if i % 10 == 0:
            assert isinstance(answer, asyncio.CancelledError)
        else:
            assert isinstance(answer, Served)
            assert answer.result == f"k{i % 5}:{i}"


# Lanes


async def test_a_batch_holds_one_priority_and_the_lines_goes_first(work: Work, clock: Clock) -> None:
    line, late = Lane("k", rank=LINE), Lane("k", rank=BACKGROUND)
    async with Batcher(work, window=0, clock=clock) as batcher:
        held = await hold(batcher, work)
        tasks = [asyncio.create_task(batcher.submit("k", item, lane=late)) for item in "ab"]
        tasks += submitted(batcher, "k", "c")
        await settle()
        tasks += [asyncio.create_task(batcher.submit("k", item, lane=line)) for item in "de"]
        await settle()
        work.open.set()
        await asyncio.gather(held, *tasks)
    order = [items for _, items in work.batches[1:]]
    assert order[0] == ["d", "e"]
    assert sorted(map(tuple, order)) in (
        [("a", "b"), ("c",), ("d", "e")],
        [("a",), ("b",), ("c",), ("d", "e")],
    )


async def test_while_a_line_inspects_batches_below_it_are_short(work: Work, clock: Clock) -> None:
    async with Batcher(work, window=0, clock=clock) as batcher:
        await batcher.submit("k", "measured")  # a second an item, more than a batch may take
        await batcher.submit("fast", "line", lane=Lane("fast", rank=LINE))
        held = await hold(batcher, work)
        tasks = submitted(batcher, "k", "a", "b", "c")
        await settle()
        work.open.set()
        await asyncio.gather(held, *tasks)
        clock.now += 100
        held = await hold(batcher, work, "again")
        later = submitted(batcher, "k", "d", "e", "f")
        await settle()
        work.open.set()
        await asyncio.gather(held, *later)
    of_k = [items for key, items in work.batches if key == "k"]
    assert of_k == [["measured"], ["a"], ["b"], ["c"], ["d", "e", "f"]]


async def test_what_waits_behind_a_line_does_not_count_against_its_deadline(work: Work, clock: Clock) -> None:
    async with Batcher(work, window=0, clock=clock) as batcher:
        await batcher.submit("k", "measured")
        await batcher.submit("busy", "measured")
        held = await hold(batcher, work)
        flood = submitted(batcher, "k", *"12345678")
        await settle()
        soon = clock.now + 2.5  # the running one and itself
        with pytest.raises(DeadlineExceeded):
            await batcher.submit("k", "plain", deadline=soon)
        fast = asyncio.create_task(batcher.submit("k", "line", lane=Lane("k", rank=LINE), deadline=soon))
        await settle()
        work.open.set()
        assert (await fast).result == "k:line"
        await asyncio.gather(held, *flood)


async def test_other_work_waits_behind_inspections_for_a_while_at_most(work: Work, clock: Clock) -> None:
    async with Batcher(work, window=0, batch_size=1, clock=clock) as batcher:
        held = await hold(batcher, work)
        call = asyncio.create_task(batcher.call(lambda: work.batches.append(("call", []))))
        tasks = submitted(batcher, "k", "a", "b", "c")
        await settle()
        work.open.set()  # the held batch takes longer than the call's patience
        await asyncio.gather(held, call, *tasks)
    assert PATIENCE < 1
    assert ("call", []) in work.batches[1:-1]


# The parts


@dataclass(frozen=True)
class Numbered:
    """What waits."""

    number: int
    arrived: float = 0.0


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(["push", "take", "remove"])), max_size=60))
@settings(deadline=None)
def test_the_queue_is_bounded_and_keeps_order_within_a_key(steps: list[tuple[str, str]]) -> None:
    queue: FairQueue[str, Numbered] = FairQueue(5, Turns(Clock()))
    inside: dict[str, list[Numbered]] = {"x": [], "y": [], "z": []}
    for number, (key, step) in enumerate(steps):
        lane = Lane(key)
        if step == "push":
            dropped = queue.push(key, lane, entry := Numbered(number))
            inside[key].append(entry)
            for entries in inside.values():
                if dropped in entries:
                    assert entries.pop() == dropped  # always the newest
        elif step == "take":
            assert queue.take(key, NORMAL, 2) == [(lane, entry) for entry in inside[key][:2]]
            del inside[key][:2]
        elif inside[key]:
            queue.remove(key, lane, inside[key].pop(0))
        assert queue.counts() == {k: len(v) for k, v in inside.items() if v}
        assert {entry.number for entry in queue} == {entry.number for v in inside.values() for entry in v}
        assert len(queue) <= 5


def test_service_times_follow_the_newest_batches_and_forget_the_oldest_keys() -> None:
    times: ServiceTimes[int] = ServiceTimes()
    assert times.mean() is None
    times.measure(0, items=4, seconds=2.0, waiting=3, now=9.0)
    assert (times.seconds({0: 2, 1: 5}), times.callers(0), times.ended(0)) == (1.0, 7, 9.0)
    for _ in range(100):
        times.measure(0, items=1, seconds=0.1, waiting=0, now=10.0)
    assert times.mean() == pytest.approx(0.1)
    for key in range(1, 300):
        times.measure(key, items=1, seconds=1.0, waiting=0, now=10.0)
    assert times.seconds({0: 1}) == 0.0
    assert times.seconds({299: 1}) == 1.0
