"""What learning takes; and the supervisor, which keeps a build worker alive: starts it, hears it, starts it again.

The worker's standard input carries its order and then wakes it; its end is how the worker learns that the server is
gone, however it went. A worker that died has its job requeued at once, since a dead child needs no lease to run out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from app.inspection.inspecting import Inspecting
from app.ops.process import Life, Pools
from app.settings import Settings
from app.store.errors import StoreError
from app.store.jobs import Has
from app.store.leases import Leases
from app.store.sinks import own_name
from app.store.store import Store

WORKER = (sys.executable, "-m", "app.learning.worker")
YIELDING = {"OMP_WAIT_POLICY": "PASSIVE"}  # idle compute threads leave the cores to the server
SLOWEST_RESTART = 30.0  # seconds between the starts of a worker that keeps dying
STEADY = 60.0  # seconds after which a worker counts as having started well

Hear = Callable[[dict[str, Any]], None]
log = logging.getLogger("app.supervisor")


class Supervisor:
    """``hear`` gets what the worker says (app/learning/worker_line.py), on the supervisor's thread.

    ``command`` starts a worker; ``pause`` is seconds before another is started in its place, doubled each time.
    ``has``: the weights and precision of the backbone that the settings name.
    """

    def __init__(
        self,
        settings: Settings,
        leases: Leases,
        hear: Hear = lambda event: None,
        command: Sequence[str] = WORKER,
        pause: float = 0.5,
        has: Has | None = None,
    ) -> None:
        self._settings, self._leases, self._hear = settings, leases, hear
        self._command, self._pause, self._has = [*command], pause, has
        self._process: subprocess.Popen[str] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """The worker's process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Have the worker look for work, or for its cancellation, now."""
        self.tell("")

    def tell(self, word: str) -> None:
        """Say one line to the worker, if there is one."""
        process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):  # it is gone or going
                process.stdin.write(word + "\n")
                process.stdin.flush()

    def begin_stop(self) -> None:
        """Have the worker requeue its job and leave; start no other. Returns at once."""
        self._stopping.set()
        process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                process.stdin.close()

    def stop(self, seconds: float) -> None:
        """``begin_stop``, and wait for it; kill the worker after ``seconds``."""
        self.begin_stop()
        self._thread.join(seconds)
        process = self._process
        if self._thread.is_alive() and process is not None:
            log.error("the worker did not leave in time and is killed")
            process.kill()
            self._thread.join()

    def _run(self) -> None:
        pause = self._pause
        while not self._stopping.is_set():
            owner = f"{socket.gethostname()[:100]}/{os.getpid()}/{secrets.token_hex(4)}"
            started = time.monotonic()
            try:
                code = self._live(owner)
            except OSError as error:
                code = error.errno or -1
            self._release(owner, f"its worker ended with status {code}")
            if self._stopping.is_set():
                return
            self.restarts += 1
            log.error("the worker ended with status %s; starting another in %g s", code, pause)
            self._stopping.wait(pause)
            pause = self._pause if time.monotonic() - started > STEADY else min(SLOWEST_RESTART, 2 * pause)

    def _live(self, owner: str) -> int:
        """One worker from its start to its end; its exit status."""
        environment = {**os.environ, **YIELDING}
        pipe = subprocess.PIPE
        with subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
            self._process = process
            assert process.stdin is not None
            assert process.stdout is not None
            order = {"settings": plain(self._settings), "owner": owner, "has": self._has}
            with contextlib.suppress(OSError):
                process.stdin.write(json.dumps(order) + "\n")
                process.stdin.flush()
            if self._stopping.is_set():  # since before there was anyone to tell
                self.begin_stop()
            for line in process.stdout:
                with contextlib.suppress(ValueError):
                    self._hear(json.loads(line))
            return process.wait()

    def _release(self, owner: str, reason: str) -> None:
        try:
            for job in self._leases.release(owner, reason):
                log.warning("job released", extra={"job": job.id, "state": job.state})
        except StoreError as error:  # the lease runs out by itself
            log.error("a dead worker's job could not be released: %s", error)


def plain(settings: Settings) -> dict[str, Any]:
    """The settings as JSON, secrets in the clear: only for a pipe to our own child, which looks at no camera."""
    values = settings.model_dump(mode="json", exclude={"cameras"})
    for name in values:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            values[name] = value.get_secret_value()
    return values


@dataclass(eq=False)
class Learning:
    """supervisor: of this server's worker; None where builds wait for one started elsewhere.

    inspecting: where a version is proven before it is activated. server: this one's name among those of the store.
    warming, warm_again: held while what others ask for is loaded, and that they asked for more meanwhile.
    """

    settings: Settings
    store: Store
    inspecting: Inspecting
    pools: Pools
    life: Life
    supervisor: Supervisor | None = None
    server: str = field(default_factory=lambda: f"{own_name()}:{secrets.token_hex(3)}")
    warming: asyncio.Lock = field(default_factory=asyncio.Lock)
    warm_again: asyncio.Event = field(default_factory=asyncio.Event)
