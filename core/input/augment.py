"""Copies of a nominal photograph as it might arrive: mirrored, turned, moved, larger or smaller, in other light.

Turns by quarters and mirror images move pixels and change none. Random copies are drawn for each photograph by its
place among the others and the seed, resampled bilinearly, and continue beyond their border as its mirror image. A copy
has the photograph's own size, so what is turned stays as large as a camera would see it.

Letters: h w height and width of an image, k patches. Points are (y, x) from the image's middle, in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float64, Int64

from core.config import AugmentConfig, InputConfig
from core.input.photograph import Image
from core.input.preprocess import AxisMap, Frame, reduced

SHARP = 2  # pixels of a copy for each of the input, among which the antialiased resize chooses


@dataclass(frozen=True, eq=False)
class Pose:
    """How a copy shows its photograph. linear, shift: a point p of the copy shows linear p + shift of the photograph,
    shift in shares of the shorter side. light: factor of every sample. exact: a turn by quarters, mirrored or not.
    """

    linear: Float64[np.ndarray, "2 2"]
    shift: Float64[np.ndarray, " 2"]
    light: float
    exact: bool


def poses(config: AugmentConfig, seed: int, photograph: int) -> list[Pose]:
    """Those of one photograph, by its place among the others: ``config.views`` of them, the first as taken."""
    turns = [
        _quarters(turn) @ np.diag([1.0, mirror])
        for mirror in ((1.0, -1.0) if config.flips else (1.0,))
        for turn in range(4 if config.quarter_turns else 1)
    ]
    exact = [Pose(turn, np.zeros(2), 1.0, True) for turn in turns]
    rng = np.random.default_rng([seed, photograph])
    return exact + [_drawn(config, turns, rng) for _ in range(config.random)]


def copies(image: Image, config: InputConfig, drawn: list[Pose]) -> Iterator[Image]:
    """The photograph in each pose, large enough for an input of ``config``."""
    # of an oblong input the length depends on the image's very sides
    small = image if config.fit == "short_side" else reduced(image, SHARP * config.size)
    for pose in drawn:
        yield _turned(small, pose) if pose.exact else _warped(small, pose)


def places(
    pose: Pose, cells: Int64[np.ndarray, "k 2"], grid: tuple[int, int], frame: Frame, offset: float
) -> Int64[np.ndarray, "k 2"]:
    """The cells (row, column) of the photograph as taken that a copy's cells show.

    frame: of both. offset: where a cell looks, in input pixels from its own middle.
    """
    axes, size = (frame.rows, frame.columns), np.array([frame.rows.source, frame.columns.source])
    seen = np.column_stack([_pixels(cells[:, i], grid[i], axes[i], offset) for i in (0, 1)])  # (k, 2)
    shown = (seen - size / 2) @ pose.linear.T + pose.shift * size.min() + size / 2
    inside = size - np.abs(shown % (2 * size) - size)  # mirrored at each border
    return np.column_stack([_cells(inside[:, i], grid[i], axes[i], offset) for i in (0, 1)])


def _quarters(turns: int) -> Float64[np.ndarray, "2 2"]:
    """Of a copy turned so often by 90 degrees against the clock, as ``np.rot90`` does."""
    return np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), turns).astype(np.float64)


def _drawn(config: AugmentConfig, turns: list[np.ndarray], rng: np.random.Generator) -> Pose:
    angle, light = rng.uniform(-1, 1, 2) * (np.deg2rad(config.rotation), config.light)
    size = (1 + config.scale) ** rng.uniform(-1, 1)
    shift = rng.uniform(-config.shift, config.shift, 2)
    turn = turns[rng.integers(len(turns))]
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return Pose(turn @ rotation / size, shift, 1 + light, False)


def _turned(image: Image, pose: Pose) -> Image:
    """Pixels moved, none changed; an oblong image keeps its sides: what is turned out of it is cut, what is missing is
    the mirror image beyond its border."""
    mirrored = np.linalg.det(pose.linear) < 0
    turns = next(
        n for n in range(4) if np.allclose(_quarters(n) @ np.diag([1, -1 if mirrored else 1]), pose.linear)
    )
    moved = np.rot90(image, turns)
    moved = moved[:, ::-1] if mirrored else moved
    return np.ascontiguousarray(_fitted(_fitted(moved, image.shape[0], 0), image.shape[1], 1))


def _fitted(image: np.ndarray, length: int, axis: int) -> np.ndarray:
    """Cut or continued about its middle to a length along one axis."""
    missing = length - image.shape[axis]
    if missing <= 0:
        first = -missing // 2
        return np.take(image, np.arange(first, first + length), axis)
    before = missing // 2
    widths = [(0, 0)] * image.ndim
    widths[axis] = (before, missing - before)
    return np.pad(image, widths, mode="symmetric")


def _warped(image: Image, pose: Pose) -> Image:
    h, w = image.shape[:2]
    short = min(h, w)
    # grid_sample measures both sides as 2, x first
    sides = np.array([h, w])
    linear = pose.linear * sides[None, :] / sides[:, None]
    shift = pose.shift * 2 * short / sides
    theta = torch.from_numpy(np.column_stack([linear[::-1, ::-1], shift[::-1]]).astype(np.float32))
    grid = F.affine_grid(theta[None], [1, 3, h, w], align_corners=False)
    source = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
    moved = F.grid_sample(source, grid, padding_mode="reflection", align_corners=False)[0]
    return (moved * pose.light).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def _pixels(cell: np.ndarray, cells: int, axis: AxisMap, offset: float) -> np.ndarray:
    return ((cell + 0.5) * axis.input / cells + offset - axis.offset) / axis.scale


def _cells(pixel: np.ndarray, cells: int, axis: AxisMap, offset: float) -> np.ndarray:
    found = np.floor((pixel * axis.scale + axis.offset - offset) * cells / axis.input)
    return np.clip(found, 0, cells - 1).astype(np.int64)
