"""Nominal images -> bank: features, coreset, index, leave-one-image-out calibration, conformance images.

Letters: n images, b images of a batch, p patches, d dimensions, m bank vectors.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from core.bank import BackboneRef, Bank, Conformance, CoresetRecord, Provenance
from core.config import BUILD_MEMORY, DetectorConfig
from core.detector import Extractor, conformance_scores, leave_one_out
from core.errors import Cancelled, TooFewImages
from core.features.patches import Patches
from core.features.pca import Pca, check_kept, reducing
from core.features.stream import FeatureStream
from core.input.photograph import Image, Photograph
from core.input.preprocess import Frame
from core.judging.heatmap import heatmap, peak
from core.memory.coreset import Coreset, random_projection
from core.memory.estimate import BuildEstimate, estimate_build, kept_vectors
from core.memory.merge_reduce import StreamedCoreset
from core.memory.patch_store import PatchStore
from core.parallel.parts import run_parts
from core.search import Index, as_queries

LEFT_OUT = 8  # images scored side by side
CONFORMANCE_TOLERANCE = 0.02  # relative; what bfloat16 and other runtimes may move a score by
HELD = 512  # patches, at most, that the recall of an approximate index is measured on

Progress = Callable[[str, int, int], None]
"""``progress(stage, done, total)``; the stages are features, coreset, index and calibration, in this order."""

Say = Callable[[str], None]
"""Takes one sentence that a person should read."""


@dataclass(frozen=True)
class BuildLimits:
    """What a build may use. memory_bytes: for its vectors; past it they go to a file in ``directory``."""

    memory_bytes: int = BUILD_MEMORY
    directory: Path | None = None


class Build:
    """One build: what it works with, how it reports, how it stops. ``run`` may be called once.

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
    ) -> None:
        self._extract = extract
        self._backbone = backbone
        self._config = config
        self._limits = limits or BuildLimits()
        self._progress = progress or (lambda stage, done, total: None)
        self._cancelled = cancelled or (lambda: False)
        self._say = say or (lambda sentence: None)
        self._offset = offset

    def run(self, images: Iterable[tuple[str, Image | Photograph]], expected: int) -> Bank:
        """Build a bank from named nominal images, about ``expected`` of them.

        The same images in the same order, config and seed give the same bank. Memory is shared out for images
        that have as many patches as the first; of larger ones no more are kept. Raises TooFewImages for fewer
        than two, ShapeError for a name no bank may carry, MemoryBudgetError before any work that cannot fit,
        Cancelled.
        """
        arriving = iter(images)
        first = next(arriving, None)
        if first is None:
            raise too_few(0)
        stream = FeatureStream(
            self._extract, self._backbone, self._config, expected, lambda: self._check_cancelled("features")
        )
        one = stream.patches(first[1])
        plan = self._plan(one, expected)
        dimension = self._config.pca or sum(self._backbone.channels)
        with PatchStore(dimension, plan.store_bytes, self._limits.directory) as store:
            batches = self._counted(stream.batches(itertools.chain([first], arriving)), plan)
            with closing(batches), self._reduced(batches) as (pca, patches):
                coreset = self._read(patches, store, plan, one.vectors.device)
            if store.images < 2:
                raise too_few(store.images)
            return self._assemble(store, coreset, pca, stream, one.vectors.device)

    def _plan(self, one: Patches, expected: int) -> BuildEstimate:
        """How the memory is shared out if all images have as many patches as this one; said, or refused."""
        config = self._config
        _, p, d = one.vectors.shape
        k, whole = d, 0
        if config.pca is not None:
            check_kept(config.pca, d, max(1, expected) * p)
            k, whole = config.pca, d
        sizes = (max(1, expected), p, k, _searched(k, config.projection))
        limits = (self._limits.memory_bytes, self._limits.directory, whole)
        plan = estimate_build(*sizes, config.coreset_ratio, config.max_bank_vectors, *limits)
        self._say(f"{plan}.")
        return plan

    def _counted(
        self, batches: Generator[Patches, None, None], plan: BuildEstimate
    ) -> Generator[Patches, None, None]:
        """The batches, each told once it is taken in."""
        done = 0
        with closing(batches):
            for batch in batches:
                yield batch
                done += len(batch.vectors)
                self._progress("features", done, max(plan.images, done))

    def _reduced(
        self, batches: Iterator[Patches]
    ) -> AbstractContextManager[tuple[Pca | None, Iterator[Patches]]]:
        """The batches as they are or, by option, in the dimensions of their principal components."""
        config, check = self._config, lambda: self._check_cancelled("features")
        if config.pca is None:
            return nullcontext((None, batches))
        width = sum(self._backbone.channels)
        return reducing(batches, config.pca, width, config.seed, self._limits.directory, check)

    def _read(
        self, batches: Iterator[Patches], store: PatchStore, plan: BuildEstimate, device: torch.device
    ) -> Coreset:
        """Stream the features into the store, their projections into the coreset, then pick."""
        generator = torch.Generator().manual_seed(self._config.seed)
        width = _searched(store.dimension, self._config.projection)
        projection = random_projection(store.dimension, width, generator)
        budget = self._limits.memory_bytes - plan.bank_bytes - plan.store_bytes
        projection = projection if projection is None else projection.to(device)
        stream = StreamedCoreset(plan.vectors, width, budget, generator, self._cancelled, device)
        for batch in batches:
            store.extend(batch)
            for points in _projected(batch.vectors, projection):
                stream.add(points)
        kept = kept_vectors(store.count, self._config.coreset_ratio, self._config.max_bank_vectors)
        return stream.finish(kept, lambda done, total: self._progress("coreset", done, total))

    def _assemble(
        self,
        store: PatchStore,
        coreset: Coreset,
        pca: Pca | None,
        read: FeatureStream,
        device: torch.device,
    ) -> Bank:
        self._progress("index", 0, 1)
        kept = coreset.indices
        index = Index.build(store.rows(kept), self._config.index, self._config.seed, self._held(store, kept))
        self._progress("index", 1, 1)
        image, row, column = (part.astype(np.int32) for part in store.locate(kept))
        scores, peaks = self._calibrate(store, index, image, read.frames, device)
        bank = Bank(
            config=self._config,
            backbone=self._backbone,
            index=index,
            provenance=Provenance(tuple(read.names), image, row, column),
            coreset=CoresetRecord(
                coreset.covering_radius, coreset.radius_bound, coreset.exact, coreset.points
            ),
            calibration_scores=scores,
            calibration_peaks=peaks,
            pca=pca,
        )
        expected = conformance_scores(read.samples, self._extract, bank)
        return replace(bank, conformance=Conformance(tuple(read.samples), expected, CONFORMANCE_TOLERANCE))

    def _held(self, store: PatchStore, kept: np.ndarray) -> Float32[np.ndarray, "h d"] | None:
        """Some patches outside the bank, to measure an approximate index on."""
        if self._config.index.kind == "flat":
            return None
        rng = np.random.default_rng(self._config.seed)
        return store.rows(np.setdiff1d(rng.choice(store.count, min(HELD, store.count), replace=False), kept))

    def _calibrate(
        self,
        store: PatchStore,
        index: Index,
        image: np.ndarray,
        frames: Sequence[Frame],
        device: torch.device,
    ) -> tuple[Float32[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
        """Each nominal image's score and map peak against the bank without what that image gave to it."""

        def left_out(i: int) -> tuple[float, float]:
            own = np.flatnonzero(image == i)
            if len(own) == index.size:
                own = _unshared(index, store.image_vectors((i + 1) % store.images))
            vectors = as_queries(torch.from_numpy(store.image_vectors(i)).to(device))
            score, distances = leave_one_out(vectors, own, index, self._config)
            place = _as_input(frames[i])
            heat = heatmap(distances.reshape(store.grid(i)), place, self._config.sigma, self._offset)
            return score, peak(heat).value

        found: list[tuple[float, float]] = []
        while len(found) < store.images:
            some = range(len(found), min(len(found) + LEFT_OUT, store.images))
            found += run_parts(left_out, some, lambda: self._check_cancelled("calibration"))
            self._progress("calibration", len(found), store.images)
        scores, peaks = np.asarray(found, np.float32).T.copy()
        return scores, peaks

    def _check_cancelled(self, stage: str) -> None:
        if self._cancelled():
            raise Cancelled(
                requirement="a build must run to its end to give a bank",
                received=f"a request to stop, in stage {stage}",
                remedy="start it again when it is wanted",
            )


def _projected(
    vectors: Float32[Tensor, "b p d"], projection: Float32[Tensor, "d k"] | None
) -> Iterable[Float32[Tensor, "p _"]]:
    """Each image's points; on one thread each, so that their bits do not depend on the threads there are."""
    if projection is None or vectors.device.type != "cpu":
        return vectors if projection is None else vectors @ projection
    return run_parts(lambda image: image @ projection, vectors)


def _searched(d: int, k: int) -> int:
    """Dimensions the coreset is searched in: k where that at least halves d; else its noise costs too much."""
    return k if d >= 2 * k else d


def _unshared(index: Index, other: Float32[np.ndarray, "p d"]) -> Int64[np.ndarray, " e"]:
    """Bank rows that ``other`` lacks: where copies of one image gave all rows, its twin would give them too."""
    distances, _ = Index.build(other).search(index.vectors)
    return np.flatnonzero(distances[:, 0] > 0)


def _as_input(geometry: Frame) -> Frame:
    """The frame of an image of the input's own size: its map's peak is that of any larger one, at less work."""
    rows, columns = (
        replace(axis, source=axis.input, scale=1.0, offset=0.0) for axis in (geometry.rows, geometry.columns)
    )
    return Frame(rows, columns)


def too_few(count: int) -> TooFewImages:
    """The error for fewer than two nominal images."""
    return TooFewImages(
        requirement="a bank needs at least two nominal images",
        received=str(count) if count else "none",
        remedy="collect more photographs of good parts; a hundred support a false-reject rate of 1 %",
    )
