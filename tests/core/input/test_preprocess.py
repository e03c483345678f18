from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from core.config import FITS, InputConfig
from core.errors import ConfigError, ShapeError
from core.input.photograph import Photograph, reduction
from core.input.preprocess import frame, reduced, to_tensor

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _image(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_stretch_equals_pillows_antialiased_bilinear_within_one_grey_level(rng):
    image = _image(rng, 300, 411)
    tensor = to_tensor(image, InputConfig(size=128), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    pillow = np.asarray(Image.fromarray(image).resize((128, 128), Image.Resampling.BILINEAR), dtype=float)
    assert np.abs(tensor.permute(1, 2, 0).numpy() * 255 - pillow).max() <= 1.001


def test_normalisation_is_mean_then_std_per_channel(rng):
    image = _image(rng, 64, 64)
    tensor = to_tensor(image, InputConfig(size=64), MEAN, STD)
    expected = (image.astype(np.float64) / 255 - MEAN) / STD
    np.testing.assert_allclose(tensor.permute(1, 2, 0).numpy(), expected, atol=1e-5)


def test_channels_keep_their_order(rng):
    red = np.zeros((40, 40, 3), np.uint8)
    red[..., 0] = 255
    tensor = to_tensor(red, InputConfig(size=32), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert tensor[0].min() == 1
    assert tensor[1:].max() == 0


@pytest.mark.parametrize(
    ("config", "shape", "expected"),
    [
        (InputConfig(size=64), (100, 300), (64, 64)),
        (InputConfig(size=64, fit="short_side"), (100, 300), (64, 192)),
        (InputConfig(size=64, fit="short_side"), (300, 100), (192, 64)),
        (InputConfig(size=64, fit="letterbox"), (100, 300), (64, 64)),
        (InputConfig(size=64, crop=32), (100, 300), (32, 32)),
        (InputConfig(size=64, fit="short_side", crop=64), (100, 300), (64, 64)),
    ],
)
def test_input_shapes_follow_the_fit_and_the_frame_agrees(rng, config, shape, expected):
    tensor = to_tensor(_image(rng, *shape), config, MEAN, STD)
    geometry = frame(config, *shape)
    assert tuple(tensor.shape) == (3, *expected)
    assert (geometry.rows.input, geometry.columns.input) == expected
    assert (geometry.rows.source, geometry.columns.source) == shape


@pytest.mark.parametrize(
    "config",
    [
        InputConfig(size=96),
        InputConfig(size=96, fit="short_side"),
        InputConfig(size=96, fit="letterbox"),
        InputConfig(size=96, crop=64),
        InputConfig(size=96, fit="letterbox", crop=64),
    ],
)
def test_frame_tells_where_a_bright_spot_lands(config):
    height, width = 200, 280
    image = np.zeros((height, width, 3), np.uint8)
    image[108:116, 148:156] = 255  # centre at (112, 152) in pixel edges
    tensor = to_tensor(image, config, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))[0].double()
    h, w = tensor.shape
    rows, columns = torch.arange(h) + 0.5, torch.arange(w) + 0.5
    seen_y = float((tensor.sum(1) * rows).sum() / tensor.sum())
    seen_x = float((tensor.sum(0) * columns).sum() / tensor.sum())
    geometry = frame(config, height, width)
    assert seen_y == pytest.approx(112 * geometry.rows.scale + geometry.rows.offset, abs=0.15)
    assert seen_x == pytest.approx(152 * geometry.columns.scale + geometry.columns.offset, abs=0.15)


@pytest.mark.parametrize(
    ("config", "shape", "by"),
    [
        (InputConfig(256), (2048, 2048), 1),
        (InputConfig(256, reduced_jpeg=True), (2048, 2048), 4),
        (InputConfig(256, reduced_jpeg=True), (2048, 2040), 2),  # a quarter leaves 510 columns for 256
        (InputConfig(256, reduced_jpeg=True), (2048, 1022), 1),
        (InputConfig(256, reduced_jpeg=True), (2048, 2050), 2),
        (InputConfig(256, reduced_jpeg=True), (2048, 2049), 1),  # no rounding of a size
        (InputConfig(64, reduced_jpeg=True), (4096, 4096), 8),
        (InputConfig(256, "short_side", reduced_jpeg=True), (1024, 4096), 2),
        (InputConfig(256, "letterbox", reduced_jpeg=True), (1024, 4096), 8),
        (InputConfig(256, "letterbox", 128, reduced_jpeg=True), (1024, 2048), 4),
    ],
)
def test_a_jpeg_is_reduced_where_enough_pixels_are_left_and_no_side_is_rounded(config, shape, by):
    assert reduction(config, *shape) == by


def test_a_reduced_photograph_has_the_input_and_the_place_that_it_has_whole(rng):
    for fit in FITS:
        config, seen = InputConfig(32, fit, reduced_jpeg=True), set()
        for height, width in rng.integers(16, 160, (400, 2)) * 2:
            by = reduction(config, int(height), int(width))
            seen.add(by)
            photograph = Photograph(np.zeros((height // by, width // by, 3), np.uint8), by)
            geometry = frame(config, *photograph.shape)
            assert photograph.shape == (height, width)
            assert to_tensor(photograph.pixels, config, MEAN, STD).shape[1:] == (
                geometry.rows.input,
                geometry.columns.input,
            )
        assert {1, 2, 4} <= seen


def test_an_array_alone_is_a_photograph_decoded_whole(rng):
    image = _image(rng, 20, 30)
    alone = Photograph.of(image)
    assert (alone.pixels is image, alone.reduced, alone.shape) == (True, 1, (20, 30))
    assert Photograph.of(alone) is alone


def test_letterbox_pads_with_the_backbones_mean_colour(rng):
    tensor = to_tensor(_image(rng, 32, 96), InputConfig(size=96, fit="letterbox"), MEAN, STD)
    assert tensor[:, :32].abs().max() == 0
    assert tensor[:, 64:].abs().max() == 0


@pytest.mark.parametrize(
    "settings", [{"size": 100}, {"size": 0}, {"size": 4096}, {"crop": 48}, {"crop": 288}]
)
def test_sides_off_the_step_or_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError, match="received"):
        InputConfig(**settings)


def test_unknown_fit_is_refused():
    with pytest.raises(ConfigError, match="stretch"):
        InputConfig.from_json(InputConfig().to_json() | {"fit": "squeeze"})


@pytest.mark.parametrize("shape", [(5, 5), (5, 5, 4), (0, 5, 3)])
def test_anything_but_rgb_is_refused(shape):
    image = np.zeros(shape, np.uint8)
    with pytest.raises((ShapeError, TypeError)):
        to_tensor(image, InputConfig(), MEAN, STD)


def test_an_image_far_too_long_for_short_side_is_refused(rng):
    with pytest.raises(ShapeError, match="letterbox"):
        to_tensor(_image(rng, 20, 2000), InputConfig(size=64, fit="short_side"), MEAN, STD)


@pytest.mark.parametrize(
    ("shape", "expected"), [((95, 383), (95, 383)), ((953, 3841), (96, 384)), ((800, 500), (384, 240))]
)
def test_a_reduced_image_keeps_its_aspect_or_a_smaller_one(shape, expected, rng):
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    small = reduced(image, 384)
    assert small.shape == (*expected, 3)
    assert max(expected) / min(expected) <= max(shape) / min(shape)
    assert small.mean() == pytest.approx(image.mean(), abs=1)
    assert not np.shares_memory(small, image)


def test_looking_samples_up_gives_the_bits_of_normalising_them(rng):
    image = _image(rng, 64, 64)
    for mean, std in ((MEAN, STD), ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))):
        samples = torch.from_numpy(image).permute(2, 0, 1).to(torch.float32)
        scale = 1.0 / (255.0 * torch.tensor(std))
        shift = torch.tensor(mean) / torch.tensor(std)
        expected = samples * scale[:, None, None] - shift[:, None, None]
        assert torch.equal(to_tensor(image, InputConfig(size=64), mean, std), expected)


def test_grey_is_the_luma_of_the_resized_image_in_every_channel(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (64, 96, 3), np.uint8)
    config = InputConfig(64, "short_side", grey=True)
    (found,) = {channel.tobytes() for channel in to_tensor(image, config, (0.0,) * 3, (1.0,) * 3).numpy()}
    luma = np.asarray(Image.fromarray(image).convert("L"), np.float32)
    np.testing.assert_allclose(np.frombuffer(found, np.float32).reshape(64, 96), luma / 255, atol=1e-6)


def test_an_image_that_is_grey_already_has_the_same_input_in_shades_of_grey(rng: np.random.Generator) -> None:
    image = np.repeat(rng.integers(0, 256, (64, 64, 1), np.uint8), 3, axis=2)
    plain, grey = (to_tensor(image, InputConfig(32, grey=on), (0.5,) * 3, (0.2,) * 3) for on in (False, True))
    assert torch.equal(plain, grey)
