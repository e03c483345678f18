"""What a version's row says of its bank, so that nobody need load it to know."""

from __future__ import annotations

from typing import Any

from core.bank import Bank
from core.detector import map_threshold_of, thresholds_of
from core.judging.calibration import supported_rate
from core.judging.conformal import promise_over_parts
from core.judging.groups import group_sizes


def summary_of(bank: Bank) -> dict[str, Any]:
    """As plain JSON. Raises TooFewNominalImages where the bank does not support its own rates."""
    thresholds, groups = thresholds_of(bank), bank.calibration_groups
    m, d = bank.vectors.shape
    return {
        "images": len(bank.provenance.images),
        "vectors": m,
        "dimension": d,
        "source_patches": bank.coreset.source_patches,
        "covering_radius": bank.coreset.covering_radius,
        "index_recall": float(bank.index.recall),
        "backbone": bank.backbone.name,
        "weights": bank.backbone.digest,
        "runtime": bank.backbone.runtime,
        "precision": bank.backbone.precision,
        "review_threshold": thresholds.review,
        "reject_threshold": thresholds.reject,
        "map_threshold": map_threshold_of(bank),
        "supported_false_reject": supported_rate(len(group_sizes(groups))),
        "promise": promise_over_parts(bank.calibration_scores, groups, bank.config.target_false_reject).text,
        "config": bank.config.to_json(),
    }
