"""Images inspected in the console that the policy does not keep: the latest of them, so that they can be looked at."""

from __future__ import annotations

import threading
from collections import OrderedDict

BYTES = 128 << 20


class RecentImages:
    """By inspection, in bounded memory, lost with the process. Safe from any thread."""

    def __init__(self, most_bytes: int = BYTES) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._images: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, inspection: str, image: bytes) -> None:
        """Hold one; the oldest leave when there is no room."""
        with self._lock:
            self._images[inspection] = image
            self._bytes += len(image)
            while self._bytes > self._most_bytes:
                _, dropped = self._images.popitem(last=False)
                self._bytes -= len(dropped)

    def get(self, inspection: str) -> bytes | None:
        """None for one that was never held, or is no more."""
        with self._lock:
            return self._images.get(inspection)
