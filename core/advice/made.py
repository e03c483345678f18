"""Defects made on nominal photographs, to try settings by where nobody has a photograph of a real one.

Four kinds: a piece of the photograph pasted elsewhere (after CutPaste, Li et al. 2021), a scratch, a stain, a blob.
Each is drawn in four sizes, and equally often in each, so that small ones weigh as much as large ones. Four are drawn on
a photograph, one per quarter of it, so that each can be judged by the patches around it.
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
SIZES = (0.01, 0.02, 0.04, 0.08)
"""Longest side of a defect, as a share of the photograph's shorter side; a scratch is twice as long."""
GRID = 32  # cells along a side, among which a place is drawn
MARGIN = 0.08  # of each side, that no defect's middle is nearer to the edge of its quarter than
PLAIN = 0.1  # of the range of levels: cells that differ less from the photograph's border are background
TRIES = 6  # places looked at for a piece to paste


@dataclass(frozen=True)
class Made:
    """One defect. size: share of the shorter side; y, x: its middle, in shares of the sides; seed: of its looks."""

    kind: str
    size: float
    y: float
    x: float
    seed: int


def planned(image: Image, number: int, seed: int, mask: str | None = None) -> list[Made]:
    """The defects of the ``number``-th photograph: up to four, on the part where it stands out from the background.

    mask: of the bank (``core.input.mask``); none is put where it leaves out. The same arguments give the same defects.
    """
    rng = np.random.default_rng([seed, number])
    inside, part = _grids(image, mask)
    kinds = rng.permutation(len(KINDS))
    found = []
    for quarter, kind in enumerate(kinds.tolist()):
        cell = _place(quarter, inside, part, rng)
        size = SIZES[(number + kind) % len(SIZES)]
        if cell is not None:
            y, x = (np.array(cell) + rng.uniform(0.2, 0.8, 2)) / GRID
            found.append(Made(KINDS[kind], size, float(y), float(x), int(rng.integers(2**32))))
    return found


def drawn(image: Image, defects: Sequence[Made]) -> Image:
    """A copy of a photograph with these defects on it."""
    found = image.copy()
    for made in defects:
        _draw(found, image, made)
    return found


def _grids(image: Image, mask: str | None) -> tuple[Bool[np.ndarray, "k k"], Bool[np.ndarray, "k k"]]:
    """Cells where a defect may be, and those of them that show the part; all of them where nothing stands out."""
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
    return inside, part if part.sum() >= 0.05 * inside.sum() else inside


def _place(
    quarter: int, inside: np.ndarray, part: np.ndarray, rng: np.random.Generator
) -> tuple[int, int] | None:
    """A cell of one quarter of the grid, on the part if it is there; None where a mask leaves the quarter out."""
    half, edge = GRID // 2, round(MARGIN * GRID / 2)
    own = np.zeros((GRID, GRID), bool)
    top, left = (quarter // 2) * half, (quarter % 2) * half
    own[top + edge : top + half - edge, left + edge : left + half - edge] = True
    for cells in (part & own, inside & own):
        places = np.argwhere(cells)
        if len(places):
            row, column = places[rng.integers(len(places))].tolist()
            return row, column
    return None


def _draw(out: Image, image: Image, made: Made) -> None:
    h, w = image.shape[:2]
    rng = np.random.default_rng(made.seed)
    size = max(2.0, made.size * min(h, w))
    reach = int(np.ceil(size * (1.0 if made.kind == "scratch" else 0.5))) + 2
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
    return share.astype(np.float32), np.broadcast_to(_other(here, rng, 20, 80), here.shape)


def _stain(
    here: np.ndarray, image: Image, y: np.ndarray, x: np.ndarray, size: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    v, u = _turned(y, x, rng)
    away = np.hypot(v, u / rng.uniform(0.6, 1.0)) / (size / 2)
    share = np.exp(-2 * away**2) * rng.uniform(0.5, 0.9)
    return share.astype(np.float32), here + (_other(here, rng, 40, 90) - np.median(here, axis=(0, 1)))


def _blob(
    here: np.ndarray, image: Image, y: np.ndarray, x: np.ndarray, size: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    grain = rng.normal(0, 6, (*here.shape[:2], 1))
    return _ellipse(y, x, size, rng, 1.0), (_other(here, rng, 20, 90) + grain).astype(np.float32)


_LOOKS = {"paste": _paste, "scratch": _scratch, "stain": _stain, "blob": _blob}
