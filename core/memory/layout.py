"""Which row of all patch vectors is whose: images numbered from 0 in order, row ids over all of them, row-major grids.

Letters: m ids asked for, p patches of an image, d dimensions.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int64

from core.errors import ShapeError


class Vectors:
    """The patch vectors of a build, wherever they are stored: here only whose each is."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.count = 0
        self._first: list[int] = []
        self._grids: list[tuple[int, int]] = []

    def rows(self, ids: Int64[np.ndarray, " m"]) -> Float32[np.ndarray, "m d"]:
        """The vectors of these ids, in their order."""
        raise NotImplementedError

    def lay(self, grid: tuple[int, int]) -> None:
        """The next image has this grid."""
        self._first.append(self.count)
        self._grids.append(grid)
        self.count += grid[0] * grid[1]

    def ids(self, image: int) -> slice:
        """The ids of one image's vectors. Raises ShapeError for an image that was not appended."""
        rows, columns = self.grid(image)
        return slice(self._first[image], self._first[image] + rows * columns)

    def grid(self, image: int) -> tuple[int, int]:
        """(rows, columns) of an image's patches."""
        return self._grids[self._check_image(image)]

    def locate(
        self, ids: Int64[np.ndarray, " m"]
    ) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]:
        """(image, row, column) of each id: where in the grid of which image its patch lies."""
        image = self.image_of(ids)
        first = np.array(self._first, np.int64)
        columns = np.array([grid[1] for grid in self._grids], np.int64)
        row, column = np.divmod(ids - first[image], columns[image])
        return image, row, column

    def image_of(self, ids: Int64[np.ndarray, " m"]) -> Int64[np.ndarray, " m"]:
        """The image each id belongs to."""
        self._check_ids(ids)
        return np.searchsorted(np.array(self._first, np.int64), ids, side="right") - 1

    @property
    def images(self) -> int:
        """How many images were appended."""
        return len(self._grids)

    def _check_ids(self, ids: np.ndarray) -> None:
        if len(ids) and not (ids.min() >= 0 and ids.max() < self.count):
            raise ShapeError(
                requirement=f"ids must be from 0 to {self.count - 1}",
                received=f"{ids.min()} to {ids.max()}",
                remedy="ask for vectors that were appended, before the store is closed",
            )

    def _check_image(self, image: int) -> int:
        if not 0 <= image < self.images:
            raise ShapeError(
                requirement=f"an image must be from 0 to {self.images - 1}",
                received=str(image),
                remedy="ask for images that were appended, before the store is closed",
            )
        return image
