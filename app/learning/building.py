"""One build in a thread of its own: from a job's images to a blob with the bank, watched and stopped from outside."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from app.errors import AppError
from app.imaging.decode import decode_photograph
from app.inspection.backbones import Backbones
from app.learning.learn import Hooks, Named, learn, summary_of
from app.settings import Settings
from app.store.leases import Progress
from app.store.schema import Job, JobImage
from app.store.store import Store
from core.bank import bank_bytes
from core.build import BuildLimits
from core.config import DetectorConfig, InputConfig
from core.errors import Cancelled, CoreError
from core.groups import Groups, by_parts, by_photograph
from core.input.photograph import Photograph
from models.errors import ModelError

NICENESS = 15
BANK_MEDIA_TYPE = "application/vnd.nominal.bank"

Reason = Literal["cancelled", "lost", "stopping"]
Warm = Callable[[Job, str, Callable[[], bool]], None]
"""(job, sha256 of its bank, whether to stop waiting): returns once the bank is warm, or not to be waited for."""

log = logging.getLogger("app.learning.worker")


@dataclass(frozen=True)
class Built:
    """A finished bank, whose bytes are a blob already."""

    sha256: str
    bytes: int
    summary: dict[str, Any]


class BuildTask:
    """``done`` is called from the thread when it ended; then either ``result``, ``error`` or ``stopped_for`` is set.

    ``warm`` has a bank that is to be activated loaded by the server first.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        backbones: Callable[[], Backbones],
        job: Job,
        done: Callable[[], None],
        warm: Warm,
    ) -> None:
        self._settings, self._store, self._backbones, self._job = settings, store, backbones, job
        self._done, self._warm = done, warm
        self._pace = Pace()
        self._thread = threading.Thread(target=self._run, name="build", daemon=True)
        self.ended = threading.Event()
        self.stopped_for: Reason | None = None
        self.result: Built | None = None
        self.error: Exception | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self, reason: Reason) -> None:
        """Have it end within moments; the first reason counts."""
        self.stopped_for = self.stopped_for or reason

    def progress(self) -> Progress:
        """How far it is now."""
        return self._pace.progress()

    def _run(self) -> None:
        give_way()
        try:
            self.result = self._build()
            self.stopped_for = None
        except Cancelled:
            pass
        except Exception as error:
            self.error, self.stopped_for = error, None if self.stopped_for != "lost" else "lost"
            expected = isinstance(error, AppError | CoreError | ModelError)
            log.error("build failed: %s", error, exc_info=None if expected else error)
        finally:
            self.ended.set()
            self._done()

    def _build(self) -> Built:
        started = time.monotonic()
        config = DetectorConfig.from_json(self._job.request["config"])
        directory = self._settings.data_dir / "spool"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        rows = self._store.jobs.images(self._job.id)
        images = self._images(rows, config.input)
        bank = learn(
            images,
            self._backbones().default,
            config,
            Hooks(self._pace.advance, lambda: self.stopped_for is not None),
            BuildLimits(self._settings.build_memory_bytes, directory),
            _groups(self._job, rows),
        ).bank
        self._pace.advance("saving", 0, 1)
        data = bank_bytes(bank)
        staged = self._store.blobs.put([data], limit=len(data), media_type=BANK_MEDIA_TYPE)
        took = {"build_seconds": time.monotonic() - started, "stage_seconds": self._pace.stages()}
        built = Built(staged.sha256, staged.bytes, summary_of(bank) | took)
        if self._job.request.get("activate", True):
            self._have_warm(built)
        return built

    def _have_warm(self, built: Built) -> None:
        """Raises Cancelled; a worker that must leave keeps what it has built."""
        self._pace.advance("warming", 0, 1)
        self._warm(self._job, built.sha256, lambda: self.stopped_for is not None)
        if self.stopped_for == "cancelled":
            raise Cancelled(
                requirement="a build must not be cancelled before its version is activated",
                received="the request to cancel it",
                remedy="Start it again.",
            )

    def _images(self, rows: list[JobImage], config: InputConfig) -> list[Named]:
        """Images under the names a bank keeps, read from their blobs."""
        limits = self._settings.image_limits

        def read(sha256: str) -> Photograph:
            return decode_photograph(self._store.blobs.read(sha256), config, limits)

        return [(f"{row.sha256}/{row.name}", partial(read, row.sha256)) for row in rows]


def _groups(job: Job, rows: list[JobImage]) -> Groups | None:
    """Which of a job's images show one part; None has them found. Raises GroupsError, OneGroup."""
    match job.request.get("groups"):
        case "serial":
            return by_parts([row.serial or "" for row in rows])
        case "none":
            return by_photograph(len(rows))
    return None


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
