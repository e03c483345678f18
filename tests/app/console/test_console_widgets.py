"""Numbers as people read them, ids made of names, histograms."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from app.console.pages.banks import slug_of
from app.console.pages.versions.histogram import LEFT, RIGHT, WIDTH, Mark, _bars, _Scale
from app.console.words import age, duration, percent, size

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "shown"),
    [(percent(0.01), "1 %"), (percent(0.02174), "2.17 %"), (size(999), "999 B"), (size(1_553_000), "1.55 MB"),
     (duration(1.46), "1.5 s"), (duration(59.4), "59 s"), (duration(61), "1 min 1 s"), (duration(7320), "2 h 2 min"),
     (age(NOW, NOW), "just now"), (age(NOW - timedelta(minutes=1), NOW), "1 minute ago"),
     (age(NOW - timedelta(hours=5), NOW), "5 hours ago"), (age(NOW - timedelta(days=3), NOW), "3 days ago")],
)  # fmt: skip
def test_numbers_are_short_and_have_their_unit(given: str, shown: str) -> None:
    assert given.replace("\N{NO-BREAK SPACE}", " ") == shown


@pytest.mark.parametrize(
    ("title", "id"),
    [
        ("Bottle cap, top", "bottle-cap-top"),
        ("Gehäuse Nr. 7", "gehause-nr-7"),
        ("  ", ""),
        ("x" * 80, "x" * 63),
    ],
)
def test_an_id_is_made_of_a_name(title: str, id: str) -> None:
    assert slug_of(title) == id


def test_ticks_are_round_and_inside() -> None:
    scale = _Scale(29.4, 41.2)
    assert scale.ticks() == [30.0, 32.0, 34.0, 36.0, 38.0, 40.0]
    assert all(LEFT <= scale.x(tick) <= WIDTH - RIGHT for tick in scale.ticks())


def test_bars_take_the_colour_of_their_decision_and_are_cut_at_a_threshold() -> None:
    marks = [Mark(1.0, "r", "review"), Mark(2.5, "j", "reject")]
    bars = _bars([0.0, 1.0, 2.0, 3.0], [1, 0, 1], marks, _Scale(0, 3))
    assert [re.findall(r"n-bar (\w+)", bar)[0] for bar in bars] == ["accept", "review", "reject"]


def test_a_set_of_equal_scores_still_has_an_axis() -> None:
    scale = _Scale.of([1.0, 1.0], [Mark(1.0, "t", "reject")])
    assert scale.low < 1.0 < scale.high
    assert scale.ticks()
