"""One trial: banks of either half of a sample, and what each makes of the other half's photographs.

The path is a build's: patches, principal axes, projection, greedy coreset, exact search, image score. A photograph with
made defects is judged once per defect: its map is the one it has without defects, but around that defect.
Letters: k nominal photographs, p patches of one, d dimensions, m bank vectors, gh gw patch rows and columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from core.advice.compare import Judged
from core.advice.made import Made, extent
from core.advice.sample import GOOD, Sample, Seen
from core.config import DetectorConfig
from core.features.patches import Patches
from core.features.pca import fit_pca, reduced
from core.features.position import SAMPLE, Position, fit_position
from core.input.cells import drawn
from core.input.preprocess import AxisMap, Frame
from core.input.views import Placement
from core.judging.heatmap import map_scores
from core.memory.coreset import greedy_coreset, random_projection
from core.memory.estimate import kept_vectors
from core.memory.patch_store import PatchStore
from core.search import Index

AROUND = 2.0  # cells beyond a defect's own that its change of the features reaches


@dataclass(frozen=True, eq=False)
class Half:
    """The bank of one fold's photographs, the axes that its vectors are turned to and what places cost, if anything."""

    index: Index
    turn: Callable[[Float32[np.ndarray, "p d"]], Float32[np.ndarray, "p e"]]
    position: Position | None

    def distances(
        self, vectors: Float32[np.ndarray, "q d"], cells: Int64[np.ndarray, " q"], grid: tuple[int, int]
    ) -> Float32[np.ndarray, " q"]:
        """To the nearest of the bank; cells: where in a grid the vectors lie."""
        return self.index.search(_placed(self.turn(vectors), cells, grid, self.position))[0][:, 0]


def judged(
    sample: Sample, seen: Seen, config: DetectorConfig, vectors: int, check: Callable[[], None]
) -> Judged:
    """Scores of every held-out photograph, made defect and test.

    vectors: of a bank of the whole set, which those of a half keep too, but at most every second of their patches.
    Raises what ``check`` raises, at most a second late.
    """
    folds, parts = sample.folds(), sample.parts
    assert parts is not None
    k = len(sample.nominal)
    clean: list[tuple[float, int]] = []
    defects: list[tuple[float, int, str, float]] = []
    for fold in (0, 1):
        half = _half(seen, config, np.flatnonzero(folds[:k] != fold).tolist(), vectors, check)
        for place in np.flatnonzero(folds[:k] == fold).tolist():
            check()
            grid = _distances(half, config, seen.nominal, place * seen.views, seen.placements[0][place])
            clean.append((_score(config, grid, seen.placements[0][place]), int(parts[place])))
            if place in sample.flawed:
                other = list(sample.flawed).index(place)
                of = (half, config, seen.others, other, seen.placements[1][other])
                defects += _made(sample.defects[place], grid, int(parts[place]), *of)
        for i, shot in enumerate(sample.tests):
            if folds[k + i] != fold:
                continue
            other = len(sample.flawed) + i
            placement = seen.placements[1][other]
            score = _score(config, _distances(half, config, seen.others, other, placement), placement)
            if shot.kind == GOOD:
                clean.append((score, int(parts[k + i])))
            else:
                defects.append((score, int(parts[k + i]), shot.kind, 0.0))
    return Judged.of(clean, defects)


def vectors_of(seen: Seen, config: DetectorConfig, images: int) -> int:
    """How many patches a bank of so many photographs like these keeps."""
    placed = zip(range(0, seen.nominal.images, seen.views), seen.placements[0], strict=True)
    cells = [_counted(config, placement, seen.nominal.grid(i)) for i, placement in placed]
    return vectors_kept(config, images * sum(map(len, cells)) / len(cells))


def vectors_kept(config: DetectorConfig, patches: float) -> int:
    """The same of so many patches, copies not counted."""
    views, most, least = config.augment.views, config.max_bank_vectors, config.min_bank_vectors
    return kept_vectors(math.ceil(patches * views), config.coreset_ratio, most, least, views)


def _half(
    seen: Seen, config: DetectorConfig, places: Sequence[int], most: int, check: Callable[[], None]
) -> Half:
    """A bank of some nominal photographs, with all their copies."""
    store = seen.nominal
    turn: Callable[[np.ndarray], np.ndarray] = lambda vectors: vectors  # noqa: E731
    if config.reduces:
        turn = _turn(seen, config, places, check)
    images = [(place, place * seen.views + view) for place in places for view in range(seen.views)]
    grids = [store.grid(image) for _, image in images]
    cells = [
        _counted(config, seen.placements[0][place], grid)
        for (place, _), grid in zip(images, grids, strict=True)
    ]
    rows = [turn(store.image_vectors(image)[kept]) for (_, image), kept in zip(images, cells, strict=True)]
    position = _position(config, rows, [place for place, _ in images]) if config.position else None
    vectors = np.concatenate([_placed(*each, position) for each in zip(rows, cells, grids, strict=True)])
    check()
    generator = torch.Generator().manual_seed(config.seed)
    d = vectors.shape[1]
    projection = random_projection(d, config.projection if d >= 2 * config.projection else d, generator)
    points = torch.from_numpy(vectors) if projection is None else torch.from_numpy(vectors) @ projection

    def asked() -> bool:
        check()
        return False

    coreset = greedy_coreset(points, min(most, -(-len(points) // 2)), generator, cancelled=asked)
    return Half(Index.build(vectors[coreset.indices]), turn, position)


def _position(
    config: DetectorConfig, rows: Sequence[Float32[np.ndarray, "_ e"]], places: Sequence[int]
) -> Position:
    """What places cost, of a sample of the vectors of photographs, as a build measures it."""
    vectors = np.concatenate(rows)
    ids = np.random.default_rng(config.seed).permutation(len(vectors))[:SAMPLE]
    of = np.repeat(np.asarray(places, np.int64), [len(each) for each in rows])
    return fit_position(vectors[ids], of[ids], config.position)


def _placed(
    vectors: Float32[np.ndarray, "q e"],
    cells: Int64[np.ndarray, " q"],
    grid: tuple[int, int],
    position: Position | None,
) -> Float32[np.ndarray, "q _"]:
    """With their places in a grid, where these count."""
    if position is None:
        return vectors
    return np.concatenate([vectors, position.places(grid).numpy()[cells]], axis=1)


def _turn(
    seen: Seen, config: DetectorConfig, places: Sequence[int], check: Callable[[], None]
) -> Callable[[np.ndarray], np.ndarray]:
    """Onto principal axes that are fitted to these photographs only, so that the others are unseen by them too."""
    with PatchStore(seen.nominal.dimension, 1 << 62) as own:
        for image in (place * seen.views + view for place in places for view in range(seen.views)):
            own.append(
                torch.from_numpy(seen.nominal.image_vectors(image)), own.images, seen.nominal.grid(image)
            )
        pca = fit_pca(own, config, check)

    def turned(vectors: np.ndarray) -> np.ndarray:
        given: Tensor = torch.from_numpy(vectors)[None]
        return reduced(Patches(given, (1, len(vectors))), pca).vectors[0].numpy()

    return turned


def _counted(config: DetectorConfig, placement: Placement, grid: tuple[int, int]) -> Int64[np.ndarray, " q"]:
    cells = placement.cells(config.input, grid)
    return np.arange(grid[0] * grid[1]) if cells is None else cells.rows


def _distances(
    half: Half, config: DetectorConfig, store: PatchStore, image: int, placement: Placement
) -> Float32[np.ndarray, "gh gw"]:
    """Of each patch to the bank; 0 where one does not count."""
    grid = store.grid(image)
    kept = _counted(config, placement, grid)
    found = np.zeros(math.prod(grid), np.float32)
    found[kept] = half.distances(store.image_vectors(image)[kept], kept, grid)
    return found.reshape(grid)


def _score(config: DetectorConfig, distances: Float32[np.ndarray, "gh gw"], placement: Placement) -> float:
    """Eq. 6, or the map's peak where a config says so."""
    if config.score == "patch":
        return float(distances.max())
    grid = (distances.shape[0], distances.shape[1])
    frame, spread = placement.frame, drawn(placement.cells(config.input, grid), distances.reshape(1, -1))
    return float(map_scores(spread, grid, (frame.rows.input, frame.columns.input), config.sigma)[0])


def _made(
    defects: Sequence[Made],
    without: Float32[np.ndarray, "gh gw"],
    part: int,
    half: Half,
    config: DetectorConfig,
    store: PatchStore,
    image: int,
    placement: Placement,
) -> Iterator[tuple[float, int, str, float]]:
    """(score, part, kind, size) of each defect by itself; only the patches around them are searched, all at once."""
    cells, vectors = np.arange(without.size).reshape(without.shape), store.image_vectors(image)
    inspected = _counted(config, placement, store.grid(image))
    around = [
        np.intersect1d(cells[_window(made, placement.frame, without.shape)], inspected) for made in defects
    ]
    asked = np.unique(np.concatenate([np.empty(0, cells.dtype), *around]))
    flawed = without.ravel().copy()
    if len(asked):
        flawed[asked] = half.distances(vectors[asked], asked, store.grid(image))
    for made, places in zip(defects, around, strict=True):
        alone = without.ravel().copy()
        alone[places] = flawed[places]
        yield _score(config, alone.reshape(without.shape), placement), part, made.kind, made.size


def _window(made: Made, frame: Frame, grid: tuple[int, ...]) -> tuple[slice, slice]:
    """The cells around a defect; none where a crop leaves it out."""
    reach = extent(made.kind, made.size) * min(frame.rows.source, frame.columns.source)
    return _span(made.y, reach, frame.rows, grid[0]), _span(made.x, reach, frame.columns, grid[1])


def _span(middle: float, reach: float, axis: AxisMap, cells: int) -> slice:
    at = middle * axis.source * axis.scale + axis.offset
    low, high = ((at + way * reach * axis.scale) * cells / axis.input + way * AROUND for way in (-1, 1))
    return slice(int(np.clip(math.floor(low), 0, cells)), int(np.clip(math.ceil(high), 0, cells)))


def without_eq7(config: DetectorConfig) -> DetectorConfig:
    """The settings that a trial uses: scores of Eq. 6, an exact index."""
    return replace(config, reweight=False, index=type(config.index)())
