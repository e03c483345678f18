"""What of a bank its thresholds rest on, read without building its index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from core.bank.bank import Bank
from core.bank.container import decode
from core.bank.file import FORMS, content_of
from core.bank.header import read_header
from core.bank.sections import take, text_lines
from core.config import DetectorConfig


@dataclass(frozen=True, eq=False)
class CalibrationRecord:
    """The n nominal images by name, with their leave-one-out scores; larger is more anomalous."""

    config: DetectorConfig
    images: tuple[str, ...]
    calibration_scores: Float32[np.ndarray, " n"]
    vectors: int


def record_of(bank: Bank) -> CalibrationRecord:
    """Of a bank in memory, which it does not keep there."""
    return CalibrationRecord(
        bank.config, bank.provenance.images, bank.calibration_scores.copy(), len(bank.vectors)
    )


def load_record(source: Path | str | bytes) -> CalibrationRecord:
    """Of a bank file, whose digest is proven. Raises BankError and CoreError as ``load_bank`` does."""
    container = decode(source if isinstance(source, bytes) else content_of(Path(source)))
    arrays = dict(container.arrays)
    scores, names, vectors = (
        take(arrays, name, FORMS[name]) for name in ("calibration.scores", "provenance.images", "vectors")
    )
    images = text_lines(names, len(scores))
    return CalibrationRecord(read_header(container.header).config, images, scores.copy(), len(vectors))
