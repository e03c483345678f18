"""How long until ``nominal serve`` is ready? From the start of the process to the first 200 of ``/readyz``.

The first start has an empty cache and an empty store; it measures which runtime is fastest and compiles the network.
The second has both. They take turns, ``--rounds`` times; of each the median is printed, with the least and the most,
and how long the imports take by themselves, in a process that does nothing else. It keeps the table of
docs/performance.md; ``--toy`` runs one round and leaves it alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from bench.server import serve
from bench.tables import PERFORMANCE, machine, replace_section, table

IMPORTED = """
from app.cli import command, imports_only
command("serve")
with imports_only():
    import app.console.mount
"""
POLL_SECONDS = 0.02
READY_SECONDS = 120.0
HEAD = ("start", "median s", "least", "most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of a first and a second start")
    parser.add_argument("--backbone", default="efficientnet-lite2", help="of the table of backbones")
    parser.add_argument("--toy", action="store_true", help="one round; the page stays as it is")
    arguments = parser.parse_args()
    rounds = 1 if arguments.toy else arguments.rounds
    found: dict[str, list[float]] = {"first": [], "second": [], "imports only": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["NOMINAL_CACHE"] = str(Path(folder, "cache"))
            for which in ("first", "second"):
                found[which].append(seconds_to_ready(Path(folder, "data"), arguments.backbone))
        found["imports only"].append(seconds_of_imports())
    rows = [
        (name, *(f"{of(times):.2f}" for of in (statistics.median, min, max))) for name, times in found.items()
    ]
    text = (
        f"{table(HEAD, rows)}\n\n{rounds} rounds with {arguments.backbone}, `/readyz` asked every "
        f"{POLL_SECONDS * 1e3:.0f} ms. Machine: {machine()}. Command: `python -m bench.start`."
    )
    print(text)
    if not arguments.toy:
        replace_section("start", text, PERFORMANCE)


def seconds_to_ready(data_dir: Path, backbone: str) -> float:
    """Of one start over a store and the cache in NOMINAL_CACHE; the server is stopped again."""
    started = time.perf_counter()
    with serve(data_dir, backbone=backbone) as server, httpx.Client(base_url=server.url) as client:
        while not is_ready(client):
            if time.perf_counter() - started > READY_SECONDS:
                raise SystemExit(f"not ready within {READY_SECONDS:g} s; {server.log} says why")
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - started
        server.stop()
    return seconds


def is_ready(client: httpx.Client) -> bool:
    """Whether it answers 200; it is refused until the server takes connections."""
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def seconds_of_imports() -> float:
    """What the modules of a server take in a fresh process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTED], check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
