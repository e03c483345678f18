"""The budget of memory and the places for requests: what is left to the line, and what one key may take."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import MemoryFull, QueueFull
from app.inspection.gate import Gate, Memory, Pass
from app.inspection.lanes import LINE, Lane

ONE, OTHER, FAST = Lane("caps", "one"), Lane("caps", "other"), Lane("caps", "fast", LINE)


def test_one_key_cannot_take_all_memory_and_the_last_eighth_is_the_lines() -> None:
    memory = Memory(800)
    memory.take(600, ONE)
    with pytest.raises(MemoryFull):
        memory.take(1, ONE)  # it has more than a quarter, and less than a quarter would be left
    memory.take(50, OTHER)
    with pytest.raises(MemoryFull):
        memory.take(51, OTHER)
    memory.take(150, FAST)
    with pytest.raises(MemoryFull):
        memory.take(1, FAST)
    assert memory.used == memory.budget


def test_one_key_cannot_take_all_places_and_the_last_ones_are_the_lines() -> None:
    gate = Gate(16, Memory(100), lambda: 1.0)
    gate.open()
    held = []

    def enter(lane: Lane) -> None:
        place = gate.enter(lane)
        place.__enter__()
        held.append(place)

    for _ in range(12):
        enter(ONE)
    with pytest.raises(QueueFull):
        enter(ONE)
    enter(OTHER)
    enter(OTHER)
    with pytest.raises(QueueFull):
        enter(OTHER)
    enter(FAST)
    enter(FAST)
    with pytest.raises(QueueFull):
        enter(FAST)
    for place in held:
        place.__exit__(None, None, None)
    assert gate.requests == 0


def test_what_a_thread_takes_after_its_request_ended_is_not_held_for_ever() -> None:
    memory = Memory(100)
    with memory.hold(ONE) as share:
        share.grow(10)
        holding = share.holding(20)
        holding.__enter__()
    share.grow(30)
    assert memory.used == 20  # the thread still decodes
    holding.__exit__(None, None, None)
    assert memory.used == 0


@given(st.lists(st.tuples(st.sampled_from([ONE, OTHER, FAST]), st.integers(1, 400)), max_size=60))
@settings(deadline=None)
def test_no_order_of_takers_passes_the_budget_and_all_is_given_back(takers: list[tuple[Lane, int]]) -> None:
    memory, passes = Memory(1000), dict[str, Pass]()
    for lane, count in takers:
        share = passes.setdefault(lane.key, Pass(memory, lane))
        try:
            share.grow(count)
        except MemoryFull:
            assert memory.used + count > 700
        assert memory.used == sum(each.bytes for each in passes.values()) <= memory.budget
    for share in passes.values():
        share.close()
    assert memory.used == 0


def test_an_upload_waits_for_memory_and_is_refused_only_after_a_while() -> None:
    memory = Memory(100)
    memory.take(90, ONE)
    with pytest.raises(MemoryFull), memory.waiting_for(50, OTHER, seconds=0.1):
        pass
    giver = threading.Timer(0.1, memory.give, (90, ONE))
    giver.start()
    started = time.monotonic()
    with memory.waiting_for(50, OTHER, seconds=30.0):
        assert memory.used == 50
    assert time.monotonic() - started >= 0.05
    giver.join()
