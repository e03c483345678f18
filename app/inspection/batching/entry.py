"""What goes through the batcher: an item that waits, its answer, and who hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from app.errors import Overloaded

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Served(Generic[R]):
    """An item's answer. Seconds: queue from submission to its batch's start; compute of the whole batch."""

    result: R
    queue_seconds: float
    compute_seconds: float
    batch: int


@dataclass(frozen=True)
class Load:
    """Items queued and running; seconds an item (None before the first batch) and until all are answered."""

    queued: int
    running: int
    seconds_per_item: float | None
    seconds: float


class BatchObserver(Protocol[K_contra]):
    """Hears of batches and refusals, on the event loop."""

    def batch_computed(
        self, key: K_contra, queue_seconds: Sequence[float], compute_seconds: float
    ) -> None: ...
    def batch_refused(self, key: K_contra, error: Overloaded) -> None: ...


@dataclass(eq=False)
class Entry(Generic[K, T, R]):
    """An item that waits for its answer. size: bytes; arrived, deadline: seconds by the batcher's clock."""

    key: K
    item: T
    size: int
    arrived: float
    deadline: float | None
    answer: asyncio.Future[Served[R]]

    def fail(self, error: Exception) -> None:
        """Answers by ``error``, unless there is an answer or nobody waits for one."""
        if not self.answer.done():
            self.answer.set_exception(error)
