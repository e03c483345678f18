"""Which thresholds judge an inspection: the request's, else the bank's, else those its target rates give.

Each of the two may be set without the other. Where review and reject were equal, there was no review band, and
setting the reject threshold sets both.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields
from operator import attrgetter

from cachetools import LRUCache, cachedmethod

from app.inspection.registry import Key, Registry
from app.store.banks import BY_SCORE
from app.store.errors import BlobCorrupt, BlobMissing
from app.store.schema import Bank as Row
from app.store.schema import Version
from app.store.store import Store
from core.bank import Bank, CalibrationRecord, load_record, record_of
from core.errors import BankError, ConfigError, CoreError
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


def wish_with(bank: Row, version: Version) -> Wish:
    """What a bank wishes, or would once this version is its active one: each keeps its own thresholds by score."""
    named = {field.name: getattr(bank, field.name) for field in fields(Wish)}
    if bank.active_version not in (None, version.number):
        named |= {name: getattr(version, name) for name in BY_SCORE}
    return Wish(**named)


def unsupported(wish: Judged, bank: Calibrated) -> str | None:
    """Why no inspection could be decided by these two, or None."""
    try:
        effective(wish, bank)
    except CoreError as error:
        return str(error)
    return None


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
    """Of the versions in ``registry`` from memory, of others from their files. Safe to share between threads.

    ``_unsupported`` holds of each bank what ``standing`` found: at which revision, of which file, and what.
    """

    def __init__(self, registry: Registry, store: Store) -> None:
        self._registry, self._store = registry, store
        self._known: LRUCache[str, CalibrationRecord] = LRUCache(KEPT)
        self._unsupported: dict[str, tuple[tuple[int, str], str | None]] = {}
        self._lock = threading.Lock()

    @cachedmethod(attrgetter("_known"), key=lambda self, version: version.sha256, lock=attrgetter("_lock"))
    def of(self, version: Version) -> CalibrationRecord:
        """Raises BlobMissing, BlobCorrupt, BankError."""
        loaded = self._registry.peek(Key.of(version))
        if loaded is not None:
            return record_of(loaded.engine.bank)
        with self._store.blobs.as_file(version.sha256) as path:
            return load_record(path)

    def standing(self, bank: Row, version: Version | None) -> tuple[str, str | None]:
        """(state, reason) of a bank by its active version: the registry's, or ``undecidable`` where no inspection could
        be decided by the bank's rates and thresholds."""
        state = self._registry.state_of(bank, version)
        if version is None or state == "quarantined":
            return state, self._registry.fitness.reason(version) if version else None
        reason = self._reason(bank, version)
        return (state, None) if reason is None else ("undecidable", reason)

    def _reason(self, bank: Row, version: Version) -> str | None:
        """Reads a file at most once for each revision of a bank, and none for a bank that wishes nothing."""
        if all(getattr(bank, field.name) is None for field in fields(Wish)):
            return None  # a version supports its own rates
        at = bank.revision, version.sha256
        known = self._unsupported.get(bank.id)
        if known is None or known[0] != at:
            known = self._unsupported[bank.id] = at, self._look(bank, version)
        return known[1]

    def _look(self, bank: Row, version: Version) -> str | None:
        try:
            return unsupported(bank, self.of(version))
        except (BlobMissing, BlobCorrupt, BankError):
            return None  # its loading says so
