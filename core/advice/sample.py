"""A part of a nominal set, and what is judged: its own photographs held out, made or labelled defects.

Parts are dealt to two folds; each fold's photographs are judged by a bank of the other's. So no part is judged by a
bank that knows it, and every photograph serves both as one to learn and as one that is held out.
Letters: k nominal photographs, f of them with made defects, t labelled test images.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from core.advice.made import Made, drawn, planned
from core.bank import BackboneRef
from core.config import AugmentConfig, DetectorConfig, InputConfig
from core.detector import Extractor
from core.features.patches import Patches
from core.features.stream import FeatureStream
from core.groups import Describer
from core.input.photograph import Photograph
from core.input.views import Placement, View, view_of
from core.judging.groups import group_sizes
from core.memory.patch_store import PatchStore
from core.registration import Location, Reference

GOOD = "good"  # the kind of a labelled image without a defect


@dataclass(frozen=True, eq=False)
class Shot:
    """A photograph. read: decodes it for an input of a config. kind: of a labelled one, ``good`` or its defect.

    location: of its part, found once for all trials; None without registration.
    """

    name: str
    read: Callable[[InputConfig], Photograph]
    kind: str = ""
    location: Location | None = None


@dataclass(frozen=True)
class Lens:
    """A backbone as trials use it. offset: where its cells look (``core.judging.heatmap``)."""

    extract: Extractor
    ref: BackboneRef
    offset: float = 0.0


@dataclass(eq=False)
class Sample:
    """nominal (k): of the set. flawed (f): the places among them of those that get defects. tests (t): labelled.

    parts (k + t,): of the nominal photographs, then of the tests, numbered from 0; known once they are found. defects:
    those made so far, by place, in shares of what is seen of a photograph. reference: what parts are brought onto.
    """

    nominal: Sequence[Shot]
    flawed: Sequence[int]
    tests: Sequence[Shot]
    seed: int
    parts: Int64[np.ndarray, " n"] | None = None
    defects: dict[int, list[Made]] = field(default_factory=dict)
    reference: Reference | None = None

    @property
    def judged(self) -> int:
        """Images beside the nominal ones."""
        return len(self.flawed) + len(self.tests)

    def folds(self) -> Int64[np.ndarray, " n"]:
        """0 or 1 for each nominal photograph, then each test: parts whole, in each as many photographs as can be."""
        assert self.parts is not None
        sizes, own = group_sizes(self.parts), np.bincount(self.parts[: len(self.nominal)], minlength=1)
        own = np.pad(own, (0, len(sizes) - len(own)))
        order = np.random.default_rng(self.seed).permutation(len(sizes))
        fold, held = np.zeros(len(sizes), np.int64), np.zeros((2, 2))
        for part in order[np.lexsort((-sizes[order], -own[order]))]:
            fold[part] = 0 if tuple(held[0]) <= tuple(held[1]) else 1
            held[fold[part]] += (own[part], sizes[part])
        return np.asarray(fold[self.parts])

    def view(self, shot: Shot, config: DetectorConfig, mean: Sequence[float]) -> View:
        """What a bank of these settings sees of a photograph."""
        return view_of(shot.read(config.input), config, mean, self.reference, shot.location)

    def photographs(self, config: DetectorConfig, mean: Sequence[float]) -> Iterator[tuple[str, View]]:
        """The nominal ones."""
        return ((shot.name, self.view(shot, config, mean)) for shot in self.nominal)

    def others(self, config: DetectorConfig, mean: Sequence[float]) -> Iterator[tuple[str, View]]:
        """Those with made defects, drawn on the part as the reference has it; then the tests."""
        for number, place in enumerate(self.flawed):
            shot = self.nominal[place]
            view = self.view(shot, config, mean)
            if place not in self.defects:
                self.defects[place] = planned(view.picture, number, self.seed, config.input.mask)
            yield shot.name, replace(view, picture=drawn(view.picture, self.defects[place]))
        for shot in self.tests:
            yield shot.name, self.view(shot, config, mean)


@dataclass(frozen=True, eq=False)
class Seen:
    """What a backbone sees of a sample. nominal: ``views`` images of each nominal photograph, the first as taken.

    others: one image each. placements: of nominal photographs, others.
    """

    nominal: PatchStore
    others: PatchStore
    views: int
    placements: tuple[list[Placement], list[Placement]]

    @property
    def patches(self) -> float:
        """Of a photograph, on average."""
        return self.nominal.count / self.nominal.images

    def close(self) -> None:
        self.nominal.close()
        self.others.close()


@dataclass(frozen=True, eq=False)
class Reading:
    """How a sample is read. memory: bytes of vectors; past them they go to a file. advance: called for each image."""

    memory: int
    directory: Path | None
    check: Callable[[], None]
    advance: Callable[[], None] = lambda: None


def seen(
    sample: Sample, lens: Lens, config: DetectorConfig, how: Reading, describer: Describer | None = None
) -> Seen:
    """Read all images of a sample once. describer: keeps what parts are found by.

    Raises what reading raises, MemoryBudgetError where a disk is full, and what ``how.check`` raises.
    """
    plain = replace(config, augment=AugmentConfig())
    stores = [PatchStore(sum(lens.ref.channels), how.memory // 2, how.directory) for _ in range(2)]
    placements: list[list[Placement]] = []
    sources = (
        (config, sample.photographs(config, lens.ref.mean), len(sample.nominal)),
        (plain, sample.others(plain, lens.ref.mean), sample.judged),
    )
    try:
        for store, (of, images, count) in zip(stores, sources, strict=True):
            # of a nominal photograph with defects the parts are known
            kept = describer if of is config or not sample.flawed else None
            stream = FeatureStream(lens.extract, lens.ref, of, count, how.check, kept, sample.reference)
            _fill(store, stream.batches(images), how.advance, of.augment.views)
            placements.append(stream.placements)
    except BaseException:
        for store in stores:
            store.close()
        raise
    return Seen(stores[0], stores[1], config.augment.views, (placements[0], placements[1]))


def _fill(
    store: PatchStore, batches: Generator[Patches, None, None], advance: Callable[[], None], views: int
) -> None:
    with closing(batches):
        for batch in batches:
            before = store.images // views
            store.extend(batch)
            for _ in range(store.images // views - before):
                advance()
