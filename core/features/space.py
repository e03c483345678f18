"""The space that patches are compared in, where it is fitted to all nominal ones first: components, places, or both.

Until it is known the whole vectors are stored in a file; then every image is given again in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64

from core.config import DetectorConfig
from core.features.patches import Patches
from core.features.pca import Pca, fit_pca, reduced
from core.features.position import SAMPLE, Position, fit_position, placed
from core.input.cells import Cells
from core.memory.layout import Vectors
from core.memory.patch_store import PatchStore

CellsOf = Callable[[int, tuple[int, int]], Cells | None]
"""Of the image of a store with its grid, the cells that count; None for all."""


@contextmanager
def fitting(
    batches: Iterable[Patches],
    config: DetectorConfig,
    dimension: int,
    directory: Path | None,
    check: Callable[[], None],
    cells: CellsOf,
) -> Iterator[tuple[Pca | None, Position | None, Iterator[Patches]]]:
    """Read all batches, fit the config's components and places, and give the images again, one per batch.

    directory: where the whole vectors lie for as long as the context is open. check: called between steps;
    what it raises ends the work. cells: which vectors count. Raises ConfigError as ``check_kept``, ShapeError for
    values that are not finite, MemoryBudgetError where the disk has no room.
    """
    with PatchStore(dimension, 0, directory) as store:
        device = torch.device("cpu")
        for batch in batches:
            store.extend(batch)
            device = batch.vectors.device
        pca, position = fitted(store, config, check, cells)
        yield pca, position, in_space(store, pca, position, device, check)


def fitted(
    store: Vectors, config: DetectorConfig, check: Callable[[], None], cells: CellsOf
) -> tuple[Pca | None, Position | None]:
    """The config's components and places, of stored whole vectors. Arguments and errors as of ``fitting``."""
    counted = _counted(store, cells)
    pca = fit_pca(store, config, check, counted) if config.reduces else None
    position = _fit_position(store, config, pca, counted) if config.position else None
    return pca, position


def _counted(store: Vectors, cells: CellsOf) -> Int64[np.ndarray, " n"] | None:
    """Ids of the vectors that count; None for all."""
    kept = [cells(image, store.grid(image)) for image in range(store.images)]
    if all(each is None for each in kept):
        return None
    every = [
        np.arange(math.prod(store.grid(i))) if each is None else each.rows for i, each in enumerate(kept)
    ]
    return np.concatenate([store.ids(image).start + rows for image, rows in enumerate(every)])


def _fit_position(
    store: Vectors, config: DetectorConfig, pca: Pca | None, counted: Int64[np.ndarray, " n"] | None
) -> Position:
    """Of a sample of the stored vectors, drawn by the config's seed."""
    count = store.count if counted is None else len(counted)
    ids = np.random.default_rng(config.seed).permutation(count)[:SAMPLE]
    ids = ids if counted is None else counted[ids]
    vectors = store.rows(ids)
    if pca is not None:
        vectors = pca.project(torch.from_numpy(vectors)[None])[0].numpy()
    return fit_position(vectors, store.image_of(ids) // config.augment.views, config.position)


def in_space(
    store: PatchStore,
    pca: Pca | None,
    position: Position | None,
    device: torch.device,
    check: Callable[[], None],
) -> Iterator[Patches]:
    """The images of a store of whole vectors again, one per batch, as they are compared."""
    for image in range(store.images):
        check()
        vectors = torch.from_numpy(store.image_vectors(image)).to(device)
        yield placed(reduced(Patches(vectors[None], store.grid(image)), pca), position)
