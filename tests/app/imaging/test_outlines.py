"""Masks as people give them: pictures and outlines, and what is refused of them."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from app.errors import FolderError, ImageRefused
from app.imaging.outlines import mask_from, mask_from_file
from core.errors import ConfigError, MaskError
from core.input.mask import SIDE, mask_of


def outlines(width: int = 60, height: int = 40, **shapes: object) -> bytes:
    return json.dumps({"width": width, "height": height, **shapes}).encode()


def picture(pixels: np.ndarray, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def square(value: int, kind: type = np.uint8) -> np.ndarray:
    pixels = np.zeros((40, 60), kind)
    pixels[10:30, 20:50] = value
    return pixels


def test_shapes_are_inspected_or_ignored_by_the_pixel():
    found = mask_of(mask_from(outlines(inspect=[{"rectangle": [20, 10, 30, 20]}])))
    assert np.array_equal(found, square(1) > 0)
    found = mask_of(mask_from(outlines(ignore=[{"polygon": [[20, 10], [50, 10], [50, 30], [20, 30]]}])))
    assert np.array_equal(found, square(1) == 0)
    both = outlines(inspect=[{"rectangle": [20, 10, 30, 20]}], ignore=[{"rectangle": [40, 10, 10, 20]}])
    assert mask_of(mask_from(both)).sum() == 20 * 20


def test_a_circle_has_its_area_and_outlines_of_a_large_photograph_are_reduced():
    found = mask_of(mask_from(outlines(4000, 4000, inspect=[{"circle": [2000, 2000, 1000]}])))
    assert found.shape == (SIDE, SIDE)
    assert abs(found.mean() - np.pi / 16) < 0.002


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
@pytest.mark.parametrize("value", [255, 128])
def test_bright_pixels_of_a_picture_are_inspected(form, value):
    assert np.array_equal(mask_of(mask_from(picture(square(value), form))), square(1) > 0)


def test_a_picture_of_two_colours_and_one_of_jpeg_are_read():
    colours = np.stack([square(200), square(0), square(0)], axis=2)
    assert np.array_equal(mask_of(mask_from(picture(colours))), square(1) > 0)
    assert abs(mask_of(mask_from(picture(square(255), "JPEG"))).sum() - 600) <= 12


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (outlines(inspect=[{"rectangle": [60, 0, 5, 5]}]), MaskError, "shape must touch the photograph, 60 x 40"),
        (outlines(inspect=[{"circle": [-9, 5, 5]}]), MaskError, r"one from \(-14, 0\)"),
        (outlines(inspect=[{"rectangle": [0, 0, 5, 0]}]), MaskError, "inspect.0: a rectangle must have a width"),
        (outlines(inspect=[{"circle": [5, 5, 0]}]), MaskError, "a radius above 0"),
        (outlines(inspect=[{"circle": [5, 5, 1e999]}]), MaskError, "finite"),
        (outlines(inspect=[{}]), MaskError, "a shape must be a polygon, a rectangle or a circle"),
        (outlines(inspect=[{"polygon": [[0, 0], [1, 1]]}]), MaskError, "at least 3"),
        (outlines(shapes=[]), MaskError, "shapes: Extra inputs"),
        (outlines(0), MaskError, "width: Input should be greater"),
        (b'{"width": 60', MaskError, "must be JSON"),
        (outlines(), ConfigError, "leave something out"),
        (outlines(ignore=[{"rectangle": [0, 0, 60, 40]}]), ConfigError, "leave something to inspect"),
        (picture(np.zeros((40, 60), np.uint8)), ConfigError, "leave something to inspect"),
        (picture(np.dstack([square(255)] * 3 + [255 - square(9)])), MaskError, "opaque"),
        (b"GIF8", ImageRefused, "must be"),
        (b"", ImageRefused, "byte"),
    ],
)  # fmt: skip
def test_what_is_no_mask_is_refused_by_name(given, error, words):
    with pytest.raises(error, match=words):
        mask_from(given)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FolderError, match=r"none at .*roi\.png"):
        mask_from_file(tmp_path / "roi.png")
