"""A nominal set looked over before it is learned: parts, copies, suspects among the good, mixtures.

One pass over the images gives what a build reads of them, in a coarser grid. The rest is quick: groups by likeness,
each image's score against a bank without its part, its outlier factor at its place, and the mean of both ranks.
Nothing is removed: a person looks at the suspects and decides.
Letters: n images, gh gw patch rows and columns, H W an original's pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from core.build import Build
from core.config import EXPECTED_SUSPECTS, AugmentConfig, DetectorConfig, IndexConfig, RegistrationConfig
from core.declared import require
from core.groups import Describer, Groups, by_likeness, exact_duplicates, require_several
from core.input.photograph import Photograph
from core.input.preprocess import Frame
from core.judging.heatmap import heatmap, peak
from core.screening.mixture import Kind, Look, aspects, colours, products, sizes
from core.screening.outliers import outlier_factors
from core.screening.unseen import unseen_distances
from core.stages import Learned

FEWEST_LISTED = 5
CELLS = 16  # patches per side, about
BANK = 500  # vectors of each half: coarser than a bank for inspections, as good at ranking nominal images
PIXELS = 8  # of the input per cell of the finest map, in the backbones of the table

MIXED = {
    "sizes": "Different sizes",
    "aspects": "Different aspect ratios",
    "colours": "Colour and shades of grey",
    "products": "Different products, it seems",
}
"""What is said of images of several kinds."""

PartsFound = Callable[[], Groups]
"""Gives the parts once all images are read, as those found by likeness cannot be known before."""


@dataclass(frozen=True, eq=False)
class Suspect:
    """An image that may not belong among the good ones.

    image: its place in the set. score: its largest distance to a bank of other parts. outlier: how much lonelier it
    is than its neighbours at the loneliest place, 1 for not at all; None where nothing was there to compare with.
    doubt: mean of its two ranks, in (0, 1], 1 for the worst in both. distances, frame: what its map is drawn from.
    """

    image: int
    score: float
    outlier: float | None
    doubt: float
    distances: Float32[np.ndarray, "gh gw"]
    frame: Frame

    def heat(self, sigma: float, offset: float) -> Float32[np.ndarray, "H W"]:
        """Its map, by ``core.judging.heatmap``."""
        return heatmap(self.distances, self.frame, sigma, offset)


@dataclass(frozen=True, eq=False)
class Screening:
    """What was found. names: of the images read, in their order; all else counts them by place.

    groups: which show one part. duplicates: sets of exact copies. suspects: the worst first. expected: the share that
    they were listed for. level: that the maps of half of them pass, where a drawing's colours rest. sizes, aspects,
    colours, products: the kinds of images there are; of one kind there is nothing to say. drawn: sigma and offset of
    the maps.
    """

    names: tuple[str, ...]
    groups: Groups
    duplicates: tuple[tuple[int, ...], ...]
    suspects: tuple[Suspect, ...]
    expected: float
    level: float
    sizes: tuple[Kind, ...]
    aspects: tuple[Kind, ...]
    colours: tuple[Kind, ...]
    products: tuple[Kind, ...]
    drawn: tuple[float, float]

    def heat(self, suspect: Suspect) -> Float32[np.ndarray, "H W"]:
        """Where a suspect differs from the others, at its original size, in units of its score."""
        return suspect.heat(*self.drawn)

    def document(self) -> dict[str, Any]:
        """All of it as plain JSON, images by name; the same images, settings and seed give the same document."""
        groups, name = self.groups, self.names
        members = [[name[i] for i in each] for each in groups.members()]
        return {
            "images": groups.images,
            "parts": groups.count,
            "supported_false_reject": groups.least_rate,
            "grouped_by": groups.source,
            "says": [f"{groups}.", *self.notices()],
            "groups": [
                {"part": None if groups.names is None else groups.names[i], "images": each}
                for i, each in enumerate(members)
            ],
            "duplicates": [[name[i] for i in each] for each in self.duplicates],
            "near_duplicates": [each for each in members if len(each) > 1],
            "expected": self.expected,
            "map_level": self.level,
            "suspects": [self._suspect(each) for each in self.suspects],
            **{
                what: [{"what": kind.what, "images": [name[i] for i in kind.images]} for kind in kinds]
                for what, kinds in self._kinds().items()
            },
        }

    def notices(self) -> list[str]:
        """What a person should look at, a sentence each."""
        found = [f"{notice[0].upper()}{notice[1:]}." for notice in self.groups.notices()]
        for what, kinds in self._kinds().items():
            if len(kinds) > 1:
                first, rest = kinds[0], self.groups.images - len(kinds[0].images)
                found.append(
                    f"{MIXED[what]}: {len(kinds):,}. Most images, {len(first.images):,}, are {first.what}; "
                    f"{rest:,} are not."
                )
        return found

    def _kinds(self) -> dict[str, tuple[Kind, ...]]:
        return {
            "sizes": self.sizes,
            "aspects": self.aspects,
            "colours": self.colours,
            "products": self.products,
        }

    def _suspect(self, suspect: Suspect) -> dict[str, Any]:
        worst = peak(self.heat(suspect))
        return {
            "image": self.names[suspect.image],
            "doubt": suspect.doubt,
            "score": suspect.score,
            "outlier": suspect.outlier,
            "part": int(self.groups.labels[suspect.image]),
            "x": worst.x,
            "y": worst.y,
        }


def screening_config(config: DetectorConfig) -> DetectorConfig:
    """The settings that a set is looked over with: those of a bank, in a coarser grid and with fewer vectors."""
    side = config.input.crop or config.input.size
    stride = max(config.patch.stride, min(8, round(side / PIXELS / CELLS)))
    return replace(
        config,
        patch=replace(config.patch, stride=stride),
        index=IndexConfig(),
        augment=AugmentConfig(),
        registration=RegistrationConfig(),
        max_bank_vectors=BANK,
        min_bank_vectors=BANK,
        reweight=False,
        pca=None,
        metric="euclidean",
        position=0.0,
    )


def check_expected(expected: float) -> float:
    """The share, unless it is none. Raises ConfigError outside (0, 1)."""
    require(
        0 < expected < 1,
        "the expected share of photographs that do not belong must be above 0 and below 1",
        expected,
        "choose one such as 0.02",
    )
    return expected


def screen(
    build: Build,
    images: Iterable[tuple[str, Photograph]],
    count: int,
    groups: PartsFound | None = None,
    expected: float = EXPECTED_SUSPECTS,
) -> Screening:
    """Look over about ``count`` named nominal images, read once, by a build that is not run.

    groups: None finds them by likeness. expected: the share of images that do not belong, in (0, 1); twice as many are
    listed, at least FEWEST_LISTED. The same images in the same order, groups, config and seed give the same document,
    on any threads. Raises ConfigError for another share, TooFewImages, OneGroup, AllDuplicates, and what ``Build.run``
    raises for its images.
    """
    check_expected(expected)
    looks: list[Look] = []
    describer = Describer(build.config.seed)
    with build.learned(_looked_at(images, looks), count, describer) as learned:
        described = describer.described()
        found = by_likeness(described, build.config.seed, build.check) if groups is None else groups()
        require_several(found)
        judged = _judged(build, learned, found)
    doubts = doubt(judged.scores, judged.outliers)
    listed = min(found.images, max(FEWEST_LISTED, math.ceil(2 * expected * found.images)))
    suspects = tuple(
        judged.suspect(i, doubts[i], learned.read.placements[i].frame)
        for i in np.lexsort((-judged.scores, -doubts))[:listed].tolist()
    )
    drawn = (build.config.sigma, build.offset)
    return Screening(
        names=tuple(learned.read.names),
        groups=found,
        duplicates=tuple(tuple(each.tolist()) for each in exact_duplicates(described)),
        suspects=suspects,
        expected=expected,
        level=float(np.median([each.heat(*drawn).max() for each in suspects])),
        sizes=sizes(looks),
        aspects=aspects(looks),
        colours=colours(looks),
        products=products(described.sketches, found, build.config.seed),
        drawn=drawn,
    )


def doubt(
    scores: Float32[np.ndarray, " n"], outliers: Float32[np.ndarray, " n"]
) -> Float64[np.ndarray, " n"]:
    """Mean of both ranks, in (0, 1]; larger is more suspect. An image without an outlier factor has one rank only."""
    from scipy.stats import rankdata  # here: it takes half a second that no server's start should pay

    by_score = rankdata(scores) / len(scores)
    by_outlier = by_score.copy()
    known = ~np.isnan(outliers)
    by_outlier[known] = rankdata(outliers[known]) / max(1, known.sum())
    return np.asarray((by_score + by_outlier) / 2)


@dataclass(frozen=True, eq=False)
class _Judged:
    """Of each image: score and patch distances against a bank without its part, outlier factor."""

    scores: Float32[np.ndarray, " n"]
    outliers: Float32[np.ndarray, " n"]
    distances: list[Float32[np.ndarray, "gh gw"]]

    def suspect(self, image: int, doubt: float, frame: Frame) -> Suspect:
        factor = float(self.outliers[image])
        return Suspect(
            image=image,
            score=float(self.scores[image]),
            outlier=None if math.isnan(factor) else factor,
            doubt=float(doubt),
            distances=self.distances[image],
            frame=frame,
        )


def _judged(build: Build, learned: Learned, groups: Groups) -> _Judged:
    labels, seed = groups.labels.astype(np.int64), build.config.seed
    build.progress("calibration", 0, groups.images)
    distances = unseen_distances(learned.store, learned.points, labels, BANK, seed, build.check)
    scores = np.array([grid.max() for grid in distances], np.float32)
    outliers = outlier_factors(learned.store, labels, seed, build.check)
    build.progress("calibration", groups.images, groups.images)
    return _Judged(scores, outliers, distances)


def _looked_at(
    images: Iterable[tuple[str, Photograph]], looks: list[Look]
) -> Iterator[tuple[str, Photograph]]:
    for name, image in images:
        looks.append(Look.of(image))
        yield name, image
