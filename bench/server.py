"""A Nominal server as a process of its own on a free loopback port, for demos, benches and the API guide."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.errors import AppError

LISTENING = re.compile(r"Listening on (http://\S+)")
START_SECONDS, STOP_SECONDS = 120.0, 60.0
KEPT = ("NOMINAL_CACHE",)  # of the caller's own variables


class ServerFailed(AppError):
    """The server did not start, or did not stop as it should."""


@dataclass(frozen=True)
class Server:
    """A server that runs; ``log`` is what it says."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> None:
        """End it by SIGTERM. Raises ServerFailed unless it leaves in time, with status 0."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise _failed(
                f"to leave within {STOP_SECONDS:g} s of SIGTERM", "one that stayed", self.log
            ) from None
        if status != 0:
            raise _failed("to leave with status 0", f"status {status}", self.log)


@contextmanager
def serve(data_dir: Path, **settings: str) -> Iterator[Server]:
    """A server over ``data_dir`` with these settings, listening; killed at the end of the block if it still runs."""
    given = {f"NOMINAL_{name.upper()}": value for name, value in settings.items()}
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("NOMINAL_") or k in KEPT}
    log = data_dir / "server.log"
    data_dir.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve", "--port", "0"],
            env={**inherited, **given, "NOMINAL_DATA_DIR": str(data_dir)},
            stdout=file,
            stderr=file,
        )
    try:
        yield Server(_url(process, log), process, log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if found := LISTENING.search(log.read_text(errors="replace")):
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise _failed(f"to listen within {START_SECONDS:g} s", f"status {process.poll()}", log)


def _failed(what: str, received: str, log: Path) -> ServerFailed:
    said = log.read_text(errors="replace")[-2000:]
    return ServerFailed(requirement=f"the server has {what}", received=received, remedy=f"It said:\n{said}")
