"""Backbone + bank -> inspections: where features meet the detector. Knows no HTTP and no files."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from core.bank import Bank
from core.detector import (
    Detection,
    check_backbone,
    check_conformance,
    conformance_difference,
    conformance_scores,
    detect,
    map_threshold_of,
    thresholds_of,
)
from core.input.cells import drawn, shown
from core.input.photograph import Image, Photograph
from core.input.preprocess import Frame, frame_of, patch_grid, patch_place, to_tensor
from core.judging.heatmap import heatmap, peak
from core.judging.regions import Region, regions
from core.judging.scoring import Decision, Thresholds, decide
from models.backbone import Backbone

REGION_FLOOR = 0.9  # of the map's peak: a part that is not accepted shows at least its worst place
ROUNDING = 1 + 1e-5  # how far above its highest distance a map may come, which averages them
BATCH_PIXELS = 2 << 20  # of input that pass the backbone together: 32 at 256 pixels a side, 2 at 1,024


@dataclass(frozen=True)
class NearestPatch:
    """What the worst place was compared with: the nearest nominal patch, and still this unlike it.

    image: name of the nominal image; row, column: the patch's cell in that image's grid; distance: Euclidean.
    at_x, at_y: the worst place in the inspected image, original pixels.
    """

    image: str
    row: int
    column: int
    distance: float
    at_x: int
    at_y: int


@dataclass(frozen=True)
class Timings:
    """Milliseconds an image of each stage; images of one batch share its features and search equally."""

    preprocess: float
    features: float
    search: float
    map: float


@dataclass(frozen=True, eq=False)
class Inspection:
    """One image's answer. score: Euclidean feature distance, unbounded, larger is more anomalous.

    heatmap: (height, width) of the original image, in score units; drawn when first asked for, unless its regions
    needed it. map_threshold: what its regions exceed. size: (height, width) of the original. worst (d,): the mean of
    its worst patches, by which similar ones are found.
    """

    score: float
    thresholds: Thresholds
    decision: Decision
    regions: tuple[Region, ...]
    nearest: NearestPatch
    map_threshold: float
    timings: Timings
    size: tuple[int, int]
    worst: Float32[np.ndarray, " d"]
    draw: Callable[[], Float32[np.ndarray, "height width"]]

    @property
    def heatmap(self) -> Float32[np.ndarray, "height width"]:
        return self.draw()


class Engine:
    """A bank with its backbone, ready to inspect. Safe to call from one thread at a time."""

    def __init__(self, backbone: Backbone, bank: Bank) -> None:
        """Raises BankMismatch for another backbone, TooFewNominalImages for a rate the bank does not support."""
        check_backbone(bank, backbone.digest)
        self.backbone = backbone
        self.bank = bank
        self.thresholds = thresholds_of(bank)
        self.map_threshold = map_threshold_of(bank)

    def inspect(
        self, images: Sequence[Image | Photograph], thresholds: Thresholds | None = None
    ) -> list[Inspection]:
        """Inspect images of any sizes; those whose inputs share a shape pass the backbone together.

        images: decoded for the bank's ``config.input`` (``decode_photograph``). thresholds: in place of the bank's
        own, for this call only.
        """
        config, spec = self.bank.config.input, self.backbone.spec
        answers: dict[int, Inspection] = {}
        started = time.perf_counter()
        photographs = [x if isinstance(x, Photograph) else Photograph(x) for x in images]
        inputs = [to_tensor(each.pixels, config, spec.mean, spec.std) for each in photographs]
        preprocess = time.perf_counter() - started
        for members in _same_shape(inputs):
            found = detect(torch.stack([inputs[i] for i in members]), self.backbone, self.bank)
            for place, i in enumerate(members):
                geometry = frame_of(config, photographs[i])
                answers[i] = self._answer(
                    found, place, geometry, thresholds or self.thresholds, preprocess / len(images)
                )
        return [answers[i] for i in range(len(images))]

    def prove(self) -> float:
        """The largest relative difference of the conformance scores here. Raises BankMismatch past the tolerance."""
        return check_conformance(self.bank, self.backbone)

    def conformance_score(self, i: int) -> float:
        """What conformance image ``i`` scores here; one at a time, so that inspections pass between two."""
        return float(conformance_scores(self.bank.conformance.images[i : i + 1], self.backbone, self.bank)[0])

    def agrees(self, scores: Sequence[float]) -> float:
        """The largest relative difference of conformance scores. Raises BankMismatch past the tolerance."""
        return conformance_difference(self.bank, np.asarray(scores, dtype=np.float32))

    def place(
        self, cell: tuple[int, int], geometry: Frame, grid: tuple[int, int] | None = None
    ) -> tuple[int, int]:
        """The original pixel (y, x) where a cell (row, column) of an image's patch grid looks.

        geometry: of that image, inspected or nominal. grid: (rows, columns) where they are known already.
        """
        spec = self.backbone.spec
        grid = grid or patch_grid(geometry, spec.strides[0], self.bank.config.patch.stride)
        return patch_place(*cell, grid, geometry, spec.offset)

    def _answer(
        self, found: Detection, place: int, geometry: Frame, thresholds: Thresholds, preprocess: float
    ) -> Inspection:
        started = time.perf_counter()
        distances = found.distances[place]
        draw = functools.cache(lambda: self._drawn(distances, found.grid, geometry))
        score = float(found.scores[place])
        decision = decide(score, thresholds)
        level, areas = self.map_threshold, tuple[Region, ...]()
        if decision != "accept":
            level = min(level, REGION_FLOOR * peak(draw()).value)
        # where no distance passes the level no pixel does, and no map is needed to see that
        if not float(distances.max()) * ROUNDING <= level:
            areas = tuple(regions(draw(), level))
        members = len(found.scores)
        timings = Timings(
            preprocess=preprocess * 1e3,
            features=found.feature_seconds * 1e3 / members,
            search=found.search_seconds * 1e3 / members,
            map=(time.perf_counter() - started) * 1e3,
        )
        nearest = self._nearest(found, place, geometry)
        size = geometry.rows.source, geometry.columns.source
        worst = found.worst[place]
        return Inspection(score, thresholds, decision, areas, nearest, level, timings, size, worst, draw)

    def _drawn(
        self, distances: Float32[np.ndarray, " p"], grid: tuple[int, int], geometry: Frame
    ) -> Float32[np.ndarray, "height width"]:
        """The map at the original size, 0 where a mask leaves out."""
        config, offset = self.bank.config, self.backbone.spec.offset
        spread = drawn(config.input, grid, distances)
        heat = heatmap(spread.reshape(grid), geometry, config.sigma, offset)
        inspected = shown(config.input, *heat.shape)
        return heat if inspected is None else heat * inspected

    def _nearest(self, found: Detection, place: int, geometry: Frame) -> NearestPatch:
        worst = int(found.distances[place].argmax())
        kept = int(found.ids[place, worst])
        origin = self.bank.provenance
        y, x = self.place(divmod(worst, found.grid[1]), geometry, found.grid)
        return NearestPatch(
            image=origin.images[int(origin.image[kept])],
            row=int(origin.row[kept]),
            column=int(origin.column[kept]),
            distance=float(found.distances[place, worst]),
            at_x=x,
            at_y=y,
        )


@dataclass(frozen=True, eq=False)
class Work:
    """What waits in the queue; it holds its engine, which may leave the memory meanwhile."""

    image: Photograph
    thresholds: Thresholds
    engine: Engine


def image_bytes(work: Work) -> int:
    """What a waiting image weighs."""
    return work.image.pixels.nbytes


def run_batch(key: object, works: Sequence[Work]) -> list[Inspection]:
    """What the batcher calls on the inference thread: one call of the engine, or some where inputs are large."""
    engine = works[0].engine
    most = max(1, BATCH_PIXELS // engine.bank.config.input.size**2)
    same: dict[Thresholds, list[int]] = {}
    for i, work in enumerate(works):
        same.setdefault(work.thresholds, []).append(i)
    answers: dict[int, Inspection] = {}
    for thresholds, members in same.items():
        for some in (members[i : i + most] for i in range(0, len(members), most)):
            found = engine.inspect([works[i].image for i in some], thresholds)
            answers.update(zip(some, found, strict=True))
    return [answers[i] for i in range(len(works))]


def split_name(name: str) -> tuple[str | None, str]:
    """(sha256 or None, name) of a nominal image as a bank names it: one built here says ``sha256/name``."""
    sha256, _, rest = name.partition("/")
    return (sha256, rest) if rest and len(sha256) == 64 else (None, name)


def _same_shape(inputs: Sequence[Tensor]) -> Iterator[list[int]]:
    """Positions of the inputs, grouped by shape in order of first appearance."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, x in enumerate(inputs):
        groups.setdefault(tuple(x.shape), []).append(i)
    yield from groups.values()
