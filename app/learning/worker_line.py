"""What a build worker and its server say to each other, a line at a time.

The worker says JSON: {job, bank, state: "built", sha256} before a bank is activated, {job, bank, state, version} when a
job has ended. The server answers the first with the sha256 once it has the bank warm; an empty line wakes the worker.
So the old version serves until the new one can, and the swap is the one transaction that ends the job.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import IO, Any, Protocol

from app.store.schema import Job

WARM_SECONDS = (
    30.0  # that a finished build waits for the server at most; past it the version is activated cold
)
LOOK_SECONDS = 0.1  # between looks whether anyone still wants it

log = logging.getLogger("app.learning.worker")


class Listener(Protocol):
    """A worker, as far as its server reaches it."""

    def wake(self) -> None: ...
    def stop(self) -> None: ...


class ServerLine:
    """The worker's end: ``incoming`` is its standard input, ``outgoing`` its standard output."""

    def __init__(self, incoming: Iterable[str], outgoing: IO[str]) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._warm: set[str] = set()
        self._answered = threading.Event()

    def listen(self, worker: Listener) -> None:
        """Until the input ends; then the server is gone, and the worker is stopped."""
        for line in self._incoming:
            if sha256 := line.strip():
                self._warm.add(sha256)
                self._answered.set()
            else:
                worker.wake()
        worker.stop()

    def have_warm(self, job: Job, sha256: str, unwanted: Callable[[], bool]) -> None:
        """Returns once the server has the bank loaded, ``unwanted`` holds, or ``WARM_SECONDS`` have passed."""
        self._say(job=job.id, bank=job.bank, state="built", sha256=sha256)
        end = time.monotonic() + WARM_SECONDS
        while sha256 not in self._warm and not unwanted():
            if time.monotonic() >= end:
                log.warning("the server did not load the bank in time; it is activated all the same")
                return
            self._answered.wait(LOOK_SECONDS)
            self._answered.clear()
        self._warm.discard(sha256)

    def tell_end(self, job: Job) -> None:
        """Of a job."""
        self._say(job=job.id, bank=job.bank, state=job.state, version=job.version)

    def _say(self, **event: Any) -> None:
        with contextlib.suppress(OSError):  # the server is gone, as the input says too
            print(json.dumps(event), file=self._outgoing, flush=True)
