"""The image's entrypoint run without a container engine, as nearly as this machine allows as in a container.

As root on Linux: an unprivileged user, no new privileges, and a mount namespace where only the data folder and the
folder for temporary files can be written. Else: as this user, with the same environment.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dockerfile_parts import ROOT

USER = "10001"
ENTRYPOINT = ROOT / "docker/entrypoint.sh"
START_SECONDS = 240  # on a machine that does much else
AS_USER = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
# the interpreter may lie where only root may look
SEEING_ALL = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
READ_ONLY = """
for folder in "$DATA" "$TMPDIR"; do mount --bind "$folder" "$folder"; done
mount -o remount,bind,ro /
exec "$@"
"""


@dataclass(frozen=True)
class Container:
    """A folder that stands for the container's two writable places, and how a command is run there."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def environment(self, **settings: str) -> dict[str, str]:
        """Like the image's: no HOME of a user, no variable of this machine."""
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "XDG_CACHE_HOME": str(self.folder / "cache"),  # not there: the embedded backbone serves
            "TMPDIR": str(self.folder / "tmp"),
            "DATA": str(self.data),
            "OMP_NUM_THREADS": "1",
            "CGROUP": "/nowhere",
            "NOMINAL_DATA_DIR": str(self.data),
            "NOMINAL_ALLOW_FETCH": "false",
            **settings,
        }

    def command(self, *words: str) -> list[str]:
        return [*confinement(), "sh", str(ENTRYPOINT), *words]


def container(folder: Path) -> Container:
    """One with empty writable places that the unprivileged user owns."""
    for name in ("data", "tmp"):
        (folder / name).mkdir()
        if os.geteuid() == 0:
            os.chown(folder / name, int(USER), int(USER))
    return Container(folder)


@cache
def confinement() -> tuple[str, ...]:
    """The words before a command that confine it, as far as this machine can."""
    user = (*AS_USER, *SEEING_ALL)
    ways = (("unshare", "--mount", "sh", "-ec", READ_ONLY, "sh", *user), user) if os.geteuid() == 0 else ()
    return next((way for way in ways if _works(way)), ())


def _works(way: tuple[str, ...]) -> bool:
    environment = {"PATH": os.environ["PATH"], "DATA": "/tmp", "TMPDIR": "/tmp"}
    try:
        done = subprocess.run(
            [*way, sys.executable, "-c", ""], env=environment, capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0


class Server:
    """`nominal serve` as a child: its standard error is read to the line that says ready."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child, self.lines = child, list[str]()
        watchdog = threading.Timer(START_SECONDS, child.kill)
        watchdog.start()
        try:
            self.port = self._read_to_ready()
        finally:
            watchdog.cancel()
        self._rest = threading.Thread(target=self.lines.extend, args=(child.stderr,))
        self._rest.start()

    def wait(self, seconds: float) -> int:
        """Its exit status, once all it said has been read."""
        status = self.child.wait(seconds)
        self._rest.join(seconds)  # its worker, which shares the pipe, leaves when it is gone
        return status

    def _read_to_ready(self) -> int:
        port = None
        for line in self.child.stderr or ():
            self.lines.append(line)
            if match := re.search(r"Listening on http://127\.0\.0\.1:(\d+)", line):
                port = int(match[1])
            if port and line.startswith("{") and json.loads(line)["message"] == "ready":
                return port
        raise AssertionError(f"the server ended with {self.child.wait()}:\n{''.join(self.lines)}")


@contextmanager
def serving(place: Container, **settings: str) -> Iterator[Server]:
    """A ready server; killed if it still lives when the block ends."""
    child = subprocess.Popen(
        place.command("serve"), env=place.environment(**settings), cwd="/", text=True, stderr=subprocess.PIPE
    )
    with child:
        try:
            server = Server(child)
            yield server
        finally:
            child.kill()
        server.wait(START_SECONDS)
