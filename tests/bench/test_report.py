"""The page of inspections: self-contained, every item on it, names never markup."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from html_page import Page
from PIL import Image

from app.imaging.pictures import encode_png
from bench.report import ReportItem, Series, chart, write_report

PIXELS = encode_png(np.full((4, 6, 3), 7, np.uint8))


def item(name="a.png", truth="nominal", decision="accept", score=1.5) -> ReportItem:
    return ReportItem(name, truth, score, decision, PIXELS, PIXELS)


BOTH = (Series("good", (1.0, 1.2)), Series("bad", (2.0, 3.0)))


def written(tmp_path, items, series=BOTH) -> str:
    write_report(
        tmp_path / "page.html",
        title="Parts <of> today",
        lead="A sentence.",
        facts=[("image AUROC", "0.97")],
        threshold=1.75,
        series=series,
        items=items,
    )
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_from_elsewhere(tmp_path):
    page = written(tmp_path, [item()])
    assert "http:" not in page
    assert "https:" not in page
    assert not re.search(r"url\((?!data:)|@import|<script|<link|<iframe", page)
    assert all(str(a["src"]).startswith("data:image/png;base64,") for a in Page(page).all("img"))


def test_every_item_has_a_card_with_image_overlay_score_decision_and_threshold(tmp_path):
    items = [item(f"{i}.png", score=1 + i / 8, decision="reject" if i > 5 else "accept") for i in range(9)]
    page = Page(written(tmp_path, items))
    assert len([a for a in page.all("article") if a.get("class") == "card"]) == 9
    assert len(page.all("img")) == 18
    for i in range(9):
        assert f"{i}.png" in page.text
        assert f"{1 + i / 8:.3f}" in page.text
    assert page.text.count("against 1.750") == 9
    assert "threshold 1.750" in page.text
    assert base64.b64decode(str(page.all("img")[0]["src"]).partition(",")[2]) == PIXELS


def test_misses_and_false_alarms_are_marked_and_nothing_else(tmp_path):
    text = Page(
        written(
            tmp_path,
            [
                item("a", "nominal", "accept"),
                item("b", "nominal", "review"),
                item("c", "defective", "accept"),
                item("d", "defective", "reject"),
                item("e", "", "reject"),
            ],
        )
    ).text
    assert (text.count("false alarm"), text.count("missed")) == (1, 1)


def test_names_cannot_become_markup(tmp_path):
    page = written(tmp_path, [item('<script>alert("x")</script>.png')])
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "Parts &lt;of&gt; today" in page


def test_the_threshold_and_every_bar_lie_on_the_chart():
    drawn = chart([Series("good", tuple(np.linspace(1, 2, 50))), Series("bad", (5.0,))], 1.9)
    assert 0 < drawn.threshold_x < drawn.width
    for _, bars in drawn.series:
        assert bars
        assert all(b.x >= 0 and b.x + b.width <= drawn.width for b in bars)
        assert all(b.y >= 0 and b.y + b.height == pytest.approx(drawn.height) for b in bars)
    good, bad = (sum(int(b.title.split()[0]) for b in bars) for _, bars in drawn.series)
    assert (good, bad) == (50, 1)
    assert max(b.x for b in drawn.series[0][1]) < min(b.x for b in drawn.series[1][1])


@pytest.mark.parametrize("series", [(), (Series("good", ()),), (Series("good", (0.0, 0.0)),)])
def test_scores_all_alike_or_missing_still_make_a_chart(series, tmp_path):
    drawn = chart(series, 0.0)
    assert np.isfinite([drawn.threshold_x, *(x for x, _ in drawn.ticks)]).all()
    assert "threshold" in written(tmp_path, [], series)


def test_pictures_are_embedded_as_they_are(tmp_path):
    source = str(Page(written(tmp_path, [item()])).all("img")[1]["src"])
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as image:
        assert image.size == (6, 4)
