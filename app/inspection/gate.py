"""How much the server holds in memory for callers: requests and bytes in flight, refused past their bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.errors import Draining, QueueFull


class Pass:
    """One request's share of the memory."""

    def __init__(self, gate: Gate) -> None:
        self._gate, self.bytes = gate, 0

    def grow(self, count: int) -> None:
        """Take ``count`` bytes more. Raises ``QueueFull``."""
        self._gate.take(count)
        self.bytes += count


class Gate:
    """Lives on the event loop. ``retry_after`` tells the seconds after which to try again."""

    def __init__(self, requests: int, bytes_: int, retry_after: Callable[[], float]) -> None:
        self._most_requests, self._most_bytes, self._retry_after = requests, bytes_, retry_after
        self.requests, self.bytes, self.closed = 0, 0, False

    def close(self) -> None:
        """Let nobody in any more."""
        self.closed = True

    @contextmanager
    def enter(self) -> Iterator[Pass]:
        """Holds a place while the block lasts. Raises ``QueueFull`` or ``Draining``."""
        if self.closed:
            raise self._refusal(Draining, "the server must not be shutting down", "a request while it is")
        if self.requests >= self._most_requests:
            raise self._refusal(
                QueueFull, f"at most {self._most_requests} inspections may be under way", "one more"
            )
        self.requests += 1
        mine = Pass(self)
        try:
            yield mine
        finally:
            self.requests -= 1
            self.bytes -= mine.bytes

    def take(self, count: int) -> None:
        """Count bytes held; none are refused while nothing else is held, so every legal image passes."""
        if self.bytes and self.bytes + count > self._most_bytes:
            raise self._refusal(
                QueueFull, f"at most {self._most_bytes} bytes of images may be under way", "more"
            )
        self.bytes += count

    def _refusal(
        self, kind: type[QueueFull | Draining], requirement: str, received: str
    ) -> QueueFull | Draining:
        return kind(
            requirement=requirement,
            received=received,
            remedy="Try again after the seconds that Retry-After says.",
            retry_after=max(1.0, self._retry_after()),
        )
