from __future__ import annotations

import numpy as np
import pytest
import torch

from core.config import PatchConfig
from core.errors import ConfigError, ShapeError
from core.features.patches import patch_features


def _maps(seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 3, 8, 10, generator=generator), torch.randn(2, 5, 4, 5, generator=generator)]


def _naive_mean(maps: np.ndarray, size: int) -> np.ndarray:
    """Mean over each window, cells beyond the border counted as zeros, in float64."""
    b, c, h, w = maps.shape
    out = np.empty((b, c, h, w))
    reach = size // 2
    for y in range(h):
        for x in range(w):
            window = maps[:, :, max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
            out[:, :, y, x] = window.sum((2, 3)) / size**2
    return out


@pytest.mark.parametrize("size", [1, 3, 5])
def test_the_finest_layer_is_the_naive_neighbourhood_mean(size):
    maps = _maps()
    vectors, grid = patch_features(maps, PatchConfig(size=size))
    assert grid == (8, 10)
    expected = _naive_mean(maps[0].double().numpy(), size).transpose(0, 2, 3, 1).reshape(2, 80, 3)
    np.testing.assert_allclose(vectors[..., :3].numpy(), expected, rtol=1e-5, atol=1e-6)


def test_the_deeper_layer_is_averaged_on_its_own_grid_then_upsampled_bilinearly():
    maps = _maps()
    vectors, _ = patch_features(maps, PatchConfig())
    mean = _naive_mean(maps[1].double().numpy(), 3)
    rows = np.clip((np.arange(8) + 0.5) / 2 - 0.5, 0, 3)
    columns = np.clip((np.arange(10) + 0.5) / 2 - 0.5, 0, 4)
    by_row = np.apply_along_axis(lambda m: np.interp(rows, np.arange(4), m), 2, mean)
    expected = np.apply_along_axis(lambda m: np.interp(columns, np.arange(5), m), 3, by_row)
    np.testing.assert_allclose(
        vectors[..., 3:].numpy(), expected.transpose(0, 2, 3, 1).reshape(2, 80, 5), rtol=1e-4, atol=1e-5
    )


def test_a_stride_takes_every_other_patch_of_the_dense_grid():
    dense, _ = patch_features(_maps(), PatchConfig(stride=1))
    sparse, grid = patch_features(_maps(), PatchConfig(stride=2))
    assert grid == (4, 5)
    np.testing.assert_array_equal(
        sparse.numpy(), dense.reshape(2, 8, 10, 8)[:, ::2, ::2].reshape(2, 20, 8).numpy()
    )


def test_a_constant_map_stays_constant_inside_and_falls_to_four_ninths_in_its_corners():
    vectors, grid = patch_features([torch.ones(1, 1, 6, 6)], PatchConfig())
    means = vectors.reshape(grid).numpy()
    np.testing.assert_allclose(means[1:-1, 1:-1], 1, rtol=1e-6)
    np.testing.assert_allclose(means[[0, 0, -1, -1], [0, -1, 0, -1]], 4 / 9, rtol=1e-6)


def test_a_batch_equals_its_singles():
    maps = _maps()
    whole, _ = patch_features(maps, PatchConfig())
    singles = [patch_features([m[i : i + 1] for m in maps], PatchConfig()).vectors for i in range(2)]
    np.testing.assert_array_equal(whole.numpy(), torch.cat(singles).numpy())


@pytest.mark.parametrize("settings", [{"size": 2}, {"size": 0}, {"stride": 0}, {"stride": 9}])
def test_a_patch_size_or_stride_out_of_range_is_refused(settings):
    with pytest.raises(ConfigError):
        PatchConfig(**settings)


def test_maps_of_unequal_batches_are_refused():
    with pytest.raises(ShapeError, match="same b"):
        patch_features([torch.zeros(2, 3, 4, 4), torch.zeros(1, 3, 2, 2)], PatchConfig())
    with pytest.raises(ShapeError):
        patch_features([], PatchConfig())
