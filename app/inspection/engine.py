"""Backbone + bank -> inspections: where features meet the detector. Knows no HTTP and no files."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from core.input.cells import drawn
from core.input.photograph import Image, Photograph
from core.input.preprocess import patch_grid
from core.input.views import Placement, View, view_of
from core.judging.heatmap import heatmap, peak
from core.judging.regions import Region, regions
from core.judging.scoring import UNLOCATED, Decision, Thresholds, decide
from core.registration import Location
from models.backbone import Backbone

REGION_FLOOR = 0.9  # of the map's peak: a part that is not accepted shows at least its worst place
ROUNDING = 1 + 1e-5  # how far above its highest distance a map may come, which averages them
SMALL_PIXELS = 1 << 22  # of an image, 2,048 each way: more are decoded and drawn on few threads
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
    """Milliseconds of each stage for an image; images of one batch share its features and search equally."""

    preprocess: float
    features: float
    search: float
    map: float


@dataclass(frozen=True, eq=False)
class Inspection:
    """One image's answer. score: Euclidean feature distance, unbounded, larger is more anomalous.

    heatmap: (height, width) of the original image, in score units; drawn when first asked for, unless its regions
    needed it. map_threshold: what its regions exceed. size: (height, width) of the original. worst (d,): the mean of
    its worst patches, by which similar ones are found. location: of the part, where the bank registers parts; one that
    is not located is rejected without a map, a region, a nearest or a worst patch.
    """

    score: float
    thresholds: Thresholds
    decision: Decision
    regions: tuple[Region, ...]
    nearest: NearestPatch | None
    map_threshold: float
    timings: Timings
    size: tuple[int, int]
    worst: Float32[np.ndarray, " d"] | None
    draw: Callable[[], Float32[np.ndarray, "height width"]]
    location: Location | None = None

    @property
    def heatmap(self) -> Float32[np.ndarray, "height width"]:
        return self.draw()


@dataclass(frozen=True, eq=False)
class Prepared:
    """An image as a backbone takes it, and where that is in the original; milliseconds: making it took.

    input: None of a part that is not located.
    """

    input: Float32[Tensor, "3 h w"] | None
    placement: Placement
    milliseconds: float
    location: Location | None = None

    @property
    def pixels(self) -> int:
        """Of the original."""
        return self.placement.size[0] * self.placement.size[1]

    @property
    def nbytes(self) -> int:
        """What it weighs."""
        return 0 if self.input is None else self.input.nbytes


class Engine:
    """A bank with its backbone, ready to inspect. Safe to call from one thread at a time."""

    def __init__(self, backbone: Backbone, bank: Bank) -> None:
        """Raises BankMismatch for another backbone, TooFewNominalImages for a rate the bank does not support."""
        check_backbone(bank, backbone.digest)
        self.backbone = backbone
        self.bank = bank
        self.thresholds = thresholds_of(bank)
        self.map_threshold = map_threshold_of(bank)

    def view(self, image: Image | Photograph | View) -> View:
        """What is seen of an image; on any thread, so that the one that inspects need not look for the part."""
        return view_of(image, self.bank.config, self.bank.backbone.mean, self.bank.reference)

    def inspect(
        self, images: Sequence[Image | Photograph | View | Prepared], thresholds: Thresholds | None = None
    ) -> list[Inspection]:
        """Inspect images of any sizes; those whose inputs share a shape pass the backbone together.

        images: decoded for the bank's ``config.input`` (``decode_photograph``), views of such, or prepared already.
        thresholds: in place of the bank's own, for this call only.
        """
        ready = [each if isinstance(each, Prepared) else self.prepare(each) for each in images]
        return [answer() for answer in self.judge(ready, thresholds or self.thresholds)]

    def prepare(self, image: Image | Photograph | View) -> Prepared:
        """An image as the backbone takes it; the image itself is needed no more. Safe from any thread."""
        started = time.perf_counter()
        view, spec = self.view(image), self.backbone.spec
        input = view.tensor(self.bank.config.input, spec.mean, spec.std) if view.located else None
        return Prepared(input, view.placement, (time.perf_counter() - started) * 1e3, view.location)

    def judge(self, images: Sequence[Prepared], thresholds: Thresholds) -> list[Callable[[], Inspection]]:
        """The answers, in order, each to be called for: it may take the time to draw a map of the image's size."""
        inputs = {i: each.input for i, each in enumerate(images) if each.input is not None}
        answers: dict[int, Callable[[], Inspection]] = {
            i: functools.partial(self._lost, each, thresholds)
            for i, each in enumerate(images)
            if each.input is None
        }
        for members in _same_shape(inputs):
            placements = [images[i].placement for i in members]
            found = detect(torch.stack([inputs[i] for i in members]), self.backbone, self.bank, placements)
            for place, i in enumerate(members):
                answers[i] = functools.partial(self._answer, found, place, images[i], thresholds)
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

    def place(self, cell: tuple[int, int], placement: Placement) -> tuple[int, int]:
        """The original pixel (y, x) where a cell (row, column) of an image's patch grid looks."""
        spec = self.backbone.spec
        grid = patch_grid(placement.frame, spec.strides[0], self.bank.config.patch.stride)
        return placement.at(cell, grid, spec.offset)

    def _lost(self, image: Prepared, thresholds: Thresholds) -> Inspection:
        """The answer of a part that is not located."""
        size, timings = image.placement.size, Timings(image.milliseconds, 0.0, 0.0, 0.0)
        draw = functools.cache(lambda: np.zeros(size, np.float32))
        decided = thresholds, decide(UNLOCATED, thresholds), (), None
        return Inspection(UNLOCATED, *decided, self.map_threshold, timings, size, None, draw, image.location)

    def _answer(self, found: Detection, place: int, image: Prepared, thresholds: Thresholds) -> Inspection:
        started, placement = time.perf_counter(), image.placement
        distances = found.distances[place]
        draw = functools.cache(lambda: self._drawn(distances, found.grid, placement))
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
            preprocess=image.milliseconds,
            features=found.feature_seconds * 1e3 / members,
            search=found.search_seconds * 1e3 / members,
            map=(time.perf_counter() - started) * 1e3,
        )
        nearest = self._nearest(found, place, placement)
        decided, seen = (thresholds, decision, areas, nearest), (placement.size, found.worst[place])
        return Inspection(score, *decided, level, timings, *seen, draw, image.location)

    def _drawn(
        self, distances: Float32[np.ndarray, " p"], grid: tuple[int, int], placement: Placement
    ) -> Float32[np.ndarray, "height width"]:
        """The map at the original size, 0 where a mask leaves out."""
        config, offset = self.bank.config, self.backbone.spec.offset
        spread = drawn(placement.cells(config.input, grid), distances)
        heat = heatmap(spread.reshape(grid), placement.frame, config.sigma, offset)
        return placement.original(heat, config.input)

    def _nearest(self, found: Detection, place: int, placement: Placement) -> NearestPatch:
        worst = int(found.distances[place].argmax())
        kept = int(found.ids[place, worst])
        origin = self.bank.provenance
        y, x = placement.at(divmod(worst, found.grid[1]), found.grid, self.backbone.spec.offset)
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

    image: Prepared
    thresholds: Thresholds
    engine: Engine


Found = Inspection | Callable[[], Inspection]
"""An answer; of an image of more than ``SMALL_PIXELS``, what gives it: elsewhere, for its map takes time."""


def run_batch(key: object, works: Sequence[Work]) -> list[Found]:
    """What the batcher calls on the inference thread: one call of the engine, or some where inputs are large."""
    engine = works[0].engine
    most = max(1, BATCH_PIXELS // engine.bank.config.input.size**2)
    same: dict[Thresholds, list[int]] = {}
    for i, work in enumerate(works):
        same.setdefault(work.thresholds, []).append(i)
    answers: dict[int, Found] = {}
    for thresholds, members in same.items():
        for some in (members[i : i + most] for i in range(0, len(members), most)):
            for i, answer in zip(some, engine.judge([works[i].image for i in some], thresholds), strict=True):
                answers[i] = answer if works[i].image.pixels > SMALL_PIXELS else answer()
    return [answers[i] for i in range(len(works))]


def split_name(name: str) -> tuple[str | None, str]:
    """(sha256 or None, name) of a nominal image as a bank names it: one built here says ``sha256/name``."""
    sha256, _, rest = name.partition("/")
    return (sha256, rest) if rest and len(sha256) == 64 else (None, name)


def _same_shape(inputs: Mapping[int, Tensor]) -> Iterator[list[int]]:
    """Keys of the inputs, grouped by shape in order of first appearance."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, x in inputs.items():
        groups.setdefault(tuple(x.shape), []).append(i)
    yield from groups.values()
