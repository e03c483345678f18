"""PatchCore written out in float64 as the paper has it, one patch at a time, to hold the engine against.

Only the resize (core.input.preprocess, tested on its own) and the backbone are shared with the engine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.config import DetectorConfig
from core.input.preprocess import to_tensor
from models.backbone import Backbone


def patches(
    image: np.ndarray, config: DetectorConfig, backbone: Backbone
) -> tuple[np.ndarray, tuple[int, int]]:
    """Patch vectors (p, d) of one image, and the grid they lie in (Eq. 1-3)."""
    x = to_tensor(image, config.input, backbone.spec.mean, backbone.spec.std)
    fine, deep = (_averaged(m[0].numpy().astype(np.float64), config.patch.size) for m in backbone(x[None]))
    every = config.patch.stride
    rows, columns = (range((every - 1) // 2, side, every) for side in fine.shape[1:])
    vectors = [
        np.concatenate([fine[:, i, j], _bilinear(deep, i, j, fine.shape[1:])]) for i in rows for j in columns
    ]
    return np.array(vectors), (len(rows), len(columns))


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances (a, b), by differences."""
    return np.sqrt(((a[:, None, :].astype(np.float64) - b[None].astype(np.float64)) ** 2).sum(axis=2))


def score(vectors: np.ndarray, bank: np.ndarray) -> float:
    """Eq. 6: the largest distance of a patch to its nearest bank vector."""
    return float(apart(vectors, bank).min(axis=1).max())


def reweighted_score(vectors: np.ndarray, bank: np.ndarray, b: int = 9) -> float:
    """Eq. 7 as printed, over the b nearest bank vectors of m*, itself among them."""
    distances = apart(vectors, bank)
    worst = int(distances.min(axis=1).argmax())
    nearest = int(distances[worst].argmin())
    around = np.argsort(apart(bank[nearest : nearest + 1], bank)[0], kind="stable")[:b]
    s = distances[worst, nearest]
    return float((1 - np.exp(s) / np.exp(distances[worst, around]).sum()) * s)


def greedy(points: np.ndarray, first: int, count: int) -> list[int]:
    """Eq. 5, the textbook loop: again and again the point farthest from all picked."""
    picks = [first]
    nearest = apart(points, points[first : first + 1])[:, 0]
    while len(picks) < count:
        picks.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, apart(points, points[picks[-1] : picks[-1] + 1])[:, 0])
    return picks


def _averaged(maps: np.ndarray, size: int) -> np.ndarray:
    c, h, w = maps.shape
    r = size // 2
    around = np.zeros((c, h + 2 * r, w + 2 * r))
    around[:, r : r + h, r : r + w] = maps
    found = np.empty_like(maps)
    for i in range(h):
        for j in range(w):
            found[:, i, j] = around[:, i : i + size, j : j + size].sum(axis=(1, 2)) / size**2
    return found


def _bilinear(maps: np.ndarray, i: int, j: int, shape: Sequence[int]) -> np.ndarray:
    """The value of a coarse map at the centre of cell (i, j) of a finer grid of ``shape``."""
    (i0, i1, u), (j0, j1, v) = (
        _between(place, side, coarse)
        for place, side, coarse in zip((i, j), shape, maps.shape[1:], strict=True)
    )
    top = (1 - v) * maps[:, i0, j0] + v * maps[:, i0, j1]
    bottom = (1 - v) * maps[:, i1, j0] + v * maps[:, i1, j1]
    return np.asarray((1 - u) * top + u * bottom)


def _between(place: int, side: int, coarse: int) -> tuple[int, int, float]:
    at = min(max((place + 0.5) * coarse / side - 0.5, 0), coarse - 1)
    return int(at), min(int(at) + 1, coarse - 1), at - int(at)


def substitutes(points: np.ndarray, owner: np.ndarray, picks: np.ndarray, group: int) -> list[int]:
    """Greedy going on without a group's points, from the picks of the others; each distance computed anew."""
    x = points.astype(np.float64)
    centres, others = list(picks[owner[picks] != group]), np.flatnonzero(owner != group)
    found: list[int] = []
    for _ in range(int((owner[picks] == group).sum())):
        near = ((x[others][:, None] - x[centres + found][None]) ** 2).sum(axis=2).min(axis=1)
        if near.max() <= 0:
            break
        found.append(int(others[near.argmax()]))
    return found
