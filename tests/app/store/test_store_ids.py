"""Ids and slugs."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.store.errors import IllegalId
from app.store.ids import SortableIds, check_slug, shown


@pytest.mark.parametrize("text", ["a", "0", "screw-m3_left", "a" * 63])
def test_a_slug_names_a_bank(text: str) -> None:
    assert check_slug(text) == text


@pytest.mark.parametrize(
    "text", ["", "A", "-a", "_a", "a" * 64, "a b", "a/b", "../a", "a\n", "a\0", "ä", "a.b", "\ud800"]
)
def test_anything_else_is_an_illegal_id(text: str) -> None:
    with pytest.raises(IllegalId, match="1 to 63"):
        check_slug(text)


def test_an_error_repeats_hostile_text_escaped_and_short() -> None:
    assert shown("\x1b[2J" + "x" * 1000) == "'\\x1b[2J" + "x" * 73 + "...'"


def test_ids_are_uuids_of_version_7_that_hold_the_time() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(SortableIds()())
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_ids_rise_in_the_order_they_are_made() -> None:
    new_id = SortableIds()
    made = [new_id() for _ in range(10_000)]
    assert made == sorted(set(made))


def test_ids_rise_when_the_wall_clock_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    new_id = SortableIds()
    before = new_id()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert before < new_id() < new_id()


def test_ids_made_by_threads_never_repeat() -> None:
    new_id = SortableIds()
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: new_id(), range(4000)))
    assert len(set(made)) == 4000
