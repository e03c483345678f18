"""What a build will take, stated before it starts: peak memory, disk, and how the budget is shared out."""

from __future__ import annotations

import math
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from core.errors import ConfigError, MemoryBudgetError
from core.memory.merge_reduce import bytes_for, fewest_points, shared

_BANK_COPIES = 3  # gathered vectors, the index's, and a copy while either is made
_STORE_PART = 4
"""Full vectors take at most one such part of the budget: a file serves them as fast, from the system's cache."""


@dataclass(frozen=True)
class BuildEstimate:
    """Sizes of a build of ``images``; memory is what features, coreset and bank take beyond the backbone.

    views: how often each is learned, its copies counted. patches: of all views. vectors: kept for the bank.
    coreset_bytes, store_bytes: what the search for the coreset and the full vectors may hold in memory. bank_bytes: the
    gathered vectors and their index. disk_bytes: full vectors past ``store_bytes`` and projected ones past
    ``coreset_bytes``, in files. exact: the coreset is picked from all patches at once, not by merge-reduce.
    """

    images: int
    patches: int
    vectors: int
    coreset_bytes: int
    store_bytes: int
    bank_bytes: int
    disk_bytes: int
    exact: bool
    views: int = 1

    @property
    def memory_bytes(self) -> int:
        """Peak of the three together; at most the budget."""
        return self.coreset_bytes + self.store_bytes + self.bank_bytes

    def __str__(self) -> str:
        way = "exact" if self.exact else "by merge-reduce, beyond the memory budget"
        disk = f" and {_size(self.disk_bytes)} of disk" if self.disk_bytes else ""
        each = f", each learned {self.views} times," if self.views > 1 else ""
        return (
            f"{self.images:,} images{each} have {self.patches:,} patches; {self.vectors:,} are kept ({way}), "
            f"that takes up to {_size(self.memory_bytes)} of memory beside the backbone{disk}"
        )


def estimate_build(
    images: int,
    patches: int,
    dimension: int,
    projection: int | None,
    ratio: float,
    max_vectors: int,
    budget_bytes: int,
    directory: Path | None = None,
    whole: int = 0,
    min_vectors: int = 0,
    views: int = 1,
) -> BuildEstimate:
    """Share out a memory budget for ``images`` of ``patches`` each, or refuse.

    views: how often each image is learned, its copies counted; they share the vectors of the image as taken.

    projection: dimensions the coreset is searched in, None for ``dimension`` itself. directory: where full
    vectors spill. whole: dimensions of the vectors before a PCA; all of those are stored in a file. The bank comes
    first, then the projected vectors, then full vectors. Raises ConfigError for sizes below 1,
    MemoryBudgetError, with the numbers, where memory or disk cannot hold the build.
    """
    if min(images, patches, dimension, max_vectors) < 1 or not ratio > 0:
        raise ConfigError(
            requirement="images, patches, dimension, ratio and vectors of a build must be positive",
            received=f"{images}, {patches}, {dimension}, {ratio} and {max_vectors}",
            remedy="add images, or correct the settings",
        )
    total, k = images * views * patches, min(projection or dimension, dimension)
    vectors = kept_vectors(total, ratio, max_vectors, min_vectors, views)
    bank = _BANK_COPIES * vectors * dimension * 4
    wanted = bytes_for(max(total, fewest_points(vectors)), vectors, k)
    least = bytes_for(fewest_points(vectors), vectors, k)
    _check_memory(bank + least, budget_bytes, vectors)
    coreset = min(wanted, budget_bytes - bank)
    full = total * dimension * 4
    store = min(full, budget_bytes - bank - coreset, budget_bytes // _STORE_PART)
    searched, held = shared(coreset, vectors, k, total)
    disk = full - store + total * whole * 4 + max(0, min(searched, total) - held) * k * 4
    _check_disk(disk, directory)
    return BuildEstimate(images, total, vectors, coreset, store, bank, disk, searched >= total, views)


def kept_vectors(patches: int, ratio: float, max_vectors: int, min_vectors: int = 0, views: int = 1) -> int:
    """How many of all patches a bank keeps: their share, rounded up, at least ``min_vectors`` where there are as many.

    Never more than ``max_vectors``. The share is of photographs as taken, one of ``views``: copies cost nothing at
    inspection.
    """
    return min(max_vectors, max(math.ceil(patches / views * ratio), min_vectors), patches)


def _check_memory(least: int, budget: int, vectors: int) -> None:
    if least > budget:
        raise MemoryBudgetError(
            requirement=f"a bank of {vectors:,} vectors needs at least {_size(least)} of memory to build",
            received=f"a budget of {_size(budget)}",
            remedy="raise the memory budget, or lower the coreset ratio or the most vectors of a bank",
        )


def _check_disk(needed: int, directory: Path | None) -> None:
    place = directory or Path(tempfile.gettempdir())
    if not needed:
        return
    free = shutil.disk_usage(place).free
    if needed > free:
        raise MemoryBudgetError(
            requirement=f"patch vectors past the memory budget need {_size(needed)} of disk in {place}",
            received=f"{_size(free)} free",
            remedy="free disk space, name another directory, raise the memory budget or use fewer images",
        )


def _size(count: int) -> str:
    return f"{count / 1e9:,.2f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"
