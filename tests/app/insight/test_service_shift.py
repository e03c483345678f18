"""A shift's report over HTTP: its figures, its pictures, its escapes; alone in its file."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import numpy as np
from parts import parts
from PIL import Image
from service_kit import inspect, new_bank
from starlette.testclient import TestClient
from test_service_similar import pictured, review

from app.imaging.pictures import encode_png
from app.insight.shift import SIDE, crop

REPORT = "/v1/banks/caps/report"
HOSTILE = '<script>alert("x")</script>'


class Parsed(HTMLParser):
    """The texts of a page, its elements, and everything that it names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.names, self.said = list[str](), list[str](), ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.said += f" {data} "


def report(client: TestClient, **query: Any) -> Parsed:
    response = client.get(REPORT, params=query)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="caps-shift.html"'
    return Parsed(response.text)


def test_a_report_says_what_was_inspected_judged_and_decided_and_needs_no_other_file(
    banked: TestClient, good: bytes
) -> None:
    files = [("file", ("one.png", encode_png(parts(1)[0])))]
    assert banked.post("/v1/banks/caps/images", files=files).json()["accepted"] == 1
    bad = [inspect(banked, pictured(seed), "?station=north")["id"] for seed in range(3)]
    passed = [inspect(banked, good)["id"] for _ in range(2)]
    review(banked, bad[0], kind=HOSTILE)
    review(banked, bad[1], "false_alarm")
    review(banked, passed[0], "false_alarm")
    found = report(banked)
    said = re.sub(r"\s+", " ", found.said)
    assert "5 inspected 2 accepted" in said
    assert "0 of these not located" in said
    assert "Defects confirmed, of rejected and held parts that were reviewed 1 of 2: 50.0%" in said
    assert "Defects missed, of accepted parts that were reviewed 0 of 1: 0.0%" in said
    assert HOSTILE in said, "as text"
    assert "script" not in found.tags
    assert "imported" in said, "who made the version that decided"
    pictures = [name for name in found.names if name.startswith("data:image/jpeg;base64,")]
    assert len(pictures) == 3, "an example of the kind, one of what waits, and the reference"
    assert set(found.names) - {*pictures} == {"#reference"}
    there = report(banked, station="south")
    assert "0 inspected" in re.sub(r"\s+", " ", there.said)


def test_a_report_by_day_counts_every_day_and_long_or_empty_spans_are_refused(banked: TestClient) -> None:
    now = datetime.now(UTC)
    inspect(banked, pictured(1))
    found = report(banked, since=(now - timedelta(days=20)).isoformat())
    assert "By day" in found.said
    assert f"{now:%a %d %b}" in found.said
    assert banked.get(REPORT, params={"since": (now - timedelta(days=32)).isoformat()}).status_code == 422
    assert banked.get(f"{new_bank(banked)}/report").status_code == 200
    assert banked.get("/v1/banks/absent/report").status_code == 404


def test_a_crop_shows_the_largest_region_and_the_whole_of_an_image_without_one() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    image[100:160, 200:260] = 255
    region = {"x": 200, "y": 100, "width": 60, "height": 60, "area": 3600, "peak_x": 230, "peak_y": 130}
    assert [np.asarray(_opened(crop(image, some))).shape for some in ([region], [])] == [(SIDE, SIDE, 3)] * 2
    assert 0.2 < np.asarray(_opened(crop(image, [region, region | {"x": 0, "area": 1}]))).mean() / 255 < 0.3


def _opened(data: bytes) -> Any:
    return Image.open(io.BytesIO(data))
