"""README.md is short, and every number it puts forward stands in the page that it links to."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FIGURE = re.compile(r"(?<![\w.,])\d[\d.,]*\d|(?<![\w.,])\d(?![\w.,])")


def test_readme_is_read_in_two_minutes() -> None:
    assert len(README.splitlines()) <= 110


def test_its_five_numbers_stand_in_the_pages_that_they_link_to() -> None:
    rows = re.findall(r"^\| (\[.+?\]\((docs/\w+\.md)#[\w-]+\) \|.*) \|$", README, flags=re.MULTILINE)
    assert len(rows) == 5
    for row, page in rows:
        printed = set(FIGURE.findall((ROOT / page).read_text(encoding="utf-8")))
        figures = FIGURE.findall(row)
        assert figures
        assert [figure for figure in figures if figure not in printed] == [], row
