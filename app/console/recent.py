"""Images inspected in the console that the policy does not keep: the latest of them, so that they can be looked at."""

from __future__ import annotations

import contextlib
import threading

from cachetools import FIFOCache

BYTES = 128 << 20


class RecentImages:
    """By inspection, in bounded memory, lost with the process. Safe from any thread."""

    def __init__(self, most_bytes: int = BYTES) -> None:
        self._images: FIFOCache[str, bytes] = FIFOCache(most_bytes, getsizeof=len)
        self._lock = threading.Lock()

    def add(self, inspection: str, image: bytes) -> None:
        """Hold one; the oldest leave when there is no room, and one that is larger than all of it is not held."""
        with self._lock, contextlib.suppress(ValueError):
            self._images[inspection] = image

    def get(self, inspection: str) -> bytes | None:
        """None for one that was never held, or is no more."""
        with self._lock:
            return self._images.get(inspection)
