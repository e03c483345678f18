"""Which thresholds judge an inspection: the request's, else the bank's, else those its target rates give.

Each of the two may be set without the other. Where review and reject were equal, there was no review band, and
setting the reject threshold sets both.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from operator import attrgetter

from cachetools import LRUCache, cachedmethod

from app.inspection.registry import Registry
from app.store.schema import Bank as Row
from app.store.schema import Version
from app.store.store import Store
from core.bank import Bank, CalibrationRecord, load_record, record_of
from core.errors import ConfigError
from core.judging.conformal import hierarchical_threshold
from core.judging.scoring import Thresholds


@dataclass(frozen=True)
class Wish:
    """What a bank's row says of its thresholds, as it would be after a change; None leaves it to the version."""

    target_false_reject: float | None = None
    target_review: float | None = None
    review_threshold: float | None = None
    reject_threshold: float | None = None

    def __post_init__(self) -> None:
        """Raises ConfigError for what no version could follow."""
        low, high = self.review_threshold, self.reject_threshold
        if low is not None and high is not None and low > high:
            raise _disagree(
                "the review threshold must not lie above the reject threshold", f"{low:g} and {high:g}"
            )
        rare, often = self.target_false_reject, self.target_review
        if rare is not None and often is not None and often < rare:
            raise _disagree("target_review must be at least target_false_reject", f"{often:g} and {rare:g}")


Calibrated = Bank | CalibrationRecord
"""What thresholds are taken from."""
Judged = Row | Wish
"""What says which thresholds are wanted."""


def effective(wish: Judged, bank: Calibrated) -> Thresholds:
    """The thresholds of a bank's row for one of its versions.

    Raises TooFewNominalImages where the version's images do not support a rate, ConfigError where review would lie
    above reject.
    """
    reject_rate, review_rate = rates(wish, bank.config.target_false_reject, bank.config.target_review)
    of = (bank.calibration_scores, bank.calibration_groups)
    reject = hierarchical_threshold(*of, reject_rate)
    review = reject if review_rate is None else hierarchical_threshold(*of, review_rate)
    return overridden(Thresholds(review, reject), wish.review_threshold, wish.reject_threshold)


def rates(wish: Judged, reject: float, review: float | None) -> tuple[float, float | None]:
    """(false-reject rate, review rate or None) of a row over a config's; a review rate below the other is none."""
    reject = wish.target_false_reject or reject
    review = wish.target_review or review
    return reject, review if review is not None and review >= reject else None


def overridden(base: Thresholds, review: float | None, reject: float | None) -> Thresholds:
    """``base`` with one or both replaced. Raises ConfigError where review would lie above reject."""
    if reject is None:
        return Thresholds(base.review if review is None else review, base.reject)
    if review is None:
        review = reject if base.review == base.reject else min(base.review, reject)
    return Thresholds(review, reject)


def _disagree(requirement: str, received: str) -> ConfigError:
    return ConfigError(requirement=requirement, received=received, remedy="change one of them")


KEPT = 64


class Calibrations:
    """Of the versions in ``registry`` from memory, of others from their files. Safe to share between threads."""

    def __init__(self, registry: Registry, store: Store) -> None:
        self._registry, self._store = registry, store
        self._known: LRUCache[str, CalibrationRecord] = LRUCache(KEPT)
        self._lock = threading.Lock()

    @cachedmethod(attrgetter("_known"), key=lambda self, version: version.sha256, lock=attrgetter("_lock"))
    def of(self, version: Version) -> CalibrationRecord:
        """Raises BlobMissing, BlobCorrupt, BankError."""
        loaded = self._registry.peek((version.bank, version.number))
        if loaded is not None:
            return record_of(loaded.engine.bank)
        with self._store.blobs.as_file(version.sha256) as path:
            return load_record(path)
