"""Child processes of the service tests: started on loopback, awaited, and always stopped by their own id."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

START_SECONDS = 60


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], answers: Callable[[], Any], stop: signal.Signals, **options: Any
) -> Iterator[None]:
    """The command as a child, from when it ``answers`` until the block ends."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    try:
        _await(child, answers)
        yield
    finally:
        child.send_signal(stop)
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _await(child: subprocess.Popen[bytes], answers: Callable[[], Any]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if child.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{child.args!r} did not start (exit code {child.poll()})")
        time.sleep(0.05)
