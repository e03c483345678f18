"""Which accepted image joins the sample that ``app.store.samples`` keeps: by the same two orders, as it is inspected.

An image joins if it is among the nearest to the threshold, or among the lowest lots, of all that this server has seen
of its version in a day. Of n parts about k (1 + log(n / k)) join a sample of k; sweeps let the surplus go. Between two
sweeps a bank takes in no more bytes than it may keep.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable

from cachetools import LRUCache

from app.store.samples import SampleRules, lot, nearness
from app.store.schema import Inspection

VERSIONS = 4096  # remembered; one that is forgotten begins anew
DAY_SECONDS = 86_400.0  # after which all begin anew: what was seen before may be gone from the ledger


class _Best:
    """The ``count`` highest values seen."""

    def __init__(self, count: int) -> None:
        self._count, self._heap = count, list[float]()

    def takes(self, value: float) -> bool:
        """Whether ``value`` is among them, which it then is."""
        if len(self._heap) < self._count:
            heapq.heappush(self._heap, value)
            return True
        return bool(self._heap) and heapq.heappushpop(self._heap, value) < value


class Sample:
    """For one thread, the event loop's."""

    def __init__(self, rules: SampleRules, clock: Callable[[], float] = time.monotonic) -> None:
        self._rules, self._clock, self._since = rules, clock, clock()
        self._seen: LRUCache[tuple[str, int], tuple[_Best, _Best]] = LRUCache(VERSIONS)
        self._bytes: Counter[str] = Counter()

    def takes(self, row: Inspection, size: int) -> bool:
        """Whether an accepted inspection's image of ``size`` bytes joins."""
        if self._bytes[row.bank] + size > self._rules.bytes:
            return False
        key = row.bank, row.version
        if (best := self._seen.get(key)) is None:
            best = self._seen[key] = _Best(self._rules.near), _Best(self._rules.random)
        near = best[0].takes(nearness(row.score, row.review_threshold))
        if not (near or best[1].takes(-lot(row.id))):
            return False
        self._bytes[row.bank] += size
        return True

    def swept(self) -> None:
        """The surplus is gone: there is room again."""
        self._bytes.clear()
        if self._clock() - self._since >= DAY_SECONDS:
            self._since = self._clock()
            self._seen.clear()
