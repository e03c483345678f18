"""Defects made on nominal photographs, to try settings by where nobody has a photograph of a real one.

Four kinds: a piece of the photograph pasted elsewhere (after CutPaste, Li et al. 2021), a scratch, a stain, a blob.
Kinds and five sizes take turns, so that small ones weigh as much as large ones. Several are drawn on one photograph, so
far apart that each can be judged by the patches around it.
Letters: h w height and width of a photograph, a b of a drawn window, k sides of the grid that places are drawn from.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64

from core.input.mask import mask_of, scaled
from core.input.photograph import Image
from core.input.preprocess import reduced

KINDS = ("paste", "scratch", "stain", "blob")
SIZES = (0.006, 0.012, 0.02, 0.035, 0.06)
"""Longest side of a defect, as a share of the photograph's shorter side; a scratch is twice as long."""
GRID = 32  # cells along a side, among which a place is drawn
EACH = 8  # defects of a photograph, at most
BETWEEN = 8.0  # cells that are left between two defects; nearer ones raise the features of each other
PLAIN = 0.1  # of the range of levels: cells that differ less from the photograph's border are background
TRIES, PLACES = 6, 80  # places looked at for a piece to paste, and for a defect


@dataclass(frozen=True)
class Made:
    """One defect. size: share of the shorter side; y, x: its middle, in shares of the sides; seed: of its looks."""

    kind: str
    size: float
    y: float
    x: float
    seed: int


def planned(image: Image, number: int, seed: int, mask: str | None = None) -> list[Made]:
    """The defects of the ``number``-th photograph: up to EACH, on the part where it stands out from the background.

    mask: of the bank (``core.input.mask``); none is put where it leaves out. The same arguments give the same defects.
    """
    rng = np.random.default_rng([seed, number])
    places = np.argwhere(_part(image, mask))
    found: list[Made] = []
    for turn in range(number * EACH, (number + 1) * EACH):
        kind, size = KINDS[turn % len(KINDS)], SIZES[turn % len(SIZES)]
        for place in places[rng.integers(len(places), size=PLACES)]:
            y, x = ((place + rng.uniform(0.2, 0.8, 2)) / GRID).tolist()
            if all(_apart(y, x, kind, size, other) for other in found):
                found.append(Made(kind, size, y, x, int(rng.integers(2**32))))
                break
    return found


def extent(kind: str, size: float) -> float:
    """How far a defect reaches from its middle, as a share of the shorter side."""
    return size * (1.0 if kind == "scratch" else 0.5)


def _apart(y: float, x: float, kind: str, size: float, other: Made) -> bool:
    """Whether a defect there is far enough from another, whichever side is the shorter."""
    away = float(np.hypot(y - other.y, x - other.x))
    return away >= extent(kind, size) + extent(other.kind, other.size) + BETWEEN / GRID


def drawn(image: Image, defects: Sequence[Made]) -> Image:
    """A copy of a photograph with these defects on it."""
    found = image.copy()
    for made in defects:
        _draw(found, image, made)
    return found


def _part(image: Image, mask: str | None) -> Bool[np.ndarray, "k k"]:
    """Cells that show the part; all where nothing stands out; of either those that a mask leaves in."""
    small = reduced(image, 4 * GRID).astype(np.float32).mean(axis=2)
    rows, columns = (np.linspace(0, side, GRID + 1).astype(int) for side in small.shape)
    border = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    apart = np.abs(small - np.median(border))
    cells = np.array(
        [
            [apart[a:b, c:d].mean() if a < b and c < d else 0 for c, d in itertools.pairwise(columns)]
            for a, b in itertools.pairwise(rows)
        ]
    )
    inside = np.ones((GRID, GRID), bool) if mask is None else scaled(mask_of(mask), GRID, GRID)
    part = inside & (cells > PLAIN * 255)
    return part if part.sum() >= 0.05 * inside.sum() else inside


def _draw(out: Image, image: Image, made: Made) -> None:
    h, w = image.shape[:2]
    rng = np.random.default_rng(made.seed)
    size = max(2.0, made.size * min(h, w))
    reach = int(np.ceil(extent(made.kind, size))) + 2
    middle = int(made.y * h), int(made.x * w)
    rows, columns = (
        np.arange(max(0, at - reach), min(side, at + reach + 1))
        for at, side in zip(middle, (h, w), strict=True)
    )
    y, x = np.meshgrid(rows - middle[0], columns - middle[1], indexing="ij")
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    here = out[window].astype(np.float32)
    share, colours = _LOOKS[made.kind](here, image, y.astype(np.float64), x.astype(np.float64), size, rng)
    mixed = here + share[..., None] * (colours - here)
    out[window] = mixed.round().clip(0, 255).astype(np.uint8)


def _turned(
    y: np.ndarray, x: np.ndarray, rng: np.random.Generator
) -> tuple[Float64[np.ndarray, "a b"], Float64[np.ndarray, "a b"]]:
    angle = rng.uniform(0, np.pi)
    return y * np.cos(angle) - x * np.sin(angle), y * np.sin(angle) + x * np.cos(angle)


def _ellipse(
    y: np.ndarray, x: np.ndarray, size: float, rng: np.random.Generator, soft: float
) -> Float32[np.ndarray, "a b"]:
    """Its share of each pixel; the edge falls over ``soft`` pixels."""
    v, u = _turned(y, x, rng)
    long, short = size / 2, size / 2 * rng.uniform(0.5, 1.0)
    away = (np.hypot(v / long, u / short) - 1) * short
    return np.asarray(np.clip(0.5 - away / soft, 0, 1), np.float32)


def _other(here: np.ndarray, rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """The middle colour of a window, so many levels lighter or darker: away from the nearer end of the range."""
    colour = np.median(here, axis=(0, 1))
    sign = -1.0 if colour.mean() > 127 else 1.0
    return np.asarray(colour + sign * rng.uniform(low, high), np.float32)


def _paste(
    here: np.ndarray, image: Image, y: np.ndarray, x: np.ndarray, size: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    a, b = here.shape[:2]
    pieces = []
    for _ in range(TRIES):
        top, left = (
            int(rng.integers(max(1, side - n + 1))) for side, n in zip(image.shape, (a, b), strict=False)
        )
        pieces.append(image[top : top + a, left : left + b].astype(np.float32))
    apart = [float(np.abs(piece.mean(axis=(0, 1)) - here.mean(axis=(0, 1))).sum()) for piece in pieces]
    piece = pieces[
        int(np.argsort(apart)[-2])
    ]  # another place that looks different, not the most different one
    return _ellipse(y, x, size, rng, 1.5), piece[::-1, ::-1]


def _scratch(
    here: np.ndarray, image: Image, y: np.ndarray, x: np.ndarray, size: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    v, u = _turned(y, x, rng)
    bent = v - rng.uniform(-0.3, 0.3) * u**2 / size
    width = max(1.0, size / 8)
    along = np.clip(size - np.abs(u) + 0.5, 0, 1)
    share = np.clip(0.5 + width / 2 - np.abs(bent), 0, 1) * along
    return share.astype(np.float32), np.broadcast_to(_other(here, rng, 20.0, 80.0), here.shape)


def _stain(
    here: np.ndarray, image: Image, y: np.ndarray, x: np.ndarray, size: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    v, u = _turned(y, x, rng)
    away = np.hypot(v, u / rng.uniform(0.6, 1.0)) / (size / 2)
    share = np.exp(-2 * away**2) * rng.uniform(0.5, 0.9)
    return share.astype(np.float32), here + (_other(here, rng, 40.0, 90.0) - np.median(here, axis=(0, 1)))


def _blob(
    here: np.ndarray, image: Image, y: np.ndarray, x: np.ndarray, size: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    grain = rng.normal(0, 6, (*here.shape[:2], 1))
    return _ellipse(y, x, size, rng, 1.0), (_other(here, rng, 20.0, 90.0) + grain).astype(np.float32)


_LOOKS = {"paste": _paste, "scratch": _scratch, "stain": _stain, "blob": _blob}
