"""Heatmaps against the same chain spelled out in torch: resize, convolve, resample through the frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from core.config import InputConfig
from core.errors import ShapeError
from core.input.preprocess import Frame, frame, patch_place
from core.judging.heatmap import heatmap, map_scores, peak


def smoothed_input(grid: np.ndarray, shape: tuple[int, int], sigma: float) -> torch.Tensor:
    """Grid -> input by torch's own resize, then a 2-d Gaussian over what of it lies inside the input."""
    fine = F.interpolate(
        torch.from_numpy(grid)[None, None].double(), size=shape, mode="bilinear", align_corners=False
    )
    radius = int(8 * sigma)
    ticks = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-(ticks[:, None] ** 2 + ticks[None] ** 2) / (2 * sigma**2))[None, None]
    return F.conv2d(fine, kernel, padding=radius) / F.conv2d(torch.ones_like(fine), kernel, padding=radius)


def sampled(input_map: torch.Tensor, height: int, width: int, place: Frame) -> np.ndarray:
    """Every original pixel read bilinearly at its place in the input, one by one; 0 outside the input."""
    pixels = input_map[0, 0].numpy()
    result = np.zeros((height, width))
    for y in range(height):
        v = (y + 0.5) * place.rows.scale + place.rows.offset - 0.5
        for x in range(width):
            u = (x + 0.5) * place.columns.scale + place.columns.offset - 0.5
            if -0.5 <= v < pixels.shape[0] - 0.5 and -0.5 <= u < pixels.shape[1] - 0.5:
                result[y, x] = bilinear(pixels, v, u)
    return result


def bilinear(pixels: np.ndarray, v: float, u: float) -> float:
    v, u = np.clip(v, 0, pixels.shape[0] - 1), np.clip(u, 0, pixels.shape[1] - 1)
    i, j = int(v), int(u)
    below, right = min(i + 1, pixels.shape[0] - 1), min(j + 1, pixels.shape[1] - 1)
    upper = pixels[i, j] * (1 - (u - j)) + pixels[i, right] * (u - j)
    lower = pixels[below, j] * (1 - (u - j)) + pixels[below, right] * (u - j)
    return float(upper * (1 - (v - i)) + lower * (v - i))


@pytest.mark.parametrize("shape", [(96, 64), (37, 201), (64, 64), (1, 5)])
def test_a_stretched_map_equals_torch_resize_blur_resize(
    shape: tuple[int, int], rng: np.random.Generator
) -> None:
    grid = rng.random((8, 8), dtype=np.float32)
    expected = F.interpolate(
        smoothed_input(grid, (64, 64), 4.0), size=shape, mode="bilinear", align_corners=False
    )
    found = heatmap(grid, frame(InputConfig(64), *shape), sigma=4.0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected[0, 0].numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        (InputConfig(64, "letterbox"), (40, 90)),
        (InputConfig(64, "letterbox"), (90, 41)),
        (InputConfig(64, "short_side"), (50, 120)),
        (InputConfig(96, "stretch", crop=64), (70, 80)),
        (InputConfig(96, "short_side", crop=64), (150, 90)),
        (InputConfig(96, "letterbox", crop=64), (30, 100)),
    ],
)
def test_the_map_follows_the_frame_of_every_fit(
    config: InputConfig, shape: tuple[int, int], rng: np.random.Generator
) -> None:
    place = frame(config, *shape)
    grid = rng.random((place.rows.input // 8, place.columns.input // 8), dtype=np.float32)
    expected = sampled(smoothed_input(grid, (place.rows.input, place.columns.input), 2.5), *shape, place)
    np.testing.assert_allclose(heatmap(grid, place, sigma=2.5), expected, atol=1e-4)


@pytest.mark.parametrize("fit", ["stretch", "short_side", "letterbox"])
def test_equal_distances_give_an_equal_map_to_its_edges(fit: str) -> None:
    config = InputConfig(64, fit)  # type: ignore[arg-type]
    place = frame(config, 45, 100)
    grid = np.full((place.rows.input // 8, place.columns.input // 8), 3.5, np.float32)
    np.testing.assert_allclose(heatmap(grid, place), np.full((45, 100), 3.5), rtol=1e-5)


def test_outside_a_centre_crop_the_map_is_zero() -> None:
    found = heatmap(np.ones((4, 4), np.float32), frame(InputConfig(64, crop=32), 128, 128))
    inside = np.zeros((128, 128))
    inside[32:96, 32:96] = 1
    np.testing.assert_allclose(found, inside, rtol=1e-5)


def test_without_sigma_a_map_of_the_grids_own_size_is_the_grid(rng: np.random.Generator) -> None:
    grid = rng.random((32, 32), dtype=np.float32)
    np.testing.assert_allclose(heatmap(grid, frame(InputConfig(32), 32, 32), sigma=0.0), grid, rtol=1e-6)


def test_the_map_stays_within_the_range_of_the_distances(rng: np.random.Generator) -> None:
    grid = rng.random((8, 8), dtype=np.float32)
    found = heatmap(grid, frame(InputConfig(64), 99, 77))
    assert grid.min() < found.min() < found.max() < grid.max()


def test_a_repeated_map_does_not_share_memory_with_the_first(rng: np.random.Generator) -> None:
    grid, place = rng.random((8, 8), dtype=np.float32), frame(InputConfig(64), 50, 50)
    first = heatmap(grid, place)
    kept = first.copy()
    first[:] = -1
    np.testing.assert_array_equal(heatmap(grid, place), kept)


def test_an_empty_grid_is_refused() -> None:
    with pytest.raises(ShapeError, match="gh, gw"):
        heatmap(np.empty((0, 4), np.float32), frame(InputConfig(64), 50, 50))


def test_the_peak_is_the_first_highest_pixel() -> None:
    heat = np.zeros((3, 4), np.float32)
    heat[1, 2] = heat[2, 0] = 9
    assert peak(heat) == (9, 2, 1)


@pytest.mark.parametrize(
    "config", [InputConfig(64), InputConfig(64, "letterbox"), InputConfig(96, "short_side", crop=64)]
)
def test_a_patch_lies_where_its_own_map_peaks(config: InputConfig) -> None:
    place = frame(config, 120, 200)
    grid = np.zeros((8, 8), np.float32)
    grid[4, 3] = 1
    y, x = patch_place(4, 3, (8, 8), place)
    worst = peak(heatmap(grid, place))
    assert abs(worst.y - y) <= 1
    assert abs(worst.x - x) <= 1


def test_patches_of_padding_are_placed_on_the_nearest_original_pixel() -> None:
    place = frame(InputConfig(64, "letterbox"), 32, 64)
    assert patch_place(0, 0, (8, 8), place) == (0, 4)
    assert patch_place(7, 7, (8, 8), place) == (31, 60)


def test_an_offset_moves_the_map_by_input_pixels_and_leaves_its_edges_held(rng: np.random.Generator) -> None:
    grid, place = rng.random((8, 8), dtype=np.float32), frame(InputConfig(64), 64, 64)
    plain = heatmap(grid, place, sigma=2.0)
    moved = heatmap(grid, place, sigma=2.0, offset=-5.0)
    np.testing.assert_allclose(moved[20:40, 20:40], plain[25:45, 25:45], atol=1e-5)
    np.testing.assert_allclose(
        heatmap(np.full((8, 8), 2, np.float32), place, offset=3.5), np.full((64, 64), 2), rtol=1e-6
    )


def test_the_place_of_a_patch_moves_with_the_offset() -> None:
    place = frame(InputConfig(64), 128, 128)
    y, x = patch_place(4, 3, (8, 8), place)
    assert patch_place(4, 3, (8, 8), place, offset=-3.5) == (y - 7, x - 7)


def test_the_score_of_a_map_is_the_peak_of_what_torch_smooths(rng: np.random.Generator) -> None:
    distances = rng.random((3, 8 * 12), dtype=np.float32)
    found = map_scores(distances, (8, 12), (64, 96), 4.0)
    for score, each in zip(found, distances, strict=True):
        expected = smoothed_input(each.reshape(8, 12), (64, 96), 4.0).max()
        assert score == pytest.approx(float(expected), rel=1e-4)
    assert (found < distances.max(axis=1)).all()
