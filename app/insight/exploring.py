"""Thresholds tried out: expected over a version's calibration scores, measured over what it inspected, before saving.

Scores of different versions are not comparable, so only inspections of the explored version count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float64, Int8

from app.errors import BankWithoutVersion
from app.inspection.inspecting import Inspecting
from app.inspection.thresholds import Wish, effective, wish_with
from app.store.inspections import Scored
from app.store.reviews import DEFECTS
from app.store.schema import Bank, Decision, Inspection, Verdict
from core.bank import CalibrationRecord
from core.errors import CoreError
from core.judging.exploration import (
    DECISIONS,
    ExpectedRate,
    Share,
    bin_edges,
    cross_counts,
    decide_all,
    expected_rate,
    histogram,
    share,
)
from core.judging.scoring import UNLOCATED, Thresholds

MOST = 20_000  # inspections looked at, the newest
VERDICTS: tuple[Verdict | None, ...] = (None, "confirmed_defect", "false_alarm", "missed_defect")
DEFECT_CODES = [VERDICTS.index(verdict) for verdict in DEFECTS]
FALSE_ALARM = VERDICTS.index("false_alarm")
NAMES = tuple(verdict or "unreviewed" for verdict in VERDICTS)


@dataclass(frozen=True, eq=False)
class Recorded:
    """What k inspections of one version scored, newest first; decisions and verdicts as codes."""

    rows: list[Scored]
    scores: Float64[np.ndarray, " k"]
    decisions: Int8[np.ndarray, " k"]
    verdicts: Int8[np.ndarray, " k"]


@dataclass(frozen=True, eq=False)
class Subject:
    """A version to explore: the bank as it was read, the calibration, what was recorded. Explored again and again.

    ``wish`` is what the bank wishes of this version, as the active one.
    """

    bank: Bank
    wish: Wish
    version: int
    record: CalibrationRecord
    recorded: Recorded


@dataclass(frozen=True)
class Flip:
    """A recorded inspection that these thresholds would decide otherwise."""

    id: str
    score: float
    decision: Decision
    would_be: Decision
    verdict: Verdict | None


@dataclass(frozen=True)
class Exploration:
    """What thresholds would do.

    present: the bank's own, None where the version does not support them. decided: recorded inspections by the
    decision they would get. outcomes: the same by verdict. found: reviewed defects that would not be accepted.
    alarms: reviewed false alarms that would not be accepted. flips: how many from one decision to another.
    edges, nominal, recorded: histograms, the outer bins holding what lies beyond.
    """

    bank: str
    revision: int
    version: int
    thresholds: Thresholds
    present: Thresholds | None
    expected_review: ExpectedRate
    expected_reject: ExpectedRate
    inspections: int
    decided: dict[str, int]
    outcomes: dict[str, dict[str, int]]
    found: Share
    alarms: Share
    flips: dict[str, dict[str, int]]
    flipped: int
    edges: list[float]
    nominal: list[int]
    recorded: dict[str, list[int]]


def subject(inspecting: Inspecting, bank: str, number: int | None = None) -> Subject:
    """The active version, or another. Raises NotFound, BankWithoutVersion, BankError, StoreError."""
    row = inspecting.store.banks.get(bank)
    number = number or row.active_version
    if number is None:
        raise BankWithoutVersion(
            requirement="thresholds are explored on a version",
            received=f"the bank {bank}, which has no active one",
            remedy="Upload nominal images and build it, or name a version.",
        )
    version = inspecting.store.versions.get(bank, number)
    known = inspecting.calibrations.of(version)
    return Subject(
        row,
        wish_with(row, version),
        number,
        known,
        _recorded(inspecting.store.inspections.scored(version, MOST)),
    )


def wish(base: Wish, given: Mapping[str, float | None]) -> Wish:
    """Thresholds and rates with those given in place; a rate given without one counts over a kept threshold.

    Raises ConfigError for what no version could follow.
    """
    laid = {field.name: given.get(field.name, getattr(base, field.name)) for field in fields(Wish)}
    for rate, threshold in (
        ("target_false_reject", "reject_threshold"),
        ("target_review", "review_threshold"),
    ):
        if given.get(rate) is not None and threshold not in given:
            laid[threshold] = None
    return Wish(**laid)


def explore(of: Subject, given: Mapping[str, float | None], bins: int = 40) -> Exploration:
    """What thresholds or rates given in place of the bank's would do; milliseconds of work.

    Raises ConfigError, or TooFewNominalImages for a rate the version does not support.
    """
    thresholds = effective(wish(of.wish, given), of.record)
    recorded, nominal, groups = of.recorded, of.record.calibration_scores, of.record.calibration_groups
    after = decide_all(recorded.scores, thresholds)
    flips = cross_counts(recorded.decisions, after, (len(DECISIONS), len(DECISIONS)))
    outcomes = cross_counts(recorded.verdicts, after, (len(VERDICTS), len(DECISIONS)))
    defects, alarms = outcomes[DEFECT_CODES].sum(axis=0), outcomes[FALSE_ALARM]
    edges = bin_edges(nominal, recorded.scores[recorded.scores < UNLOCATED], bins)
    return Exploration(
        bank=of.bank.id,
        revision=of.bank.revision,
        version=of.version,
        thresholds=thresholds,
        present=in_use(of),
        expected_review=expected_rate(nominal, thresholds.review, groups),
        expected_reject=expected_rate(nominal, thresholds.reject, groups),
        inspections=len(after),
        decided=_by_decision(outcomes.sum(axis=0)),
        outcomes={name: _by_decision(row) for name, row in zip(NAMES, outcomes, strict=True)},
        found=share(int(defects[1:].sum()), int(defects.sum())),
        alarms=share(int(alarms[1:].sum()), int(alarms.sum())),
        flips={name: _by_decision(row) for name, row in zip(DECISIONS, flips, strict=True)},
        flipped=int(flips.sum() - np.trace(flips)),
        edges=edges.tolist(),
        nominal=histogram(nominal, edges).tolist(),
        recorded={
            name: histogram(recorded.scores[recorded.verdicts == code], edges).tolist()
            for code, name in enumerate(NAMES)
        },
    )


def flips(of: Subject, thresholds: Thresholds, before: str | None = None, limit: int = 50) -> list[Flip]:
    """The newest inspections that thresholds would decide otherwise, those under the cursor ``before``."""
    after = decide_all(of.recorded.scores, thresholds)
    changed = np.flatnonzero(after != of.recorded.decisions)
    found: list[Flip] = []
    for i in changed:
        row = of.recorded.rows[i]
        if before is None or row.id < before:
            found.append(Flip(row.id, row.score, row.decision, DECISIONS[after[i]], row.verdict))
            if len(found) == limit:
                break
    return found


def rows_of(inspecting: Inspecting, flips: list[Flip]) -> dict[str, Inspection]:
    """The inspections of some flips by id; retention may have deleted one meanwhile."""
    return inspecting.store.inspections.some([flip.id for flip in flips])


def _recorded(rows: list[Scored]) -> Recorded:
    return Recorded(
        rows,
        np.fromiter((row.score for row in rows), np.float64, len(rows)),
        np.fromiter((DECISIONS.index(row.decision) for row in rows), np.int8, len(rows)),
        np.fromiter((VERDICTS.index(row.verdict) for row in rows), np.int8, len(rows)),
    )


def in_use(of: Subject) -> Thresholds | None:
    """The bank's own thresholds on this version; None where it does not support them."""
    try:
        return effective(of.wish, of.record)
    except CoreError:
        return None


def _by_decision(counts: np.ndarray) -> dict[str, int]:
    return {name: int(count) for name, count in zip(DECISIONS, counts, strict=True)}
