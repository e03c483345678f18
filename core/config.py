"""Everything that decides what a bank contains and how it scores, declared once (core/declared.py).

To add a setting, add a field that is ``later`` here, with an ``option`` if the command line shall have it, and use it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from core.arrival import AugmentConfig as AugmentConfig
from core.arrival import RegistrationConfig as RegistrationConfig
from core.declared import Declared, require, setting
from core.input.mask import mask_of

Fit = Literal["stretch", "short_side", "letterbox"]
Kind = Literal["flat", "hnsw", "ivfpq"]
Metric = Literal["euclidean", "whitened"]
Score = Literal["patch", "map"]
FITS: tuple[str, ...] = get_args(Fit)
STEP = 32  # sides of an input are multiples of this, so that every layer's grid divides evenly
LARGEST_SIZE = 2048
BUILD_MEMORY = 2 << 30  # bytes that a build may use unless its caller says otherwise
FREE = 180.0  # degrees either way: any
STEADY = 15.0  # degrees that a part may be turned by while its places still mean something
EXPECTED_SUSPECTS = 0.02  # share of a nominal set that does not belong, unless the caller knows better
_SIDE: dict[str, Any] = {"ge": STEP, "le": LARGEST_SIZE, "multiple_of": STEP}


@dataclass(frozen=True)
class InputConfig(Declared):
    """How an image becomes the backbone's input."""

    part: ClassVar[str] = "input"

    size: int = setting(256, "Side of the input in pixels.", "--size", **_SIDE)
    fit: Fit = setting(
        "stretch",
        "stretch makes both sides the size; short_side keeps the aspect, the long side rounded to a multiple of 32; "
        "letterbox fits the long side and pads.",
        "--fit",
    )
    crop: int | None = setting(None, "Side of a centre crop taken after the resize.", "--crop", **_SIDE)
    reduced_jpeg: bool = setting(
        False,
        "Decode JPEG far larger than the input at a fraction of its scale.",
        "--reduced-jpeg",
        later=True,
    )
    grey: bool = setting(
        False, "Turn images to shades of grey, so that colours do not count.", "--grey", later=True
    )
    mask: str | None = setting(
        None,
        "Where photographs are inspected, as text that Nominal makes of a picture or outlines: --mask FILE, or PUT "
        "/v1/banks/{bank}/mask.",
        later=True,
    )
    significant_bits: int | None = setting(
        None,
        "Bits that the camera fills of grey samples wider than a byte, such as 12 of 16.",
        "--significant-bits",
        later=True,
        ge=9,
        le=16,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.crop is None or self.crop <= self.size,
            "the centre crop must not be larger than the input size",
            f"crop {self.crop} at size {self.size}",
            "choose a smaller crop or a larger size",
        )
        if self.mask is not None:
            mask_of(self.mask)


@dataclass(frozen=True)
class PatchConfig(Declared):
    """Neighbourhood of a patch."""

    part: ClassVar[str] = "patch"

    size: int = setting(
        3, "Odd side of the averaged window, in cells of each layer's map.", "--patch-size", ge=1, le=15
    )
    stride: int = setting(
        1, "Every how many cells of the finest map a patch is taken.", "--stride", ge=1, le=8
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.size % 2 == 1, "patch size must be odd, from 1 to 15", self.size, "choose 3")


@dataclass(frozen=True)
class IndexConfig(Declared):
    """How the nearest bank vectors are found. hnsw (Malkov and Yashunin 2018) and ivfpq (Jegou et al. 2011) are
    approximate, and record their recall."""

    part: ClassVar[str] = "index"

    kind: Kind = setting("flat", "flat is exact; hnsw and ivfpq are for large banks.", "--index")
    links: int = setting(32, "hnsw: links per vector, twice as many on the lowest level.", ge=4, le=128)
    build_effort: int = setting(200, "hnsw: candidates while building.", ge=8, le=2000)
    effort: int = setting(128, "hnsw: candidates while searching.", ge=1, le=10_000)
    lists: int = setting(0, "ivfpq: lists, 0 for the square root of the bank's size.", ge=0, le=65_536)
    probes: int = setting(16, "ivfpq: lists that a query searches.", ge=1, le=65_536)
    code_bytes: int = setting(64, "ivfpq: bytes per vector at most.", ge=1, le=256)
    rerank: int = setting(16, "ivfpq: candidates measured exactly.", ge=1, le=1000)


@dataclass(frozen=True)
class DetectorConfig(Declared):
    """Settings of builds; the same images, config and seed give the same bank, byte for byte."""

    input: InputConfig = field(default_factory=InputConfig)
    patch: PatchConfig = field(default_factory=PatchConfig)
    index: IndexConfig = field(default_factory=IndexConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    registration: RegistrationConfig = field(default_factory=RegistrationConfig)
    coreset_ratio: float = setting(0.01, "Share of all nominal patches kept.", "--coreset-ratio", gt=0, le=1)
    max_bank_vectors: int = setting(
        50_000, "Upper bound on the kept patches.", "--max-bank-vectors", ge=1, le=10_000_000
    )
    min_bank_vectors: int = setting(
        1_000,
        "Patches kept at least, where there are so many.",
        "--min-bank-vectors",
        later=True,
        ge=0,
        le=10_000_000,
    )
    projection: int = setting(
        128, "Dimensions of the random projection the coreset is searched in.", ge=1, le=4096
    )
    seed: int = setting(0, "Seed of every random choice.", "--seed", ge=0, le=2**63 - 1)
    reweight: bool = setting(False, "Score by Eq. 7 of the paper instead of Eq. 6.", "--reweight")
    neighbours: int = setting(9, "Neighbours that Eq. 7 counts.", ge=1, le=1000)
    sigma: float = setting(4.0, "Gaussian that smooths the heatmap, in input pixels.", ge=0, le=64)
    target_false_reject: float = setting(
        0.01, "Share of good parts that may be rejected.", "--target-false-reject", gt=0, lt=1
    )
    target_review: float | None = setting(
        None, "Share of good parts that may be reviewed or rejected.", "--target-review", gt=0, lt=1
    )
    pca: int | None = setting(
        None, "Principal components that patch vectors are reduced to.", "--pca", later=True, ge=1, le=4096
    )

    metric: Metric = setting(
        "euclidean",
        "How patches are compared: as they are, or whitened: divided along each principal axis by the spread of "
        "nominal patches there, so that a small change in a direction that hardly varies counts; that needs 100 "
        "nominal parts.",
        "--metric",
        later=True,
    )
    position: float = setting(
        0.0,
        "How much the place of a patch counts: patches four cells apart are so many median nominal distances further "
        "from each other; 0 for nothing, 1 or 2 for parts that always lie alike.",
        "--position",
        later=True,
        ge=0,
        le=100,
    )
    score: Score = setting(
        "patch",
        "Score of an image: patch, the largest distance of a patch (Eq. 6), or map, the highest value of the smoothed "
        "map.",
        "--score",
        later=True,
    )

    @property
    def reduces(self) -> bool:
        """Whether patch vectors are turned to principal axes before they are searched."""
        return self.pca is not None or self.metric == "whitened"

    @property
    def fitted(self) -> bool:
        """Whether all nominal patches are read before it is known how they are searched."""
        return self.reduces or self.position > 0

    def components(self, d: int) -> int:
        """Of a patch vector, where a backbone's has d dimensions."""
        return self.pca or d

    def dimensions(self, d: int) -> int:
        """Of the vectors searched, where a backbone's have d: with those of the place."""
        return self.components(d) + (2 if self.position > 0 else 0)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.target_review is None or self.target_false_reject <= self.target_review,
            "target_review must be at least target_false_reject and below 1",
            self.target_review,
            "choose a larger rate, or leave it out",
        )
        free = self.augment.flips or self.augment.quarter_turns or self.augment.rotation > STEADY
        require(
            self.position == 0 or not free,
            f"position is for parts that always lie alike, so copies may be turned by at most {STEADY:g} degrees",
            f"position {self.position:g} with augment {self.augment.text}",
            "leave flips, quarter-turns and wide rotation out, or position",
        )
        require(
            self.position == 0 or not self.registration.on or self.registration.rotation < FREE,
            "position is for parts that do not turn freely",
            f"position {self.position:g} with registration of parts turned by {self.registration.rotation:g} degrees",
            f"say how far parts turn, by less than {FREE:g} degrees (--register-rotation), or leave position out",
        )
        require(
            not self.registration.on or not self.augment.moves,
            "registration undoes what copies that are turned, moved or sized imitate",
            f"registration with augment {self.augment.text}",
            "leave one of the two out; light may stay",
        )
        require(
            self.score == "patch" or not self.reweight,
            "Eq. 7 re-weights the largest patch distance, so reweight needs the score patch",
            f"reweight with score {self.score}",
            "leave one of the two out",
        )
