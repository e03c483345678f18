"""PNG and BMP files: every sample comes back, whoever reads the file."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from app.imaging.decode import decode_image, read_header
from app.imaging.pictures import COLOURS, encode_bmp, png_bytes


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (33, 20), (300, 257)])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_every_sample_comes_back(rng, shape, channels):
    samples = rng.integers(0, 256, (*shape, *channels), dtype=np.uint8)
    image = opened(png_bytes(samples))
    assert image.mode == ("RGB" if channels else "L")
    assert np.array_equal(np.asarray(image), samples)


def test_indices_come_back_in_the_colours_of_their_palette(rng):
    levels = rng.integers(0, 256, (20, 30), dtype=np.uint8)
    image = opened(png_bytes(levels, COLOURS))
    assert image.mode == "P"
    assert np.array_equal(np.asarray(image), levels)
    assert np.array_equal(np.asarray(image.convert("RGB")), COLOURS[levels])


def test_views_of_other_arrays_are_written_as_they_look(rng):
    samples = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    for view in (samples[::2, 5:], samples[:, ::-1], samples.transpose(1, 0, 2)):
        assert np.array_equal(np.asarray(opened(png_bytes(view))), view)


def test_our_own_reader_takes_it(rng):
    samples = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    data = png_bytes(samples)
    header = read_header(data)
    assert (header.format, header.width, header.height, header.whole) == ("PNG", 32, 24, True)
    assert np.array_equal(decode_image(data), samples)


def test_a_smooth_picture_packs_well():
    y, x = np.mgrid[:256, :256]
    assert len(png_bytes((x // 2 + y // 2).astype(np.uint8))) < 256 * 256 / 20


@pytest.mark.parametrize("width", [16, 17, 18, 19])
def test_a_bmp_gives_back_every_sample(rng, width):
    image = rng.integers(0, 256, (20, width, 3), np.uint8)
    assert np.array_equal(decode_image(encode_bmp(image)), image)
    assert np.array_equal(np.array(opened(encode_bmp(image))), image)
