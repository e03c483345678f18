"""Thresholds by cost: a version's calibration scores and its reviewed defects, weighed by what errors cost.

Only defects of the priced version count, because scores of different versions are not comparable; of its defects the
newest ``exploring.MOST``, however many inspections lie between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.insight.exploring import MOST, Subject, in_use
from app.inspection.inspecting import Inspecting
from app.store.reviews import DEFECTS
from core.judging.economics import Costs, Priced, Saving, by_cost

CAUTION = (
    "Accepted parts are seldom reviewed: more defects are missed than reviews show, and the cheapest threshold is "
    "rather lower. Parts for review count as accepted."
)


@dataclass(frozen=True)
class ByCost:
    """The cheapest reject threshold; fields as of ``core.judging.economics.Economics``.

    missed: of the ``defects`` those that a person found among accepted parts.
    """

    bank: str
    revision: int
    version: int
    costs: Costs
    parts: int
    defects: int
    missed: int
    best: Priced
    low: float
    high: float
    present: Priced | None
    saving: Saving | None
    caution: str = CAUTION


def price(inspecting: Inspecting, of: Subject, costs: Costs) -> ByCost:
    """At these costs, beside the bank's own threshold. Raises TooFewDefects, NotFound for a version that is gone."""
    version = inspecting.store.versions.get(of.bank.id, of.version)
    rows = inspecting.store.inspections.scored(version, MOST, DEFECTS)
    scores = np.fromiter((row.score for row in rows), np.float64, len(rows))
    present = in_use(of)
    found = by_cost(
        of.record.calibration_scores.astype(np.float64),
        of.record.calibration_groups,
        scores,
        costs,
        None if present is None else present.reject,
    )
    return ByCost(
        bank=of.bank.id,
        revision=of.bank.revision,
        version=of.version,
        costs=costs,
        parts=found.parts,
        defects=found.defects,
        missed=sum(row.verdict == "missed_defect" for row in rows),
        best=found.best,
        low=found.low,
        high=found.high,
        present=found.present,
        saving=found.saving,
    )
