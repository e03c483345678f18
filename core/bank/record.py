"""What of a bank its thresholds rest on, read without building its index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32

from core.bank.bank import Bank, scored_groups
from core.bank.container import decode
from core.bank.file import FORMS, content_of
from core.bank.header import read_header
from core.bank.sections import SECTIONS, take, text_lines
from core.config import DetectorConfig

_OF_SCORES = ("groups", "calibrated")  # sections


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
        take(arrays, name, FORMS[name]) for name in ("calibration.scores", "provenance.images", "vectors")
    )
    header = read_header(container.header)
    held = {s.name: s.read(arrays) for s in SECTIONS if s.name in _OF_SCORES and s.name in header.needs}
    groups, calibrated = (held.get(name) for name in _OF_SCORES)
    images = text_lines(names, len(scores) if calibrated is None else None)
    parts = scored_groups(len(images), groups, calibrated)
    return CalibrationRecord(header.config, _scored(images, calibrated), scores.copy(), len(vectors), parts)


def _scored(images: tuple[str, ...], calibrated: np.ndarray | None) -> tuple[str, ...]:
    return images if calibrated is None else tuple(images[i] for i in calibrated)
