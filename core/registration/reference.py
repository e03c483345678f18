"""The nominal photograph that all others are brought onto: chosen, or named; refused where parts do not allow it.

Chosen is the photograph with the most points in common with six others, by the median; of a large set, of a sample.
Where points do not hold the parts, their edges are tried in the same way.
Letters: h w rows and columns of its small picture, s located nominal photographs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from core.config import RegistrationConfig
from core.errors import RegistrationError, ShapeError
from core.input.mask import check_aspect, mask_of, scaled
from core.input.photograph import Photograph
from core.registration.edges import Outline, agreement, by_edges, edges_of
from core.registration.keypoints import Keypoints, Similarity, keypoints_of, similarity, small

SAMPLE = 24  # photographs that are compared with each other
OTHERS = 6  # that each of them is compared with
ENOUGH = 8  # points in common that a nominal photograph must have
ALIKE = 0.8  # fit that a nominal photograph must have by edges; of hazelnuts, which differ, most have less
LEAST_FIT = 0.7  # that a located part must have by edges: other parts and other things reach less
TOLERATED = 0.75  # of the least fit: a defect hides edges too, and is to be shown where it is

Method = Literal["sift", "edges"]
LEAST_LOCATED: dict[Method, float] = {"sift": 0.9, "edges": 0.98}
"""Of the nominal photographs. By edges more: of parts that differ as solar cells do a tenth was not located."""
Candidate = tuple[str, Callable[[], Photograph | None]]
"""A nominal photograph's name in the bank, and what reads it; None for one that cannot be read."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What a bank keeps of it. name: of the nominal photograph. size: (height, width) of the photograph as taken.

    picture (h, w): in shades of grey, small. keypoints: of that picture, only where it is inspected; none where parts
    are found by their edges. fits (s,): how well the edges of each nominal photograph agree with it. Raises ShapeError
    where they do not fit each other.
    """

    name: str
    size: tuple[int, int]
    picture: UInt8[np.ndarray, "_ _"]
    keypoints: Keypoints
    fits: Float32[np.ndarray, " _"] = field(default_factory=lambda: np.empty(0, np.float32))

    def __post_init__(self) -> None:
        shapes = min(*self.size, *self.picture.shape) > 0 and max(self.size) < 1 << 24
        if not shapes or not bool(np.all(np.abs(self.fits) <= 1.001)):
            raise ShapeError(
                requirement="a reference must have pixels, a size and fits from -1 to 1",
                received=f"{self.size}, {self.picture.shape}, fits {self.fits[:3]}",
                remedy="build the bank again",
            )

    @cached_property
    def edges(self) -> Float32[np.ndarray, "_ _"]:
        """Of its picture, as they are compared."""
        return edges_of(self.picture)

    @property
    def method(self) -> Method:
        """What parts are found by: points, or edges where there are no points."""
        return "sift" if len(self.keypoints.points) else "edges"

    @property
    def level(self) -> float:
        """What a fit must reach: far below it, something else was found. A good part stays below the least of s nominal
        fits with probability at most 1 / (s + 1), and below this still more rarely."""
        least = LEAST_FIT if self.method == "edges" else -1.0
        return max(least, TOLERATED * float(self.fits.min())) if len(self.fits) else least

    def found(
        self, picture: UInt8[np.ndarray, "_ _"], region: Bool[np.ndarray, "h w"], config: RegistrationConfig
    ) -> Similarity | None:
        """The similarity from it to another small picture of its method; None where there is none."""
        if self.method == "sift":
            return similarity(self.keypoints, keypoints_of(picture))
        return by_edges(_outline(self.picture, region), picture, config.rotation)


def side_of(method: Method, config: RegistrationConfig) -> int:
    """The long side of the small picture in which a part is looked for: for edges half the pixels are as good."""
    return config.side if method == "sift" else config.side // 2


def region_of(mask: str | None, shape: tuple[int, ...]) -> Bool[np.ndarray, "h w"]:
    """Which pixels of a small picture a mask leaves in."""
    return np.ones(shape, bool) if mask is None else scaled(mask_of(mask), shape[0], shape[1])


def choose_reference(
    candidates: Sequence[Candidate], config: RegistrationConfig, mask: str | None, seed: int
) -> Reference:
    """The reference of a set: the one that ``config`` names, else the one most alike the others.

    By points, or by edges where points do not hold these parts. Raises RegistrationError where it is none of them, has
    neither, or too few others agree with it.
    """
    sample = np.random.default_rng(seed).permutation(len(candidates))[:SAMPLE].tolist()
    named = None if config.reference is None else _named(candidates, config.reference)
    if named is not None and named not in sample:
        sample.append(named)
    shrunk = {i: found for i in sample if (found := _shrunk(candidates[i], config, mask)) is not None}
    try:
        return _chosen(candidates, shrunk, named, config, mask, "sift")
    except RegistrationError as refused:
        try:
            return _chosen(candidates, shrunk, named, config, mask, "edges")
        except RegistrationError:
            raise refused from None


@dataclass(frozen=True, eq=False)
class _Shrunk:
    """A nominal photograph's name, its (height, width) as taken, and its small picture for each method."""

    name: str
    size: tuple[int, int]
    pictures: dict[Method, UInt8[np.ndarray, "_ _"]]


def _shrunk(candidate: Candidate, config: RegistrationConfig, mask: str | None) -> _Shrunk | None:
    """None for one that cannot be read; the photograph itself is not kept. Raises MaskError for another aspect."""
    name, read = candidate
    photograph = read()
    if photograph is None:
        return None
    height, width = photograph.shape
    check_aspect(mask, height, width, name)
    methods: tuple[Method, ...] = ("sift", "edges")
    return _Shrunk(name, (height, width), {by: small(photograph, side_of(by, config)) for by in methods})


def _chosen(
    candidates: Sequence[Candidate],
    shrunk: dict[int, _Shrunk],
    named: int | None,
    config: RegistrationConfig,
    mask: str | None,
    method: Method,
) -> Reference:
    """By one method. Raises RegistrationError."""
    read = {i: _reference(each, mask, method) for i, each in shrunk.items()}
    if named is not None:
        best = _usable(candidates[named][0], read.get(named), method)
        common = [_in_common(best, each, config, mask, method) for i, each in read.items() if i != named]
    else:
        best, common = _most_alike(list(read.values()), config, mask, method)
    check_located(sum(each >= 1 for each in common), len(common), best.name, method)
    return best


def check_located(located: int, of: int, reference: str, method: Method) -> None:
    """Raises RegistrationError unless enough nominal photographs could be brought onto the reference."""
    least = LEAST_LOCATED[method]
    if located < least * of:
        alike = f"{ENOUGH} points in common" if method == "sift" else f"edges alike by {ALIKE:g}"
        raise RegistrationError(
            requirement=f"{least:.0%} of the nominal photographs must have at least {alike} "
            f"with the reference {reference}",
            received=f"{located} of {of}: these parts differ too much from each other, or have too little texture",
            remedy="leave registration out, and learn copies instead if parts arrive turned or moved (--augment "
            "rotation=15,shift=0.1); or name another reference",
        )


def _named(candidates: Sequence[Candidate], name: str) -> int:
    found = [i for i, (each, _) in enumerate(candidates) if each == name or each.endswith(f"/{name}")]
    found = found or [i for i, (each, _) in enumerate(candidates) if each.startswith(f"{name}/")]
    if len(found) != 1:
        raise RegistrationError(
            requirement="the reference must be one of the nominal photographs",
            received=f"{name!a:.120}, which {len(found) or 'none'} of {len(candidates)} have as their name",
            remedy="name one by its place in the folder, or over HTTP by its sha256, or leave the reference out",
        )
    return found[0]


def _reference(shrunk: _Shrunk, mask: str | None, method: Method) -> Reference:
    picture = shrunk.pictures[method]
    keypoints = keypoints_of(picture) if method == "sift" else Keypoints.none()
    if mask is not None:
        keypoints = keypoints.where(region_of(mask, picture.shape))
    return Reference(shrunk.name, shrunk.size, picture, keypoints)


def _usable(name: str, reference: Reference | None, method: Method) -> Reference:
    enough = reference is not None and (method == "edges" or len(reference.keypoints.points) >= ENOUGH)
    if reference is not None and enough:
        return reference
    raise RegistrationError(
        requirement=f"a reference must be a photograph with at least {ENOUGH} keypoints",
        received=f"{name}, which cannot be read"
        if reference is None
        else f"{len(reference.keypoints.points)} of {name}",
        remedy="name one with a sharp part in it, or leave the reference out",
    )


def _most_alike(
    read: list[Reference], config: RegistrationConfig, mask: str | None, method: Method
) -> tuple[Reference, list[float]]:
    """The reference, and what each of the others has in common with it."""
    if len(read) < 2:
        raise RegistrationError(
            "registration needs at least two nominal photographs", f"{len(read)}", "add others"
        )
    reach = min(OTHERS, len(read) - 1)
    around = [
        [_in_common(one, read[(i + step) % len(read)], config, mask, method) for step in range(1, reach + 1)]
        for i, one in enumerate(read)
    ]
    best = int(np.argmax([np.median(each) for each in around]))
    others = [each for i, each in enumerate(read) if i != best]
    return read[best], [_in_common(read[best], each, config, mask, method) for each in others]


def _in_common(
    one: Reference, other: Reference, config: RegistrationConfig, mask: str | None, method: Method
) -> float:
    """What two photographs have in common, of what is enough: points, or a fit of edges; 1 is enough."""
    if method == "sift":
        found = similarity(one.keypoints, other.keypoints)
        return 0.0 if found is None or found.inliers is None else found.inliers / ENOUGH
    region = region_of(mask, one.picture.shape)
    found = one.found(other.picture, region, config)
    if found is None:
        return 0.0
    return agreement(other.edges, one.edges, region, found.matrix)[0] / ALIKE


def _outline(picture: UInt8[np.ndarray, "h w"], region: Bool[np.ndarray, "h w"]) -> Outline:
    return _outlines(picture.tobytes(), region.tobytes(), picture.shape)


@lru_cache(maxsize=8)  # 5 MB each
def _outlines(picture: bytes, region: bytes, shape: tuple[int, ...]) -> Outline:
    return Outline(
        np.frombuffer(picture, np.uint8).reshape(shape), np.frombuffer(region, bool).reshape(shape)
    )
