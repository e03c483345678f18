"""What of a bank its thresholds rest on, read without building its index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32

from core.bank.bank import Bank, scored_groups
from core.bank.container import decode
from core.bank.file import CALIBRATED, FORMS, GROUPS, content_of, names_of, optional, take
from core.bank.header import read_header
from core.config import DetectorConfig


@dataclass(frozen=True, eq=False)
class CalibrationRecord:
    """The n scored nominal images by name, with their scores and parts; larger is more anomalous."""

    config: DetectorConfig
    images: tuple[str, ...]
    calibration_scores: Float32[np.ndarray, " n"]
    vectors: int
    calibration_groups: Int32[np.ndarray, " n"]


def record_of(bank: Bank) -> CalibrationRecord:
    """Of a bank in memory, which it does not keep there."""
    return CalibrationRecord(
        bank.config,
        _scored(bank.provenance.images, bank.calibrated),
        bank.calibration_scores.copy(),
        len(bank.vectors),
        bank.calibration_groups.copy(),
    )


def load_record(source: Path | str | bytes) -> CalibrationRecord:
    """Of a bank file, whose digest is proven. Raises BankError and CoreError as ``load_bank`` does."""
    container = decode(source if isinstance(source, bytes) else content_of(Path(source)))
    arrays = dict(container.arrays)
    scores, names, vectors = (
        take(arrays, name, *FORMS[name]) for name in ("calibration.scores", "provenance.images", "vectors")
    )
    calibrated = optional(arrays, CALIBRATED)
    images = names_of(names, len(scores) if calibrated is None else None)
    groups = scored_groups(len(images), optional(arrays, GROUPS), calibrated)
    config = read_header(container.header).config
    return CalibrationRecord(config, _scored(images, calibrated), scores.copy(), len(vectors), groups)


def _scored(images: tuple[str, ...], calibrated: np.ndarray | None) -> tuple[str, ...]:
    return images if calibrated is None else tuple(images[i] for i in calibrated)
