"""Pictures in documents: those named are those there; each is small and says what it shows."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from browser.pictures import DOCUMENTS, MOST_BYTES, PICTURES, named, small
from PIL import Image

GUIDE_TEST = Path(__file__).resolve().parents[1] / "browser" / "test_operator_guide.py"


def test_documents_name_every_picture_and_no_other() -> None:
    assert named() == {path.name for path in PICTURES.iterdir()}


def test_every_picture_is_small_and_as_wide_as_a_screen() -> None:
    for path in PICTURES.iterdir():
        assert path.stat().st_size <= MOST_BYTES, path.name
        with Image.open(path) as picture:
            picture.load()
            assert picture.width == 1280, path.name


def test_every_picture_says_what_it_shows() -> None:
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        assert len(re.findall(r"!\[", text)) == len(re.findall(r"!\[[^]]{20,}\]\(", text)), document.name


def test_the_guide_s_browser_test_takes_every_picture() -> None:
    taken = re.findall(r'\.picture\("([\w-]+)"\)', GUIDE_TEST.read_text(encoding="utf-8"))
    assert named() == {f"guide-{name}.png" for name in taken}


def test_a_screenshot_made_small_looks_the_same(rng: np.random.Generator) -> None:
    screenshot = rng.integers(0, 256, (90, 160, 3), dtype=np.uint8)
    screenshot[0, :2] = [[0, 0, 0], [255, 255, 255]]
    with Image.open(BytesIO(small(Image.fromarray(screenshot)))) as picture:
        shown = np.asarray(picture)
    assert np.abs(shown.astype(int) - screenshot).max() <= 2
    assert np.array_equal(shown[0, :2], screenshot[0, :2])  # black and white stay


def test_a_screenshot_that_cannot_be_made_small_is_refused(rng: np.random.Generator) -> None:
    noise = rng.integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="150,000 bytes"):
        small(Image.fromarray(noise))
