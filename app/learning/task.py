"""One job's work in a thread of its own, at low priority, watched and stopped from outside."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol

from app.errors import AppError
from app.inspection.backbones import Backbones
from app.settings import Settings
from app.store.leases import Lease, Leases, Progress
from app.store.schema import Job
from app.store.store import Store
from core.build import BuildLimits
from core.errors import Cancelled, CoreError
from models.errors import ModelError

NICENESS = 15

Reason = Literal["cancelled", "lost", "stopping"]
Warm = Callable[[Job, str, Callable[[], bool]], None]
"""(job, sha256 of its bank, whether to stop waiting): returns once the bank is warm, or not to be waited for."""

log = logging.getLogger("app.learning.worker")


@dataclass(frozen=True)
class Means:
    """What work is done with. ``warm`` has a bank that is to be activated loaded by the server first."""

    settings: Settings
    store: Store
    backbones: Callable[[], Backbones]
    warm: Warm

    def limits(self) -> BuildLimits:
        """Of what is learned, with the folder that it may spill into."""
        directory = self.settings.data_dir / "spool"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return BuildLimits(self.settings.build_memory_bytes, directory)


class Outcome(Protocol):
    """What work has made, its bytes blobs already."""

    def commit(self, leases: Leases, lease: Lease, job: Job) -> None:
        """End the job with it, in one transaction. Raises LeaseLost."""
        ...


class Task:
    """``done`` is called from the thread when it ended; then either ``result``, ``error`` or ``stopped_for`` is set.

    work: is given this task, to report to and to be stopped by.
    """

    def __init__(self, kind: str, work: Callable[[Task], Outcome], done: Callable[[], None]) -> None:
        self._kind, self._work, self._done = kind, work, done
        self._pace = Pace()
        self._thread = threading.Thread(target=self._run, name=kind, daemon=True)
        self.ended = threading.Event()
        self.stopped_for: Reason | None = None
        self.result: Outcome | None = None
        self.error: Exception | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self, reason: Reason) -> None:
        """Have it end within moments; the first reason counts."""
        self.stopped_for = self.stopped_for or reason

    def stopping(self) -> bool:
        """Whether the work is to end now."""
        return self.stopped_for is not None

    def advance(self, stage: str, done: int, total: int) -> None:
        """What the work reports."""
        self._pace.advance(stage, done, total)

    def progress(self) -> Progress:
        """How far it is now."""
        return self._pace.progress()

    def stages(self) -> dict[str, float]:
        """The seconds each stage took so far."""
        return self._pace.stages()

    def _run(self) -> None:
        give_way()
        try:
            self.result = self._work(self)
            self.stopped_for = None
        except Cancelled:
            pass
        except Exception as error:
            self.error, self.stopped_for = error, None if self.stopped_for != "lost" else "lost"
            expected = isinstance(error, AppError | CoreError | ModelError)
            log.error("%s failed: %s", self._kind, error, exc_info=None if expected else error)
        finally:
            self.ended.set()
            self._done()


class Pace:
    """Progress as the builder reports it, and the seconds its stage still takes at the speed so far."""

    def __init__(self) -> None:
        self._now = Progress("starting")
        self._since = time.monotonic()
        self._stages: dict[str, float] = {}

    def advance(self, stage: str, done: int, total: int) -> None:
        """Called by the builder."""
        if stage != self._now.stage:
            self._end_stage()
        elapsed = time.monotonic() - self._since
        left = elapsed / done * (total - done) if done else None
        self._now = Progress(stage, done, total, left)

    def progress(self) -> Progress:
        """The latest report."""
        return self._now

    def stages(self) -> dict[str, float]:
        """The seconds each stage took, the one that ends now among them."""
        self._end_stage()
        return {stage: round(seconds, 3) for stage, seconds in self._stages.items() if stage != "starting"}

    def _end_stage(self) -> None:
        now = time.monotonic()
        self._stages[self._now.stage] = self._stages.get(self._now.stage, 0.0) + now - self._since
        self._since = now


def give_way() -> None:
    """Lower the priority of the calling thread, and of those it starts: torch's among them."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
