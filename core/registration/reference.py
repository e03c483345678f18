"""The nominal photograph that all others are brought onto: chosen, or named; refused where parts do not allow it.

Chosen is the photograph with the most points in common with six others, by the median; of a large set, of a sample.
Letters: h w rows and columns of its small picture, s located nominal photographs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, UInt8

from core.config import RegistrationConfig
from core.errors import RegistrationError, ShapeError
from core.input.mask import check_aspect, mask_of, scaled
from core.input.photograph import Photograph
from core.registration.keypoints import Keypoints, keypoints_of, similarity, small

SAMPLE = 24  # photographs that are compared with each other
OTHERS = 6  # that each of them is compared with
ENOUGH = 8  # points in common that a nominal photograph must have
TOLERATED = 0.75  # of the least fit: a defect hides edges too, and is to be shown where it is
LEAST_LOCATED = 0.9  # of the nominal photographs

Candidate = tuple[str, Callable[[], Photograph | None]]
"""A nominal photograph's name in the bank, and what reads it; None for one that cannot be read."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What a bank keeps of it. name: of the nominal photograph. size: (height, width) of the photograph as taken.

    picture (h, w): in shades of grey, small. keypoints: of that picture, only where it is inspected. fits (s,): how
    well the edges of each nominal photograph agree with it. Raises ShapeError where they do not fit each other.
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

    @property
    def level(self) -> float:
        """What a fit must reach: far below it, something else was found. A good part stays below the least of s nominal
        fits with probability at most 1 / (s + 1), and below this still more rarely."""
        return TOLERATED * float(self.fits.min()) if len(self.fits) else -1.0


def choose_reference(
    candidates: Sequence[Candidate], config: RegistrationConfig, mask: str | None, seed: int
) -> Reference:
    """The reference of a set: the one that ``config`` names, else the one most alike the others.

    Raises RegistrationError where it is none of them, has no keypoints, or too few others have points in common.
    """
    sample = np.random.default_rng(seed).permutation(len(candidates))[:SAMPLE].tolist()
    named = None if config.reference is None else _named(candidates, config.reference)
    if named is not None and named not in sample:
        sample.append(named)
    read = {i: made for i in sample if (made := _reference(candidates[i], config, mask)) is not None}
    if named is not None:
        best = _usable(candidates[named][0], read.get(named))
        others = [each for i, each in read.items() if i != named]
        common = [_in_common(best, each) for each in others]
    else:
        best, common = _most_alike(list(read.values()))
    check_located(sum(each >= ENOUGH for each in common), len(common), best.name)
    return best


def check_located(located: int, of: int, reference: str) -> None:
    """Raises RegistrationError unless enough nominal photographs could be brought onto the reference."""
    if located < LEAST_LOCATED * of:
        raise RegistrationError(
            requirement=f"{LEAST_LOCATED:.0%} of the nominal photographs must have at least {ENOUGH} points in common "
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


def _reference(candidate: Candidate, config: RegistrationConfig, mask: str | None) -> Reference | None:
    name, read = candidate
    photograph = read()
    if photograph is None:
        return None
    picture = small(photograph, config.side)
    keypoints = keypoints_of(picture)
    if mask is not None:
        check_aspect(mask, *photograph.shape, name)
        keypoints = keypoints.where(scaled(mask_of(mask), *picture.shape))
    return Reference(name, photograph.shape, picture, keypoints)


def _usable(name: str, reference: Reference | None) -> Reference:
    if reference is not None and len(reference.keypoints.points) >= ENOUGH:
        return reference
    raise RegistrationError(
        requirement=f"a reference must be a photograph with at least {ENOUGH} keypoints",
        received=f"{name}, which cannot be read"
        if reference is None
        else f"{len(reference.keypoints.points)} of {name}",
        remedy="name one with a sharp part in it, or leave the reference out",
    )


def _most_alike(read: list[Reference]) -> tuple[Reference, list[int]]:
    """The reference, and the points that each of the others has in common with it."""
    if len(read) < 2:
        raise RegistrationError(
            "registration needs at least two nominal photographs", f"{len(read)}", "add others"
        )
    reach = min(OTHERS, len(read) - 1)
    around = [
        [_in_common(one, read[(i + step) % len(read)]) for step in range(1, reach + 1)]
        for i, one in enumerate(read)
    ]
    best = int(np.argmax([np.median(each) for each in around]))
    return read[best], [_in_common(read[best], each) for i, each in enumerate(read) if i != best]


def _in_common(one: Reference, other: Reference) -> int:
    found = similarity(one.keypoints, other.keypoints)
    return 0 if found is None else found.inliers
