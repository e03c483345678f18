"""A photograph -> its view: the picture that becomes the input, where it lies in the photograph, the cells that count.

The one function that build, conformance images, inspections, and all that inspects again, share. Without registration
the picture is the photograph itself, and nothing is copied.
Letters: gh gw patch rows and columns, h w rows and columns of the picture, H W of the photograph as taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32
from torch import Tensor

from core.config import DetectorConfig, InputConfig
from core.input.cells import Cells, cells_of, shown
from core.input.photograph import Image, Photograph
from core.input.preprocess import AxisMap, Frame, frame, frame_of, patch_place, to_tensor
from core.registration.location import Location, locate
from core.registration.reference import Reference
from core.registration.warp import Matrix, picture_shape, resized, unwarped, warped


@dataclass(frozen=True, eq=False)
class Placement:
    """Where an input lies in its photograph, whose size as taken is (height, width).

    frame: from the picture, or the photograph where that is the picture, to the input. warp (3, 3): from a pixel
    (x, y, 1) of the picture to one of the photograph; None where they are the same.
    """

    frame: Frame
    size: tuple[int, int]
    warp: Matrix | None = None

    def cells(self, config: InputConfig, grid: tuple[int, int]) -> Cells | None:
        """Those that count, of a grid of (rows, columns): inspected, and seen by the photograph; None for all."""
        return cells_of(config, grid, None if self.warp is None else self._seen(grid))

    def at(self, cell: tuple[int, int], grid: tuple[int, int], offset: float = 0.0) -> tuple[int, int]:
        """The pixel (y, x) of the photograph nearest to where a cell looks; see ``core.judging.heatmap``."""
        y, x = patch_place(*cell, grid, self.frame, offset)
        if self.warp is None:
            return y, x
        place = (self.warp @ (x, y, 1.0))[1::-1]
        row, column = np.clip(np.rint(place), 0, np.array(self.size) - 1).astype(int).tolist()
        return row, column

    def original(self, heat: Float32[np.ndarray, "h w"], config: InputConfig) -> Float32[np.ndarray, "H W"]:
        """A map of the frame over the photograph as taken, 0 where that is not inspected."""
        inspected = shown(config, *heat.shape)
        heat = heat if inspected is None else heat * inspected
        return heat if self.warp is None else unwarped(heat, self.warp, self.size)

    def inspected(self, config: InputConfig) -> Bool[np.ndarray, "H W"] | None:
        """Which pixels of the photograph the mask leaves in, where the part was brought to; None without a mask."""
        if self.warp is None or config.mask is None:
            return shown(config, *self.size)
        kept = shown(config, self.frame.rows.source, self.frame.columns.source)
        assert kept is not None
        return unwarped(kept.astype(np.float32), self.warp, self.size) >= 0.5

    def _seen(self, grid: tuple[int, int]) -> Bool[np.ndarray, "gh gw"]:
        """Cells whose middle is in the photograph: those of which at least half is, along one edge."""
        assert self.warp is not None
        y, x = (
            _middles(axis, cells)
            for axis, cells in zip((self.frame.rows, self.frame.columns), grid, strict=True)
        )
        place = np.stack([*np.meshgrid(x, y), np.ones(grid)])  # (3, gh, gw)
        column, row = np.tensordot(self.warp[:2], place, axes=1)
        height, width = self.size
        return np.asarray((row >= -0.5) & (row < height - 0.5) & (column >= -0.5) & (column < width - 0.5))


@dataclass(frozen=True, eq=False)
class View:
    """photograph: as decoded. picture (h, w, 3): RGB, what ``to_tensor`` takes. location: None without registration."""

    photograph: Photograph
    picture: Image
    placement: Placement
    location: Location | None = None

    @property
    def located(self) -> bool:
        """Whether there is anything to inspect."""
        return self.location is None or self.location.located

    def tensor(
        self, config: InputConfig, mean: Sequence[float], std: Sequence[float]
    ) -> Float32[Tensor, "3 _ _"]:
        """The input. Raises as ``to_tensor``."""
        return to_tensor(self.picture, config, mean, std)


def view_of(
    image: Image | Photograph | View,
    config: DetectorConfig,
    mean: Sequence[float],
    reference: Reference | None,
    location: Location | None = None,
) -> View:
    """What a bank of these settings sees of a photograph; a view is one already. mean: what fills in, of [0, 1].
    location: of the part, where it is known; else it is looked for, where there is a reference.

    Raises ShapeError for what no input can be made of.
    """
    if isinstance(image, View):
        return image
    photograph = Photograph.of(image)
    plain = View(
        photograph, photograph.pixels, Placement(frame_of(config.input, photograph), photograph.shape)
    )
    if reference is None:
        return plain
    location = location or locate(photograph, reference, config.registration, config.input.mask)
    if not location.located or location.still:
        return View(photograph, photograph.pixels, plain.placement, location)
    shape = picture_shape(config.input, *reference.size)
    assert location.transform is not None
    warp = location.transform @ resized(shape, reference.size)
    placement = Placement(frame(config.input, *shape), photograph.shape, warp)
    return View(photograph, warped(photograph, warp, shape, mean), placement, location)


def _middles(axis: AxisMap, cells: int) -> np.ndarray:
    """Of each cell along an axis, in pixels of the picture, held inside it."""
    middles = (np.arange(cells) + 0.5) * axis.input / cells
    return np.clip((middles - axis.offset) / axis.scale - 0.5, 0, axis.source - 1)
