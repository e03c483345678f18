"""The worker: a process beside the server that takes one job after another from the store: builds, screenings, checks,
advice and patterns.

Two threads. The main one claims, sends heartbeats and commits, at normal priority, so that it never holds the
database while it is starved. The builder computes, at low priority, so that inspections stay fast.

The server starts it (app/learning/supervisor.py) with one line of JSON on standard input: settings and owner. What the
two say after that is in app/learning/worker_line.py; the end of the input says that the server is gone, and it leaves
too, its job queued again.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from app.inspection.backbones import Backbones
from app.learning.advices import advise
from app.learning.building import build
from app.learning.checking import check, follow
from app.learning.patterns import mine
from app.learning.reporting import report
from app.learning.task import Means, Outcome, Task, Warm
from app.learning.worker_line import ServerLine
from app.ops import logs
from app.ops.process import leave, own_cores
from app.problems.problem import problem_of
from app.settings import Settings
from app.store.errors import DatabaseBusy, DatabaseUnavailable, LeaseLost, StorageFull, StoreError
from app.store.jobs import Has
from app.store.leases import Lease
from app.store.schema import Job
from app.store.store import Store, open_store

IDLE_SECONDS = 1.0  # between looks for work that nobody announced
TRIES = 30  # seconds that a result waits for a busy database or a full disk

WORK: dict[str, Callable[[Means, Job, Task], Outcome]] = {
    "build": build,
    "screening": report,
    "check": check,
    "advice": advise,
    "patterns": mine,
}
"""What each kind of job is done by."""

V = TypeVar("V")
log = logging.getLogger("app.learning.worker")


class Worker:
    """Works until ``stop``. ``finished`` hears of every job's end; ``backbones`` is asked for when first needed.

    ``warm`` returns once a server has a bank loaded that is about to be activated.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        owner: str,
        backbones: Callable[[], Backbones],
        finished: Callable[[Job], None] = lambda job: None,
        warm: Warm = lambda job, sha256, unwanted: None,
        has: Has | None = None,
    ) -> None:
        """has: the weights and precision of its backbone, where they are known before that is loaded."""
        self._settings, self._store, self._owner = settings, store, owner
        self._open_backbones = backbones
        self._backbones: Backbones | None = None
        self._finished, self._warm, self._has = finished, warm, has
        self._woken, self._stopping = threading.Event(), threading.Event()

    def run(self) -> None:
        """Until ``stop``: claim, build, commit."""
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                worked = self.work_once()
            except StoreError as error:
                log.error("looking for work failed: %s", error)
                worked = False
            if not worked:
                self._woken.wait(IDLE_SECONDS)

    def work_once(self) -> bool:
        """Take one job to its end; False if none is queued."""
        if self._has is None:
            if not self._store.jobs.page(state="queued", limit=1).items:
                return False  # before the backbone, which takes seconds to load
            own = self._backbone_pool().default
            self._has = own.digest, own.precision
        claimed = self._store.leases.claim(self._owner, self._has) if self._any_queued(self._has) else None
        if claimed is None:
            return False
        job, lease = claimed
        log.info("%s began", job.kind, extra={"job": job.id, "bank": job.bank, "attempt": job.attempts})
        means = Means(self._settings, self._store, self._backbone_pool, self._warm)
        task = Task(job.kind, partial(WORK[job.kind], means, job), self._woken.set)
        task.start()
        self._accompany(task, lease)
        self._conclude(task, job, lease)
        return True

    def wake(self) -> None:
        """There is a new job, or one to cancel."""
        self._woken.set()

    def stop(self) -> None:
        """Leave soon; a running job is queued again."""
        self._stopping.set()
        self._woken.set()

    def _any_queued(self, has: Has) -> bool:
        """A look that takes no write lock, which ``claim`` does."""
        return self._store.jobs.any_for(has)

    def _backbone_pool(self) -> Backbones:
        if self._backbones is None:
            self._backbones = self._open_backbones()
        return self._backbones

    def _accompany(self, task: Task, lease: Lease) -> None:
        """Heartbeats until the task ends."""
        while not task.ended.is_set():
            self._woken.wait(self._settings.heartbeat_seconds)
            self._woken.clear()
            if self._stopping.is_set():
                task.stop("stopping")
            try:
                if self._store.leases.beat(lease, task.progress()):
                    task.stop("cancelled")
            except LeaseLost:
                task.stop("lost")
            except StoreError as error:
                log.warning("a heartbeat failed: %s", error)

    def _conclude(self, task: Task, job: Job, lease: Lease) -> None:
        try:
            insist(lambda: self._commit(task, job, lease))
        except LeaseLost:
            log.warning("result dropped: the job was taken from this worker", extra={"job": job.id})
            return
        ended = self._store.jobs.get(job.id)
        log.info("%s ended", job.kind, extra={"job": job.id, "bank": job.bank, "state": ended.state})
        self._finished(ended)
        if ended.state == "succeeded":
            with suppress(StoreError):  # the next build asks again
                follow(self._store, ended.bank, ended.actor)

    def _commit(self, task: Task, job: Job, lease: Lease) -> None:
        leases = self._store.leases
        if task.result is not None:
            task.result.commit(leases, lease, job)
        elif task.stopped_for == "stopping":
            leases.give_back(lease)
        elif task.stopped_for == "cancelled":
            leases.cancelled(lease)
        elif task.stopped_for is None:
            assert task.error is not None
            leases.fail(lease, problem_of(task.error).document())


def insist(commit: Callable[[], V]) -> V:
    """What ``commit`` returns, tried again while the database is busy, away or out of space."""
    for _ in range(TRIES):
        try:
            return commit()
        except (DatabaseBusy, DatabaseUnavailable, StorageFull) as error:
            log.warning("a job's end could not be written yet: %s", error)
            time.sleep(1)
    return commit()


def main() -> None:
    """What the server starts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the server too, which then tells
    order = json.loads(sys.stdin.readline())
    settings = Settings(**order["settings"])
    logs.configure(settings.log_level, as_json=settings.log_json)
    settings = settings.model_copy(update={"threads": own_cores(settings.threads)})
    line = ServerLine(sys.stdin, sys.stdout)
    with open_store(settings) as store:
        has = tuple(order["has"]) if order.get("has") else None
        worker = Worker(
            settings, store, order["owner"], lambda: Backbones(settings), line.tell_end, line.have_warm, has
        )
        signal.signal(signal.SIGTERM, lambda number, frame: worker.stop())
        threading.Thread(target=line.listen, args=(worker,), name="server", daemon=True).start()
        worker.run()
    leave()


if __name__ == "__main__":
    main()
