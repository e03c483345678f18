"""Nominal images -> bank: features, coreset, index, leave-one-image-out calibration, conformance images.

Letters: n images, b images of a batch, p patches, d dimensions, m bank vectors.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32
from torch import Tensor

from core.bank import BackboneRef, Bank, Conformance, CoresetRecord, Provenance
from core.config import DetectorConfig
from core.coreset import Coreset, random_projection
from core.detector import Extractor, conformance_scores, leave_one_out
from core.errors import Cancelled, TooFewImages
from core.heatmap import heatmap, peak
from core.index import Index
from core.merge_reduce import StreamedCoreset
from core.patches import Patches, patch_features
from core.preprocess import Frame, Image, frame, to_tensor
from core.store import PatchStore

BATCH = 8  # images a forward pass; part of what makes a build reproducible
CORESET_SHARE = 2 / 3  # of the memory: projected vectors; the rest holds whole vectors before they spill
CONFORMANCE_IMAGES = 3
CONFORMANCE_SIDE = 384  # pixels; longer images are kept reduced to this
CONFORMANCE_TOLERANCE = 0.02  # relative; what bfloat16 and other runtimes may move a score by

Progress = Callable[[str, int, int], None]
"""``progress(stage, done, total)``; the stages are features, coreset, index and calibration, in this order."""


@dataclass(frozen=True)
class BuildLimits:
    """What a build may use. memory_bytes: for its vectors; past it they go to a file in ``directory``."""

    memory_bytes: int = 1536 << 20
    directory: Path | None = None


class Build:
    """One build: what it works with, how it reports, how it stops. ``run`` may be called once."""

    def __init__(
        self,
        extract: Extractor,
        backbone: BackboneRef,
        config: DetectorConfig,
        limits: BuildLimits | None = None,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._extract = extract
        self._backbone = backbone
        self._config = config
        self._limits = limits or BuildLimits()
        self._progress = progress or (lambda stage, done, total: None)
        self._cancelled = cancelled or (lambda: False)
        self._names: list[str] = []
        self._frames: list[Frame] = []
        self._samples: list[Image] = []

    def run(self, images: Iterable[tuple[str, Image]], expected: int) -> Bank:
        """Build a bank from named nominal images, about ``expected`` of them.

        The same images in the same order, config and seed give the same bank. Raises TooFewImages for fewer
        than two, MemoryBudgetError before any work that cannot fit, Cancelled.
        """
        batches = self._batches(images, expected)
        first = next(batches, None)
        if first is None:
            raise _too_few(0)
        d, p = first.vectors.shape[2], first.vectors.shape[1]
        with PatchStore(
            d, int(self._limits.memory_bytes * (1 - CORESET_SHARE)), self._limits.directory
        ) as store:
            coreset = self._read(
                itertools.chain([first], batches), store, self._picks(p * expected), expected
            )
            if len(self._names) < 2:
                raise _too_few(len(self._names))
            return self._assemble(store, coreset)

    def _read(self, batches: Iterator[Patches], store: PatchStore, most: int, expected: int) -> Coreset:
        """Stream the features into the store, their projections into the coreset, then pick."""
        generator = torch.Generator().manual_seed(self._config.seed)
        projection = _projection(store.dimension, self._config.projection, generator)
        width = store.dimension if projection is None else projection.shape[1]
        budget = int(self._limits.memory_bytes * CORESET_SHARE)
        stream = StreamedCoreset(most, width, budget, generator, self._cancelled)
        for vectors, grid in batches:
            for image in vectors:  # (p, d)
                store.append(image, store.images, grid)
                stream.add(image if projection is None else image @ projection)
            self._progress("features", store.images, max(expected, store.images))
        return stream.finish(
            self._picks(store.count), lambda done, total: self._progress("coreset", done, total)
        )

    def _assemble(self, store: PatchStore, coreset: Coreset) -> Bank:
        self._progress("index", 0, 1)
        index = Index.build(store.rows(coreset.indices), self._config.index, self._config.seed)
        self._progress("index", 1, 1)
        image, row, column = (part.astype(np.int32) for part in store.locate(coreset.indices))
        scores, peaks = self._calibrate(store, index, image)
        bank = Bank(
            config=self._config,
            backbone=self._backbone,
            index=index,
            provenance=Provenance(tuple(self._names), image, row, column),
            coreset=CoresetRecord(
                coreset.covering_radius, coreset.radius_bound, coreset.exact, coreset.points
            ),
            calibration_scores=scores,
            calibration_peaks=peaks,
        )
        expected = conformance_scores(self._samples, self._extract, bank)
        return replace(bank, conformance=Conformance(tuple(self._samples), expected, CONFORMANCE_TOLERANCE))

    def _calibrate(
        self, store: PatchStore, index: Index, image: np.ndarray
    ) -> tuple[Float32[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
        """Each nominal image's score and map peak against the bank without what that image gave to it."""
        scores, peaks = np.empty((2, store.images), np.float32)
        for i, geometry in enumerate(self._frames):
            self._check_cancelled("calibration")
            own = np.flatnonzero(image == i)
            scores[i], distances = leave_one_out(store.image_vectors(i), own, index, self._config)
            heat = heatmap(distances.reshape(store.grid(i)), _as_input(geometry), self._config.sigma)
            peaks[i] = peak(heat).value
            self._progress("calibration", i + 1, store.images)
        return scores, peaks

    def _batches(self, images: Iterable[tuple[str, Image]], expected: int) -> Iterator[Patches]:
        """Patch vectors of up to BATCH consecutive images whose inputs share a shape."""
        sampled = {round(i * (expected - 1) / (CONFORMANCE_IMAGES - 1)) for i in range(CONFORMANCE_IMAGES)}
        waiting: list[Tensor] = []
        for name, image in images:
            if len(self._names) in sampled:
                self._samples.append(_reduced(image))
            self._names.append(name)
            self._frames.append(frame(self._config.input, *image.shape[:2]))
            x = to_tensor(image, self._config.input, self._backbone.mean, self._backbone.std)
            if waiting and (len(waiting) == BATCH or waiting[0].shape != x.shape):
                yield self._features(waiting)
                waiting = []
            waiting.append(x)
        if waiting:
            yield self._features(waiting)

    def _features(self, inputs: list[Tensor]) -> Patches:
        self._check_cancelled("features")
        return patch_features(self._extract(torch.stack(inputs)), self._config.patch)

    def _picks(self, patches: int) -> int:
        """How many of so many patches the config keeps."""
        return max(1, min(self._config.max_bank_vectors, round(self._config.coreset_ratio * patches)))

    def _check_cancelled(self, stage: str) -> None:
        if self._cancelled():
            raise Cancelled(
                requirement="a build must run to its end to give a bank",
                received=f"a request to stop, in stage {stage}",
                remedy="start it again when it is wanted",
            )


def _projection(d: int, k: int, generator: torch.Generator) -> Float32[Tensor, "d k"] | None:
    """A random projection where it at least halves the dimension; else its noise costs more than it saves."""
    return random_projection(d, k, generator) if d >= 2 * k else None


def _reduced(image: Image) -> Image:
    """The image with its long side at most CONFORMANCE_SIDE."""
    ratio = CONFORMANCE_SIDE / max(image.shape[:2])
    if ratio >= 1:
        return image.copy()
    shape = [max(1, round(side * ratio)) for side in image.shape[:2]]
    pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None]
    small = F.interpolate(pixels, size=shape, mode="bilinear", antialias=True)[0]
    return small.permute(1, 2, 0).contiguous().numpy()


def _as_input(geometry: Frame) -> Frame:
    """The frame of an image of the input's own size: its map's peak is that of any larger one, at less work."""
    rows, columns = (
        replace(axis, source=axis.input, scale=1.0, offset=0.0) for axis in (geometry.rows, geometry.columns)
    )
    return Frame(rows, columns)


def _too_few(count: int) -> TooFewImages:
    return TooFewImages(
        requirement="a bank needs at least two nominal images",
        received=str(count) if count else "none",
        remedy="collect more photographs of good parts; a hundred support a false-reject rate of 1 %",
    )
