"""``nominal similar``: the images of a folder by their likeness, without a service; bad files named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from parts import build, parts, scratched

from app.imaging.pictures import encode_png
from core.bank import save_bank

pytest_plugins = ("command_line",)
SHAPE = (80, 100)


@pytest.fixture
def bank(tmp_path) -> Path:
    path = tmp_path / "part.bank"
    save_bank(build(parts(12, SHAPE)), path)
    return path


@pytest.fixture
def seen(tmp_path) -> Path:
    """Two parts with a small scratch in the same place, and one with a large hole elsewhere."""
    folder = tmp_path / "seen"
    folder.mkdir()
    images = parts(3, SHAPE, seed=4)
    for name, image, place in zip("abc", images, ((50, 30, 10), (50, 30, 10), (20, 70, 36)), strict=True):
        (folder / f"{name}.png").write_bytes(encode_png(scratched(image, *place)))
    return folder


@pytest.fixture
def weights(tiny) -> tuple[str, ...]:
    return tiny[2:]


def test_the_most_similar_images_come_first_and_the_image_itself_is_left_out(nominal, bank, seen, weights):
    found = nominal("similar", bank, seen / "a.png", seen, *weights, "--json").json
    assert [Path(each["image"]).name for each in found["similar"]] == ["b.png", "c.png"]
    first, second = (each["similarity"] for each in found["similar"])
    assert -1 <= second < first <= 1
    assert found["refused"] == []
    shown = nominal("similar", bank, seen / "a.png", seen, *weights, "-k", "1")
    assert "b.png" in shown.out
    assert "c.png" not in shown.out


def test_an_unreadable_image_is_named_and_the_rest_compared(nominal, bank, seen, weights):
    (seen / "bad.png").write_bytes(b"not an image")
    ended = nominal("similar", bank, seen / "a.png", seen, *weights, "--json")
    found = json.loads(ended.out)
    assert (ended.status, len(found["similar"])) == (1, 2)
    assert "bad.png" in found["refused"][0]
    refused = nominal("similar", bank, seen / "bad.png", seen, *weights)
    assert (refused.status, refused.out) == (1, "")
    assert refused.err.startswith("Image")
