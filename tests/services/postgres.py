"""PostgreSQL from Debian's packages, on loopback, with its data in a temporary folder, never as root."""

from __future__ import annotations

import glob
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from debian import install
from processes import free_port, running


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty cluster whose superuser is ``nominal``; gone when the block ends."""
    programs, user = find_programs(), unprivileged()
    with tempfile.TemporaryDirectory(prefix="nominal-postgres-") as folder:
        data, port = Path(folder) / "data", free_port()
        if "user" in user:
            shutil.chown(folder, user["user"], user["group"])
        init = ["-D", str(data), "-U", "nominal", "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8"]
        subprocess.run(
            [programs / "initdb", *init], check=True, stdout=subprocess.DEVNULL, cwd=folder, **user
        )
        url = f"postgresql://nominal@127.0.0.1:{port}/postgres"
        listen = [
            "-D",
            str(data),
            "-p",
            str(port),
            "-h",
            "127.0.0.1",
            "-k",
            "",
            "-c",
            "log_min_messages=panic",
        ]
        listen += ["-c", "max_connections=200", "-c", "log_min_error_statement=panic"]
        listen += ["-c", "fsync=off"]  # it is never killed
        command = [str(programs / "postgres"), *listen]
        with running(
            command, lambda: _answers(url), signal.SIGINT, cwd=folder, **user
        ):  # SIGINT: fast shutdown
            yield url


def find_programs() -> Path:
    """The folder of ``initdb``; installs Debian's package where it is absent and this is root."""
    if not _newest() and os.geteuid() == 0:
        install("postgresql")
    found = _newest()
    if found is None:
        raise SystemExit("PostgreSQL is needed: apt-get install postgresql")
    return found


def unprivileged() -> dict[str, Any]:
    """Options of a subprocess that make it another user's than root, whom PostgreSQL refuses."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def _newest() -> Path | None:
    """Debian keeps the programs out of PATH, one folder a major version."""
    folders = [Path(path).parent for path in glob.glob("/usr/lib/postgresql/*/bin/initdb")]
    on_path = shutil.which("initdb")
    if folders:
        return max(folders, key=lambda folder: float(folder.parent.name))
    return Path(on_path).resolve().parent if on_path else None


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
