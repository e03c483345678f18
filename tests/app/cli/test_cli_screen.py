"""``nominal screen``: in the terminal, as JSON, as a page; every bad input is refused by name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from html_page import Page
from parts import parts, scratched

from app.imaging.pictures import encode_png

pytest_plugins = ("command_line",)

MESSAGE = re.compile(r"^\w+: \S.*; received .+\. \S.*\.$")


@pytest.fixture
def good(tmp_path) -> Path:
    """Thirty parts, one of them scratched, one copied."""
    folder = tmp_path / "good"
    folder.mkdir()
    images = parts(30)
    images[11] = scratched(images[11], 40, 24, 16)
    for i, image in enumerate([*images, images[4]]):
        (folder / f"{i:03d}.png").write_bytes(encode_png(image))
    (folder / "Thumbs.db").write_bytes(b"x")
    return folder


def refusal(ended) -> str:
    assert (ended.status, ended.out) == (1, "")
    line = ended.err.rstrip("\n").rpartition("\n")[2]
    assert MESSAGE.match(line), line
    return line


def test_a_person_reads_parts_copies_suspects_and_what_was_not_read(nominal, tiny, good):
    ended = nominal("screen", good, *tiny, "--size", 64, "--groups", r"\d+")
    assert ended.status == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0] == "31 photographs of 31 parts; they support a false-reject rate of 3.1 % at best."
    assert "Suspects, the worst first; look at each, nothing was removed:" in lines
    rows = [line.split()[0] for line in lines if re.match(r"\s*\d{3}\.png\s+\d\.\d\d\s", line)]
    assert rows[0] == "011.png"
    assert len(rows) == 5
    assert "  004.png = 030.png" in lines
    assert "Not read, 1 file: Thumbs.db (hidden, or kept by a system for itself)." in lines


def test_json_is_one_object_and_the_same_twice(nominal, tiny, good):
    words = ("screen", good, *tiny, "--size", 64, "--json", "--expect", 0.2)
    found = nominal(*words).json
    assert found["folder"] == str(good)
    assert len(found["suspects"]) == 13
    assert found["suspects"][0]["image"] == "011.png"
    assert found["duplicates"] == [["004.png", "030.png"]]
    assert found["left_out"] == [
        {"name": "Thumbs.db", "reason": "hidden, or kept by a system for itself", "files": 1}
    ]
    assert json.dumps(found) == json.dumps(nominal(*words).json)


def test_the_page_needs_nothing_else_and_names_are_never_markup(nominal, tiny, good, tmp_path):
    (good / "011.png").rename(good / "011<b>&.png")
    (good / "broken.png").write_bytes(b"<i>")
    page = tmp_path / "page.html"
    ended = nominal("screen", good, *tiny, "--size", 64, "--html", page)
    assert ended.status == 0, ended.err
    assert ended.out.endswith(f"\nWrote {page}\n")
    source = page.read_text(encoding="utf-8")
    found = Page(source)
    assert not {"script", "link", "b>", "i"} & {tag for tag, _ in found.tags}
    pictures = [attributes["src"] for tag, attributes in found.tags if tag == "img"]
    assert len(pictures) >= 12
    assert all(picture.startswith("data:image/jpeg;base64,") for picture in pictures)
    assert not re.search(r"https?:", source)
    assert "011<b>&.png" in found.text
    assert "Exact copies" in found.text
    assert "broken.png" in found.text
    again = tmp_path / "again.html"
    nominal("screen", good, *tiny, "--size", 64, "--html", again)
    assert again.read_bytes() == page.read_bytes()


def test_bad_input_is_refused_by_name(nominal, tiny, good, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    table = tmp_path / "parts.csv"
    table.write_text("image,part\nabsent.png,1\n")
    words = (*tiny, "--size", 64)
    assert "must hold at least one image" in refusal(nominal("screen", empty, *words))
    (empty / "1.png").write_bytes(encode_png(parts(1)[0]))
    assert "at least two images that can be read" in refusal(nominal("screen", empty, *words))
    (empty / "2.png").write_bytes(encode_png(parts(1)[0]))
    assert "copies of one photograph" in refusal(nominal("screen", empty, *words))
    assert "photographs of one part" in refusal(nominal("screen", good, *words, "--groups", "png"))
    assert "must find a part" in refusal(nominal("screen", good, *words, "--groups", "x(.)"))
    assert "name only images that are there" in refusal(nominal("screen", good, *words, "--groups", table))
    assert "share of photographs" in refusal(nominal("screen", good, *words, "--expect", 1.5))
    assert "must be written to a file" in refusal(nominal("screen", good, *words, "--html", empty))
    assert "size" in refusal(nominal("screen", good, *tiny, "--size", 65))
