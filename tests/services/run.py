"""Run pytest with PostgreSQL and S3 beside it: ``python tests/services/run.py [pytest's arguments]``.

``--run MODULE [arguments]`` runs another module instead, a bench of the service for one.

Debian's nginx and mosquitto are installed where they are absent; tests start them themselves. Both services listen on
loopback, start empty and are stopped at the end. Tests find them by NOMINAL_TEST_DATABASE_URL, NOMINAL_TEST_BLOB_URL
and NOMINAL_TEST_BLOB_ENDPOINT, and skip without.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from debian import find, install
from postgres import postgres
from s3 import s3


def main(arguments: list[str]) -> int:
    """pytest's exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the services are stopped then too
    missing = [name for name in ("nginx", "mosquitto") if find(name) is None]
    if missing and os.geteuid() == 0:
        install(*missing)
    with postgres() as database, s3() as bucket:
        environment = os.environ | bucket | {"NOMINAL_TEST_DATABASE_URL": database}
        module = (
            arguments[1:] if arguments[:1] == ["--run"] else ["pytest", *(arguments or ["tests/app/store"])]
        )
        command = [sys.executable, "-m", *module]
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
