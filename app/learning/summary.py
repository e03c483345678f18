"""What a version's row says of its bank, so that nobody need load it to know."""

from __future__ import annotations

from typing import Any

from core.bank import Bank
from core.detector import map_threshold_of, thresholds_of
from core.judging.calibration import promise, supported_rate


def summary_of(bank: Bank) -> dict[str, Any]:
    """As plain JSON. Raises TooFewNominalImages where the bank does not support its own rates."""
    thresholds, images = thresholds_of(bank), len(bank.calibration_scores)
    m, d = bank.vectors.shape
    return {
        "images": images,
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
        "supported_false_reject": supported_rate(images),
        "promise": promise(images, bank.config.target_false_reject).text,
        "config": bank.config.to_json(),
    }
