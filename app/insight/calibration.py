"""What a version learnt: its nominal scores, what they promise, and the nominal images that look least nominal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.inspection.engine import split_name
from app.inspection.inspecting import Inspecting
from app.inspection.thresholds import Wish, effective, rates, wish_with
from core.bank import CalibrationRecord
from core.errors import CoreError
from core.judging.calibration import Promise, supported_rate
from core.judging.conformal import promise_over_parts
from core.judging.exploration import ExpectedRate, bin_edges, expected_rate, histogram
from core.judging.groups import group_sizes
from core.judging.scoring import Thresholds


@dataclass(frozen=True)
class NominalScore:
    """A nominal image's score without its own patches. sha256: where the bank was built here; present: still there."""

    name: str
    sha256: str | None
    score: float
    present: bool


@dataclass(frozen=True)
class Insight:
    """A version's calibration. edges, counts: histogram of the nominal scores; hardest: the highest of them first.

    thresholds and what is expected of them are None where the version does not support the bank's rates; ``reason``
    says so. ``promise`` is of the reject threshold where a rate gave it.
    """

    bank: str
    version: int
    images: int
    vectors: int
    supported_false_reject: float
    thresholds: Thresholds | None
    reason: str | None
    expected_review: ExpectedRate | None
    expected_reject: ExpectedRate | None
    promise: Promise | None
    edges: list[float]
    counts: list[int]
    hardest: list[NominalScore]
    build_seconds: float | None
    stage_seconds: dict[str, float]


def of_version(inspecting: Inspecting, bank: str, number: int, bins: int, hardest: int) -> Insight:
    """Raises NotFound, BlobMissing, BlobCorrupt, BankError."""
    row = inspecting.store.banks.get(bank)
    version = inspecting.store.versions.get(bank, number)
    known = inspecting.calibrations.of(version)
    scores, groups = known.calibration_scores, known.calibration_groups
    edges = bin_edges(scores, scores[:0], bins)
    wish = wish_with(row, version)
    thresholds, reason = _thresholds(wish, known)
    return Insight(
        bank=bank,
        version=number,
        images=len(scores),
        vectors=known.vectors,
        supported_false_reject=supported_rate(len(group_sizes(groups))),
        thresholds=thresholds,
        reason=reason,
        expected_review=expected_rate(scores, thresholds.review, groups) if thresholds else None,
        expected_reject=expected_rate(scores, thresholds.reject, groups) if thresholds else None,
        promise=_promise(wish, known) if thresholds and wish.reject_threshold is None else None,
        edges=edges.tolist(),
        counts=histogram(scores, edges).tolist(),
        hardest=_hardest(inspecting, bank, known, hardest),
        build_seconds=version.summary.get("build_seconds"),
        stage_seconds=version.summary.get("stage_seconds", {}),
    )


def _thresholds(wish: Wish, known: CalibrationRecord) -> tuple[Thresholds | None, str | None]:
    try:
        return effective(wish, known), None
    except CoreError as error:
        return None, str(error)


def _promise(wish: Wish, known: CalibrationRecord) -> Promise:
    rate, _ = rates(wish, known.config.target_false_reject, known.config.target_review)
    return promise_over_parts(known.calibration_scores, known.calibration_groups, rate)


def _hardest(inspecting: Inspecting, bank: str, known: CalibrationRecord, count: int) -> list[NominalScore]:
    highest = np.argsort(-known.calibration_scores, kind="stable")[:count]
    named = [(*split_name(known.images[i]), float(known.calibration_scores[i])) for i in highest]
    present = inspecting.store.images.present(bank, [sha256 for sha256, _, _ in named if sha256])
    return [NominalScore(name, sha256, score, sha256 in present) for sha256, name, score in named]
