"""Which defects a bank misses, why, and what would find them: only from figures of the same run.

A missed defect scores at most the threshold. One that scores no higher than the median of unseen good images looks
like them: no threshold finds it. One above that is found by a threshold that rejects more good images; how many, the
calibrated thresholds of other rates say. Another bank over the same images says what another setting would find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from core.judging.calibration import images_needed, percent
from core.judging.conformal import hierarchical_threshold

RATES = (0.05, 0.10)  # of good images, to try beside the bank's own


@dataclass(frozen=True, eq=False)
class Tried:
    """A bank over unseen images: scores of good (g,) and of defective ones (d,), in the same order for every bank.

    name: what is different about it. calibration: held-out scores of the nominal images (n,), each of another part.
    """

    name: str
    threshold: float
    good: Float[np.ndarray, " g"]
    bad: Float[np.ndarray, " d"]
    calibration: Float[np.ndarray, " n"]

    @property
    def missed(self) -> np.ndarray:
        """Which defective images are accepted."""
        return np.asarray(self.bad <= self.threshold)

    def false_alarms(self, threshold: float | None = None) -> str:
        """``2 of 158 good``."""
        bar = self.threshold if threshold is None else threshold
        return f"{np.count_nonzero(self.good > bar)} of {len(self.good)} good"


def explained(first: Tried, others: Sequence[Tried] = ()) -> list[str]:
    """Sentences: how many are missed, which part of them why, and what finds how many at which cost."""
    missed, total = int(np.count_nonzero(first.missed)), len(first.bad)
    if not missed:
        return [f"Missed: none of {total} defective cells."]
    alike = int(np.count_nonzero(first.bad <= np.median(first.good)))
    said = [
        f"Missed: {missed} of {total} defective cells, which score at most the threshold {first.threshold:.3f}.",
        f"Why: {alike} of them score no higher than the median unseen good cell, so no threshold of this bank finds "
        f"them; {missed - alike} score higher than that, within the spread of good cells.",
    ]
    said += [_at(first, rate) for rate in RATES if len(first.calibration) >= images_needed(rate)]
    return [*said, *(_instead(first, other) for other in others)]


def _at(first: Tried, rate: float) -> str:
    bar = hierarchical_threshold(first.calibration, np.arange(len(first.calibration)), rate)
    found = int(np.count_nonzero(first.missed & (first.bad > bar)))
    return (
        f"A rate of {percent(rate)}, threshold {bar:.3f}: finds {found} of those missed, and rejects "
        f"{first.false_alarms(bar)} cells, where {first.false_alarms()} were."
    )


def _instead(first: Tried, other: Tried) -> str:
    found, lost = int(np.sum(first.missed & ~other.missed)), int(np.sum(~first.missed & other.missed))
    return (
        f"{other.name}: misses {np.count_nonzero(other.missed)}; finds {found} of those missed, loses {lost} that were "
        f"found, and rejects {other.false_alarms()} cells."
    )
