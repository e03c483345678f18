"""The chart of scores: where bars and thresholds stand, and that names cannot become markup."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from app.console.pages.thresholds.chart import LEFT, RIGHT, WIDTH, Line, Panel, Series, svg

EDGES = [0.0, 1.0, 2.0, 3.0]


def places(drawn: str, kind: str) -> list[float]:
    """x of the lines of a kind."""
    return [float(x) for x in re.findall(rf'n-threshold-{kind}" x1="([\d.]+)"', drawn)]


def test_thresholds_stand_at_their_scores_also_beyond_every_bar() -> None:
    panel = Panel("nominal", [Series("nominal", "nominal", [1, 4, 2])])
    drawn = svg(EDGES, [panel], [Line("Review", "review", 1.5), Line("Reject", "reject", 6.0)])
    (review,), (reject,) = places(drawn, "review"), places(drawn, "reject")
    assert LEFT < review < reject <= WIDTH - RIGHT
    assert abs((review - LEFT) / (reject - LEFT) - (1.5 / 6)) < 0.02
    assert "Review 1.500" in drawn
    assert "Reject 6.000" in drawn


def test_equal_thresholds_are_one_line() -> None:
    panel = Panel("nominal", [Series("nominal", "nominal", [0, 0, 0])])
    drawn = svg(EDGES, [panel], [Line("Review", "review", 2.0), Line("Reject", "reject", 2.0)])
    assert (len(places(drawn, "review")), len(places(drawn, "reject"))) == (0, 1)


def test_series_are_stacked_and_none_lost() -> None:
    stacked = [Series("a", "unreviewed", [1, 0, 2]), Series("b", "defect", [1, 0, 0])]
    drawn = svg(EDGES, [Panel("recorded", stacked)], [])
    bars = {kind: path.count("M") for kind, path in re.findall(r'class="n-bar-(\w+)" d="([^"]*)"', drawn)}
    assert bars == {"unreviewed": 2, "defect": 1}


def test_names_are_text_whatever_they_hold() -> None:
    drawn = svg(EDGES, [Panel("<script>", [Series("x", "nominal", [1, 1, 1])])], [Line("<b>", "reject", 1.0)])
    ElementTree.fromstring(drawn)
    assert "<script>" not in drawn
