"""The stages of a build across hosts (``core.stages``): the vectors, picks and scores of one process, bit for bit.

This process keeps about 40 bytes of each patch, its hosts the vectors. Letters: n points, m ids or picks, d dimensions.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64

from app.learning.sharded.crew import Crew
from app.learning.sharded.host import ShardRead
from core.build import searched
from core.config import DetectorConfig
from core.features.pca import Pca
from core.features.position import Position
from core.features.space import fitted
from core.features.stream import ReadImages
from core.input.cells import Cells
from core.judging.calibrate import HeldOutScores, sampled_parts
from core.memory.coreset import Coreset, Picks, Progress, coreset_of, farthest_across, random_projection
from core.memory.layout import Vectors
from core.memory.substitutes import NearestPicks, Substitutes
from core.stages import LeftOut

PARTS = 64  # that hosts judge while others are prepared


class Spread(Vectors):
    """Vectors that hosts hold. method: of a host, that gives some of a shard. shards: what each gave, in order."""

    def __init__(self, dimension: int, method: str, crew: Crew, shards: Sequence[ShardRead]) -> None:
        super().__init__(dimension)
        self._method, self._crew = method, crew
        self.first: list[int] = []  # id of each shard's first vector
        self.first_image: list[int] = []  # and its first view
        for shard in shards:
            self.first.append(self.count)
            self.first_image.append(self.images)
            for grid in shard.grids:
                self.lay(grid)
        self.host = {order.number: host for host, orders in enumerate(crew.orders) for order in orders}

    def rows(self, ids: Int64[np.ndarray, " m"]) -> Float32[np.ndarray, "m d"]:
        self._check_ids(ids)
        return gathered(self._crew, ids, self.first, self.dimension, self._call)

    def _call(self, shard: int, rows: np.ndarray) -> tuple[int, str, tuple[Any, ...]]:
        return self.host[shard], self._method, (shard, rows)


class Across:
    """See ``core.stages.Stages``. planned: vectors of the bank at most. shards: what each gave, in their order."""

    def __init__(
        self, crew: Crew, shards: Sequence[ShardRead], config: DetectorConfig, channels: int, planned: int
    ) -> None:
        self._crew, self._config, self._planned = crew, config, planned
        self.read = ReadImages()
        for shard in shards:
            self.read.extend(shard.read)
        whole = Spread(channels, "whole", crew, shards)
        self.pca, self.position = self._fitted(whole)
        self.store = Spread(config.dimensions(channels), "rows", crew, shards)
        counts = self._count(shards)
        self._start = [0, *accumulate(counts)]  # of each shard among all points
        self.added = self._start[-1]
        self._local: dict[int, int] = {}  # of each shard among its host's points
        for orders in crew.orders:
            numbers = sorted(order.number for order in orders)
            self._local |= dict(zip(numbers, accumulate([0, *(counts[n] for n in numbers)]), strict=False))
        self._generator = torch.Generator().manual_seed(config.seed)
        self._width = searched(self.store.dimension, config.projection)
        projection = random_projection(self.store.dimension, self._width, self._generator)
        crew.settle(
            lambda host: (
                {order.number: self.store.first[order.number] for order in crew.orders[host]},
                self.pca,
                self.position,
                projection,
                self.store.dimension,
            )
        )
        self._cache: dict[int, np.ndarray] = {}

    def pick(self, count: int, progress: Progress) -> Coreset:
        """See ``Stages``."""
        count = min(count, self._planned, self.added)
        start = int(torch.randint(self.added, (1,), generator=self._generator))
        picks = Picks(count, self._width)
        picks.add([int(self._ids[start])], [math.inf], self.take(np.array([start])))
        self._crew.start(picks, count)
        return coreset_of(picks, farthest_across(self._crew.step, picks, count, progress), self.added)

    def left_out(
        self, of: LeftOut, check: Callable[[], None], progress: Callable[[int, int], None]
    ) -> HeldOutScores:
        """See ``Stages``."""
        members = sampled_parts(of.groups, of.config)
        total, found = sum(map(len, members.values())), list[tuple[int, float, float]]()
        progress(0, total)
        self._crew.bank(of.index.vectors)
        substitutes, known = self._substitutes(of, check)
        under_way: Iterable[tuple[int, float, float]] = ()
        for some in (list(members)[a : a + PARTS] for a in range(0, len(members), PARTS)):
            begun = self._begin(of, {part: members[part] for part in some}, substitutes, known)
            found += under_way
            progress(len(found), total)
            under_way = begun
        found += under_way
        progress(len(found), total)
        return HeldOutScores.of(found)

    def __len__(self) -> int:
        return self.added

    def take(self, ids: Int64[np.ndarray, " m"]) -> Float32[np.ndarray, "m k"]:
        """Points, by their places among all."""

        def call(shard: int, rows: np.ndarray) -> tuple[int, str, tuple[Any, ...]]:
            return self.store.host[shard], "points", (rows + self._local[shard],)

        if not len(ids):
            return np.empty((0, self._width), np.float32)
        wanted = np.array([i for i in np.unique(ids).tolist() if i not in self._cache], np.int64)
        rows = gathered(self._crew, wanted, self._start[:-1], self._width, call)
        self._cache |= dict(zip(wanted.tolist(), rows, strict=True))
        return np.stack([self._cache[i] for i in ids.tolist()])

    def block(self, part: slice) -> Float32[np.ndarray, "m k"]:
        """Consecutive ones."""
        return self.take(np.arange(len(self))[part])

    def _begin(
        self,
        of: LeftOut,
        members: Mapping[int, Int64[np.ndarray, " q"]],
        substitutes: Substitutes,
        known: bool,
    ) -> Iterator[tuple[int, float, float]]:
        """(image, score, peak) of the photographs of some parts, which hosts judge from now on."""
        self._cache = {i: row for i, row in self._cache.items() if len(self._cache) < 1 << 16}
        self.take(np.unique(np.concatenate([substitutes.wanted(part) for part in members])))
        places = {part: substitutes.of(part) for part in members}
        put_in = self.store.rows(self._ids[np.concatenate([*places.values()])])
        edges = [0, *accumulate(len(each) for each in places.values())]
        images, calls = list[int](), list[tuple[int, str, tuple[Any, ...]]]()
        for n, (part, photographs) in enumerate(members.items()):
            own = np.flatnonzero(of.groups[of.image] == part)
            for image in photographs.tolist():
                view = image * self._views
                shard = int(np.searchsorted(self.store.first_image, view, side="right")) - 1
                local = (view - self.store.first_image[shard]) // self._views
                kept = substitutes.distances_without_own(self.store.ids(view)) if known else None
                args = (shard, local, own, put_in[edges[n] : edges[n + 1]], kept, of.offset)
                images.append(image)
                calls.append((self.store.host[shard], "judge", args))
        results = self._crew.calls(calls)
        return ((image, *scored) for image, scored in zip(images, results, strict=True))

    def _substitutes(self, of: LeftOut, check: Callable[[], None]) -> tuple[Substitutes, bool]:
        """And whether distances without a point's own part are all that a score needs (``Calibration``)."""
        known = (self.added, self._width) == (
            self.store.count,
            self.store.dimension,
        ) and not of.config.reweight
        owner = of.groups[self.store.image_of(self._ids) // self._views].astype(np.int32)
        picks = np.searchsorted(self._ids, of.kept)
        vectors = self.take(picks)
        parts = [sorted(order.number for order in orders) for orders in self._crew.orders]
        spans = {n: slice(self._start[n], self._start[n + 1]) for numbers in parts for n in numbers}
        owners = [np.concatenate([owner[:0], *(owner[spans[n]] for n in numbers)]) for numbers in parts]
        every = self._crew.each("nearest", lambda host: (vectors, owner[picks], owners[host], known))
        cut: dict[int, NearestPicks] = {}
        for numbers, found in zip(parts, every, strict=True):
            for n in numbers if found is not None else ():
                size = spans[n].stop - spans[n].start
                cut[n] = NearestPicks(*(each[self._local[n] : self._local[n] + size] for each in found))
        nearest = NearestPicks.of([cut[n] for n in sorted(cut)])
        return Substitutes(self, owner, picks, check, known, nearest), known

    def _fitted(self, whole: Spread) -> tuple[Pca | None, Position | None]:
        if not self._config.fitted:
            return None, None
        return fitted(whole, self._config, lambda: None, self._cells)

    def _cells(self, view: int, grid: tuple[int, int]) -> Cells | None:
        return self.read.placements[view // self._views].cells(self._config.input, grid)

    def _count(self, shards: Sequence[ShardRead]) -> list[int]:
        """Points of each shard; notes the id of every point."""
        found, counts = [np.empty(0, np.int64)], [0] * len(shards)
        shard = np.searchsorted(self.store.first_image, np.arange(self.store.images), side="right") - 1
        for view in range(self.store.images):
            ids = self.store.ids(view)
            cells = self._cells(view, self.store.grid(view))
            found.append(ids.start + (np.arange(ids.stop - ids.start) if cells is None else cells.rows))
            counts[int(shard[view])] += len(found[-1])
        self._ids = np.concatenate(found)
        return counts

    @property
    def _views(self) -> int:
        return self._config.augment.views


def gathered(
    crew: Crew,
    ids: Int64[np.ndarray, " m"],
    firsts: Sequence[int],
    dimension: int,
    call: Callable[[int, np.ndarray], tuple[int, str, tuple[Any, ...]]],
) -> Float32[np.ndarray, "m d"]:
    """Rows in the order of their ids, asked of every shard at once. firsts: id of each shard's first."""
    found = np.empty((len(ids), dimension), np.float32)
    shard = np.searchsorted(np.asarray(firsts), ids, side="right") - 1
    places: dict[int, np.ndarray] = defaultdict(lambda: np.empty(0, np.int64))
    for one in np.unique(shard).tolist():
        places[one] = np.flatnonzero(shard == one)
    calls = [call(one, ids[own] - firsts[one]) for one, own in places.items()]
    for own, rows in zip(places.values(), crew.calls(calls), strict=True):
        found[own] = rows
    return found
