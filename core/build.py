"""Nominal images -> bank: features, coreset, index, held-out calibration, conformance images.

Letters: n images, b images of a batch, p patches, d dimensions, m bank vectors.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from core.bank import BackboneRef, Bank, Conformance, CoresetRecord, Provenance
from core.config import BUILD_MEMORY, DetectorConfig
from core.detector import Extractor, conformance_scores
from core.errors import Cancelled, ConfigError, ShapeError, TooFewImages
from core.features.patches import Patches
from core.features.pca import Pca, check_kept
from core.features.position import Position
from core.features.space import fitting
from core.features.stream import FeatureStream, Seen
from core.groups import Describer, Groups, Source
from core.input.augment import places, poses
from core.judging.groups import as_groups, own_groups
from core.memory.coreset import Coreset, random_projection
from core.memory.estimate import BuildEstimate, estimate_build, kept_vectors
from core.memory.layout import Vectors
from core.memory.merge_reduce import StreamedCoreset
from core.memory.patch_store import PatchStore
from core.parallel import run_parts
from core.registration import Reference
from core.search import Index, lists_of
from core.stages import Learned, LeftOut, Stages

CONFORMANCE_TOLERANCE = 0.02  # relative; what bfloat16 and other runtimes may move a score by
WHITENED_PARTS = 100  # with 31, four of ten new good parts were rejected at a target of 5 %
HELD = 512  # patches, at most, that the recall of an approximate index is measured on

Progress = Callable[[str, int, int], None]
"""``progress(stage, done, total)``; the stages are features, coreset, index and calibration, in this order."""

Parts = Groups | np.ndarray | Callable[[], Groups | np.ndarray] | None
"""A label for each image in their order, or what gives them once all images are read; None: each image its own."""

Say = Callable[[str], None]
"""Takes one sentence that a person should read."""


@dataclass(frozen=True)
class BuildLimits:
    """What a build may use. memory_bytes: for its vectors; past it they go to a file in ``directory``."""

    memory_bytes: int = BUILD_MEMORY
    directory: Path | None = None


class Build:
    """One build: what it works with, how it reports, how it stops. ``run`` or ``learned`` may be called once.

    say: told, before the first image is read, what memory and disk the build takes. offset: where a cell of
    the backbone looks, in input pixels from its own middle (see ``core.judging.heatmap``).
    """

    def __init__(
        self,
        extract: Extractor,
        backbone: BackboneRef,
        config: DetectorConfig,
        limits: BuildLimits | None = None,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
        say: Say | None = None,
        offset: float = 0.0,
        reference: Reference | None = None,
    ) -> None:
        if (reference is None) == config.registration.on:
            raise ConfigError(
                requirement="a build needs a reference where parts are registered, and none elsewhere",
                received="another",
                remedy="choose one of the nominal images (core.registration.choose_reference)",
            )
        self._reference = reference
        self._extract = extract
        self._backbone = backbone
        self.config = config
        self._limits = limits or BuildLimits()
        self.progress = progress or (lambda stage, done, total: None)
        self._cancelled = cancelled or (lambda: False)
        self._say = say or (lambda sentence: None)
        self.offset = offset

    def run(
        self,
        images: Iterable[tuple[str, Seen]],
        expected: int,
        groups: Parts = None,
        describer: Describer | None = None,
    ) -> Bank:
        """Build a bank from named nominal images, about ``expected`` of them.

        groups: which images show one part; each part is scored against the bank as it would be without it.
        describer: keeps of each image what groups are found by, before ``groups`` is called.
        The same images in the same order, groups, config and seed give the same bank. Memory is shared out for
        images that have as many patches as the first; of larger ones no more are kept. Raises TooFewImages for
        fewer than two or of one part only, ShapeError for a name no bank may carry or groups that do not fit the
        images, MemoryBudgetError before any work that cannot fit, Cancelled.
        """
        with self.learned(images, expected, describer) as learned:
            return self.bank_of(learned, groups)

    def bank_of(self, learned: Stages, groups: Parts = None) -> Bank:
        """The bank of images that were read, wherever the stages run. Arguments and errors as of ``run``."""
        count = len(learned.read.names)
        labels, source = _labels(groups, count)
        self._check_whitened(count if labels is None else int(labels.max()) + 1)
        return self._assemble(learned, labels, source)

    @contextmanager
    def learned(
        self,
        images: Iterable[tuple[str, Seen]],
        expected: int,
        describer: Describer | None = None,
    ) -> Iterator[Learned]:
        """The patches of the images, for as long as the block runs. Raises as ``run``."""
        arriving = iter(images)
        first = next(arriving, None)
        if first is None:
            raise too_few(0)
        stream = FeatureStream(
            self._extract,
            self._backbone,
            self.config,
            expected,
            lambda: self._check_cancelled("features"),
            describer,
            self._reference,
        )
        one = stream.patches(first[1])
        plan = self._plan(one, expected)
        dimension = self.config.dimensions(sum(self._backbone.channels))
        with PatchStore(dimension, plan.store_bytes, self._limits.directory) as store:
            batches = self._counted(stream.batches(itertools.chain([first], arriving)), plan)
            with closing(batches), self._fitted(batches, stream) as (pca, position, patches):
                points = self._read(patches, store, plan, one.vectors.device, stream)
            if len(stream.names) < 2:
                raise too_few(len(stream.names))
            yield Learned(store, points, pca, position, stream)

    def _plan(self, one: Patches, expected: int) -> BuildEstimate:
        """How the memory is shared out if all images have as many patches as this one; said, or refused."""
        config = self.config
        _, p, d = one.vectors.shape
        self.planned(p, d, expected)
        k, whole = (config.dimensions(d), d) if config.fitted else (d, 0)
        sizes = (max(1, expected), p, k, searched(k, config.projection))
        limits = (self._limits.memory_bytes, self._limits.directory, whole)
        most, least = config.max_bank_vectors, config.min_bank_vectors
        plan = estimate_build(*sizes, config.coreset_ratio, most, *limits, least, config.augment.views)
        self._say(f"{plan}.")
        return plan

    def planned(self, p: int, d: int, expected: int) -> int:
        """How many vectors a bank keeps at most if all images have p patches of d dimensions. Raises ConfigError."""
        config = self.config
        self._check_whitened(expected)
        if config.pca is not None:
            check_kept(config.pca, d, max(1, expected) * p)
        most, least = config.max_bank_vectors, config.min_bank_vectors
        total = max(1, expected) * config.augment.views * p
        vectors = kept_vectors(total, config.coreset_ratio, most, least, config.augment.views)
        if config.index.kind == "ivfpq":
            lists_of(config.index, vectors)
        return vectors

    def _check_whitened(self, parts: int) -> None:
        """The metric is fitted on every part, also on the one left out: few of them make held-out scores too low."""
        if self.config.metric == "whitened" and parts < WHITENED_PARTS:
            raise ConfigError(
                requirement=f"the whitened metric needs at least {WHITENED_PARTS} nominal parts: fitted on fewer, it "
                "knows each of them so well that the threshold rejects far too many new ones",
                received=f"{parts} parts",
                remedy="choose the metric euclidean, or photograph more good parts",
            )

    def _counted(
        self, batches: Generator[Patches, None, None], plan: BuildEstimate
    ) -> Generator[Patches, None, None]:
        """The batches; progress is reported once each is taken in."""
        done = 0
        with closing(batches):
            for batch in batches:
                yield batch
                done += len(batch.vectors)
                images = done // plan.views
                self.progress("features", images, max(plan.images, images))

    def _fitted(
        self, batches: Iterator[Patches], stream: FeatureStream
    ) -> AbstractContextManager[tuple[Pca | None, Position | None, Iterator[Patches]]]:
        """The batches as they are or, by option, in the dimensions of their principal components, with places."""
        config, check = self.config, lambda: self._check_cancelled("features")
        if not config.fitted:
            return nullcontext((None, None, batches))
        dimension = sum(self._backbone.channels)
        return fitting(batches, config, dimension, self._limits.directory, check, stream.cells)

    def _read(
        self,
        batches: Iterator[Patches],
        store: PatchStore,
        plan: BuildEstimate,
        device: torch.device,
        read: FeatureStream,
    ) -> StreamedCoreset:
        """Stream the features into the store, and their projections into what a coreset is picked from."""
        generator = torch.Generator().manual_seed(self.config.seed)
        width = searched(store.dimension, self.config.projection)
        projection = random_projection(store.dimension, width, generator)
        budget = self._limits.memory_bytes - plan.bank_bytes - plan.store_bytes
        projection = projection if projection is None else projection.to(device)
        stream = StreamedCoreset(
            plan.vectors,
            width,
            budget,
            generator,
            self._cancelled,
            device,
            plan.patches,
            self._limits.directory,
        )
        for batch in batches:
            first = store.images
            store.extend(batch)
            for view, points in enumerate(projected(batch.vectors, projection), first):
                cells = read.cells(view, batch.grid)
                stream.add(points, None if cells is None else cells.rows)
        return stream

    def _picked(self, learned: Stages) -> Coreset:
        config = self.config
        most, least = config.max_bank_vectors, config.min_bank_vectors
        kept = kept_vectors(learned.added, config.coreset_ratio, most, least, config.augment.views)
        return learned.pick(kept, lambda done, total: self.progress("coreset", done, total))

    def _assemble(
        self, learned: Stages, groups: Int64[np.ndarray, " n"] | None, grouped_by: Source | None
    ) -> Bank:
        store, read, coreset = learned.store, learned.read, self._picked(learned)
        self.progress("index", 0, 1)
        kept = coreset.indices
        index = Index.build(store.rows(kept), self.config.index, self.config.seed, self._held(store, kept))
        self.progress("index", 1, 1)
        image, row, column = (part.astype(np.int32) for part in self._origins(learned, kept))
        by_part = own_groups(len(read.names)) if groups is None else groups
        held = learned.left_out(
            LeftOut(self.config, index, image, kept, by_part, self.offset),
            self.check,
            lambda done, total: self.progress("calibration", done, total),
        )
        bank = Bank(
            config=self.config,
            backbone=self._backbone,
            index=index,
            provenance=Provenance(tuple(read.names), image, row, column),
            coreset=CoresetRecord(
                coreset.covering_radius, coreset.radius_bound, coreset.exact, coreset.points
            ),
            calibration_scores=held.scores,
            calibration_peaks=held.peaks,
            pca=learned.pca,
            position=learned.position,
            reference=self._reference and replace(self._reference, fits=np.array(read.fits, np.float32)),
            poses=np.array(read.poses, np.float32) if read.poses else None,
            groups=None if groups is None else groups.astype(np.int32),
            grouped_by=grouped_by,
            calibrated=None if len(held.images) == len(read.names) else held.images.astype(np.int32),
        )
        expected = conformance_scores(read.samples, self._extract, bank)
        return replace(bank, conformance=Conformance(tuple(read.samples), expected, CONFORMANCE_TOLERANCE))

    def _origins(
        self, learned: Stages, kept: Int64[np.ndarray, " m"]
    ) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]:
        """(image, row, column) of each bank vector: a copy's patch has the cell that it shows of its photograph."""
        store, read, config = learned.store, learned.read, self.config
        view, row, column = store.locate(kept)
        image, copy = np.divmod(view, config.augment.views)
        for one in np.unique(view[copy > 0]).tolist():
            photograph, which = divmod(one, config.augment.views)
            pose = poses(config.augment, config.seed, photograph)[which]
            own, place = view == one, (store.grid(one), read.placements[photograph].frame, self.offset)
            row[own], column[own] = places(pose, np.column_stack([row[own], column[own]]), *place).T
        return image, row, column

    def _held(self, store: Vectors, kept: np.ndarray) -> Float32[np.ndarray, "h d"] | None:
        """Some patches outside the bank, to measure an approximate index on."""
        if self.config.index.kind == "flat":
            return None
        rng = np.random.default_rng(self.config.seed)
        return store.rows(np.setdiff1d(rng.choice(store.count, min(HELD, store.count), replace=False), kept))

    def check(self) -> None:
        """Raises Cancelled once that was asked for."""
        self._check_cancelled("calibration")

    def _check_cancelled(self, stage: str) -> None:
        if self._cancelled():
            raise stopped(stage)


def projected(
    vectors: Float32[Tensor, "b p d"], projection: Float32[Tensor, "d k"] | None
) -> Iterable[Float32[Tensor, "p _"]]:
    """Each image's points; on one thread each, so that their bits do not depend on the threads there are."""
    if projection is None or vectors.device.type != "cpu":
        return vectors if projection is None else vectors @ projection
    return run_parts(lambda image: image @ projection, vectors)


def searched(d: int, k: int) -> int:
    """Dimensions the coreset is searched in: k where that at least halves d; else its noise costs too much."""
    return k if d >= 2 * k else d


def _labels(groups: Parts, images: int) -> tuple[Int64[np.ndarray, " n"] | None, Source | None]:
    """The parts numbered in the order of appearance, and who said so; None where each image shows its own.

    Raises ShapeError, TooFewImages for one part only.
    """
    known = groups() if callable(groups) else groups
    if known is None:
        return None, None
    labels = known.labels if isinstance(known, Groups) else known
    if labels.shape != (images,):
        raise ShapeError(
            requirement=f"groups must be one label for each of {images} images",
            received=f"shape {labels.shape}",
            remedy="name the part of every image",
        )
    numbered = as_groups(labels)
    if numbered.max() == images - 1:
        return None, None
    if numbered.max() == 0:
        raise TooFewImages(
            requirement="a bank needs photographs of at least two nominal parts",
            received=f"{images} photographs of one part",
            remedy="photograph other good parts, or correct the groups",
        )
    return numbered, known.source if isinstance(known, Groups) else None


def stopped(stage: str) -> Cancelled:
    """The error for a build that was asked to stop."""
    return Cancelled(
        requirement="a build must run to its end to give a bank",
        received=f"a request to stop, in stage {stage}",
        remedy="start it again when it is wanted",
    )


def too_few(count: int) -> TooFewImages:
    """The error for fewer than two nominal images."""
    return TooFewImages(
        requirement="a bank needs at least two nominal images",
        received=str(count) if count else "none",
        remedy="collect more photographs of good parts; a hundred support a false-reject rate of 1 %",
    )
