"""Whose turn it is: by priority, by what was used, by a guaranteed share; and what makes way when the queue is full."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

from app.inspection.lanes import (
    BACKGROUND,
    LINE,
    NORMAL,
    PATIENCE,
    FairQueue,
    Lane,
    Rules,
    Turns,
    lane_of,
)


class Clock:
    """Monotonic seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Job:
    """What waits."""

    name: str
    arrived: float = 0.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def turns(clock: Clock) -> Turns:
    return Turns(clock)


def served(queue: FairQueue[str, Job], turns: Turns, seconds: float = 1.0) -> str:
    """The bank whose job goes next; it takes so many seconds."""
    key, _, rank = queue.order()[0]
    [(lane, _)] = queue.take(key, rank, 1)
    turns.charge(lane, seconds)
    return lane.bank


def filled(turns: Turns, *lanes: Lane, each: int = 50) -> FairQueue[str, Job]:
    queue: FairQueue[str, Job] = FairQueue(1000, turns)
    for lane in lanes:
        for _ in range(each):
            queue.push(lane.bank, lane, Job(lane.bank))
    return queue


@pytest.mark.parametrize(
    ("of_bank", "of_key", "rank"),
    [
        (Rules(), Rules(), NORMAL),
        (Rules("line"), Rules(), LINE),
        (Rules("line"), Rules("background"), BACKGROUND),
        (Rules("background"), Rules("line"), LINE),
    ],
)
def test_the_keys_own_priority_counts_else_its_banks(of_bank: Rules, of_key: Rules, rank: int) -> None:
    assert lane_of("caps", "k", of_bank, of_key).rank == rank


def test_a_higher_priority_goes_first_whatever_was_used(turns: Turns) -> None:
    lanes = [Lane("late", rank=BACKGROUND), Lane("plain"), Lane("fast", rank=LINE)]
    queue = filled(turns, *lanes, each=2)
    assert [served(queue, turns) for _ in range(6)] == ["fast", "fast", "plain", "plain", "late", "late"]


def test_lanes_of_one_priority_get_the_same_time_not_the_same_number(turns: Turns) -> None:
    queue, spent = filled(turns, Lane("quick"), Lane("slow")), Counter[str]()
    for _ in range(40):
        bank, _, _ = queue.order()[0]
        cost = 4 if bank == "slow" else 1
        spent[served(queue, turns, cost)] += cost
    assert abs(spent["quick"] - spent["slow"]) <= 4


def test_a_key_with_many_waiting_does_not_starve_another_of_the_same_bank(turns: Turns) -> None:
    queue: FairQueue[str, Job] = FairQueue(100, turns)
    for i in range(20):
        queue.push("caps", Lane("caps", "many"), Job(f"many {i}"))
    queue.push("caps", Lane("caps", "few"), Job("few"))
    assert "few" in [job.name for _, job in queue.take("caps", NORMAL, 4)]


def test_a_pause_earns_nothing(turns: Turns) -> None:
    queue = filled(turns, Lane("busy"), each=30)
    for _ in range(10):
        served(queue, turns)
    for _ in range(10):
        queue.push("back", Lane("back"), Job("back"))
    assert Counter(served(queue, turns) for _ in range(10)) == {"back": 5, "busy": 5}


def test_what_waited_long_in_the_background_goes_as_normal_but_never_as_the_line(
    turns: Turns, clock: Clock
) -> None:
    queue = filled(turns, Lane("late", rank=BACKGROUND), Lane("plain"), each=10)
    assert served(queue, turns) == "plain"
    clock.now = PATIENCE
    assert {served(queue, turns) for _ in range(4)} == {"plain", "late"}
    queue.push("fast", Lane("fast", rank=LINE), Job("fast", clock.now))
    assert served(queue, turns) == "fast"


def test_a_guaranteed_share_is_had_beside_a_line_that_never_ends(turns: Turns, clock: Clock) -> None:
    queue = filled(turns, Lane("fast", rank=LINE), Lane("kept", bank_share=0.25), Lane("plain"), each=400)
    had = Counter[str]()
    for _ in range(400):
        had[served(queue, turns, 0.1)] += 1
        clock.now += 0.1
    assert had["plain"] == 0
    assert had["kept"] / 400 == pytest.approx(0.25, abs=0.03)


def test_a_full_queue_makes_way_for_a_higher_priority_and_never_for_a_lower(turns: Turns) -> None:
    queue: FairQueue[str, Job] = FairQueue(2, turns)
    first, second, third = Job("first"), Job("second"), Job("third")
    queue.push("plain", Lane("plain"), first)
    queue.push("late", Lane("late", rank=BACKGROUND), second)
    assert queue.push("fast", Lane("fast", rank=LINE), third) is second
    assert queue.push("late", Lane("late", rank=BACKGROUND), refused := Job("late")) is refused
    assert queue.push("call", Lane(rank=BACKGROUND), Job("call"), always=True) is None
    assert len(queue) == 3
