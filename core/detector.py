"""PatchCore in the paper's order (Roth et al. 2022): a nearest-neighbour detector over a memory bank.

Letters: b images, p patches, d dimensions, c conformance images.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from core.bank import Bank
from core.config import DetectorConfig
from core.errors import BankMismatch
from core.features.patches import patch_features
from core.features.pca import reduced
from core.features.position import placed
from core.input.cells import Cells, cells_of, drawn
from core.input.photograph import Photograph
from core.input.views import Placement, View, view_of
from core.judging.conformal import hierarchical_threshold
from core.judging.heatmap import map_scores
from core.judging.scoring import UNLOCATED, Thresholds, image_scores, reweighted_scores
from core.retrieval import WORST
from core.search import Index

LEAST_LEVEL = 1e-6
"""Of a map's threshold: nominal images all alike have maps of 0, on which no scale can rest."""
NEAR_ZERO = 0.01  # of the vectors' length: recorded scores below it are held to the tolerance of it, not of themselves

Extractor = Callable[[Tensor], Sequence[Tensor]]
"""A frozen backbone: normalised (b, 3, h, w) float32 -> one (b, c, h, w) float32 map per layer, finest first."""


@dataclass(frozen=True, eq=False)
class Detection:
    """Scores and distances of a batch: Euclidean, larger is more anomalous.

    scores (b,): image scores. distances, ids (b, p): each patch's distance to its nearest bank vector and that
    vector's row in the bank, row-major over grid = (rows, columns); both 0 where a mask leaves out. worst (b, d): the
    mean of each image's worst patches, by which similar ones are found. Seconds are for the whole batch.
    """

    scores: Float32[np.ndarray, " b"]
    distances: Float32[np.ndarray, "b p"]
    ids: Int64[np.ndarray, "b p"]
    worst: Float32[np.ndarray, "b d"]
    grid: tuple[int, int]
    feature_seconds: float
    search_seconds: float


def detect(
    batch: Float32[Tensor, "b 3 h w"],
    extract: Extractor,
    bank: Bank,
    placements: Sequence[Placement] = (),
) -> Detection:
    """Score a batch of inputs against a bank: features, nearest neighbours, Eq. 6, Eq. 7 or the map's peak.

    placements: of each input in its photograph, where some of its cells may not count; none: as the mask says.
    """
    started = time.perf_counter()
    vectors, grid = compared(extract(batch), bank)
    featured = time.perf_counter()
    found = judge(vectors, grid, (batch.shape[2], batch.shape[3]), bank, placements)
    return replace(found, feature_seconds=featured - started, search_seconds=time.perf_counter() - featured)


def compared(
    maps: Sequence[Float32[Tensor, "b _ _ _"]], bank: Bank
) -> tuple[Float32[Tensor, "b p d"], tuple[int, int]]:
    """The patch vectors of feature maps as a bank compares them, and their grid (rows, columns)."""
    return placed(reduced(patch_features(maps, bank.config.patch), bank.pca), bank.position)


def judge(
    vectors: Float32[Tensor, "b p d"],
    grid: tuple[int, int],
    inputs: tuple[int, int],
    bank: Bank,
    placements: Sequence[Placement] = (),
) -> Detection:
    """Score patch vectors that are at hand, of inputs of this (height, width); its seconds are 0."""
    sizes = bank.config.input
    if all(each.warp is None for each in placements):
        judged = [_judged(vectors, cells_of(sizes, grid), bank, grid, inputs)]
    else:
        judged = [
            _judged(one[None], place.cells(sizes, grid), bank, grid, inputs)
            for one, place in zip(vectors, placements, strict=True)
        ]
    scores, distances, ids, worst = (np.concatenate(parts) for parts in zip(*judged, strict=True))
    return Detection(scores, distances, ids, worst, grid, 0.0, 0.0)


def _judged(
    vectors: Float32[Tensor, "b p d"],
    cells: Cells | None,
    bank: Bank,
    grid: tuple[int, int],
    inputs: tuple[int, int],
) -> tuple[Float32[np.ndarray, " b"], Float32[np.ndarray, "b p"], Int64[np.ndarray, "b p"], np.ndarray]:
    """Scores, distances, ids and means of the worst patches of images whose same cells count."""
    if cells is not None:
        vectors = vectors[:, torch.from_numpy(cells.rows).to(vectors.device)]
    b, p, d = vectors.shape
    flat = vectors.reshape(b * p, d)
    distances, ids = (found.reshape(b, p) for found in bank.index.search(flat, 1))
    scores = image_scores(distances)
    if bank.config.reweight:
        scores = _reweighted(scores, flat, distances, ids, bank.index, bank.config)
    worst = _worst(vectors, distances)
    if cells is not None:
        distances, ids = cells.scattered(distances), cells.scattered(ids)
    if bank.config.score == "map":
        scores = map_scores(drawn(cells, distances), grid, inputs, bank.config.sigma)
    return scores, distances, ids, worst


def score_of(view: View, extract: Extractor, bank: Bank) -> float:
    """Of one view; that of a part that is not located is above every threshold."""
    if not view.located:
        return UNLOCATED
    ref = bank.backbone
    x = view.tensor(bank.config.input, ref.mean, ref.std)
    return float(detect(x[None], extract, bank, [view.placement]).scores[0])


def _reweighted(
    scores: Float32[np.ndarray, " b"],
    vectors: Float32[Tensor, "_ d"],  # (b * p, d)
    distances: Float32[np.ndarray, "b p"],
    ids: Int64[np.ndarray, "b p"],
    index: Index,
    config: DetectorConfig,
) -> Float32[np.ndarray, " b"]:
    rows = np.arange(len(scores))
    worst = distances.argmax(axis=1)  # (b,)
    places = rows * distances.shape[1] + worst
    farthest = (
        vectors[torch.from_numpy(places)].cpu().numpy() if isinstance(vectors, Tensor) else vectors[places]
    )
    return reweighted_scores(
        scores,
        farthest,
        ids[rows, worst],
        index.vectors,
        index.search,
        config.neighbours,
    )


def _worst(
    vectors: Float32[Tensor, "b p d"], distances: Float32[np.ndarray, "b p"]
) -> Float32[np.ndarray, "b d"]:
    most = min(WORST, distances.shape[1])
    farthest = np.argpartition(-distances, most - 1, axis=1)[:, :most]  # (b, most)
    rows = torch.from_numpy(farthest).to(vectors.device)[:, :, None].expand(-1, -1, vectors.shape[2])
    return vectors.gather(1, rows).mean(dim=1).cpu().numpy()


def thresholds_of(bank: Bank) -> Thresholds:
    """The two thresholds that the bank's calibration scores give at its configured rates.

    Raises TooFewNominalImages where the calibration set does not support a rate.
    """
    config, of = bank.config, (bank.calibration_scores, bank.calibration_groups)
    reject = hierarchical_threshold(*of, config.target_false_reject)
    if config.target_review is None:
        return Thresholds(review=reject, reject=reject)
    return Thresholds(review=hierarchical_threshold(*of, config.target_review), reject=reject)


def map_threshold_of(bank: Bank) -> float:
    """The level, above 0, that regions of a map exceed: the review threshold's rank, over nominal map peaks."""
    rate = bank.config.target_review or bank.config.target_false_reject
    return max(LEAST_LEVEL, hierarchical_threshold(bank.calibration_peaks, bank.calibration_groups, rate))


def check_backbone(bank: Bank, digest: str) -> None:
    """Raise BankMismatch unless ``digest``, of a backbone's weights, is the one the bank was built with."""
    if digest != bank.backbone.digest:
        raise BankMismatch(
            requirement=f"the bank needs {bank.backbone.name} with weights {bank.backbone.digest[:16]}",
            received=f"weights {digest[:16]}",
            remedy="load that backbone, or build the bank again with this one",
        )


def check_conformance(bank: Bank, extract: Extractor) -> float:
    """The largest relative difference between recorded and scored conformance images.

    Proves that this runtime, precision and machine score as those of the build did. Raises BankMismatch where
    the difference passes the bank's tolerance.
    """
    return conformance_difference(bank, conformance_scores(bank.conformance.images, extract, bank))


def conformance_difference(bank: Bank, found: Float32[np.ndarray, " c"]) -> float:
    """``check_conformance`` of scores that were found one by one. Raises BankMismatch."""
    expected = bank.conformance.scores
    off = relative_difference(found, expected, bank)
    if not off <= bank.conformance.tolerance:
        raise BankMismatch(
            requirement=f"conformance images must score as recorded within {bank.conformance.tolerance:.2%}",
            received=f"a difference of {off:.2%} (recorded {expected.tolist()}, found {found.tolist()})",
            remedy="run with the runtime and precision the bank was built with, or build it again",
        )
    return off


def relative_difference(
    found: Float32[np.ndarray, " c"], expected: Float32[np.ndarray, " c"], bank: Bank
) -> float:
    """The largest of these scores, relative to those expected or, where they are near 0, to the bank's vectors."""
    length = float(np.linalg.norm(bank.vectors, axis=1).mean())
    least = max(NEAR_ZERO * length, 1e-6)
    return float(np.max(np.abs(found - expected) / np.maximum(expected, least), initial=0))


def conformance_scores(
    images: Sequence[np.ndarray], extract: Extractor, bank: Bank
) -> Float32[np.ndarray, " c"]:
    """Score images one at a time, the way an inspection does."""
    views = [view_of(Photograph(image), bank.config, bank.backbone.mean, bank.reference) for image in images]
    return np.asarray([score_of(view, extract, bank) for view in views], dtype=np.float32)
