"""What does a server cost that has very many banks: its start, health, metrics, pages, and banks that are paged in?

``python -m bench.many`` builds one bank, copies its row and its version's ``--banks`` times in the database, starts
``nominal serve`` over it and asks as a monitor, a person and a line would. It exits with 1 where a count is wrong, or
health or metrics are slower than ``HEALTH_SECONDS`` allows. ``--toy`` has fifty banks and leaves the page alone.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import insert, select

from app.settings import Settings
from app.store.schema import Bank, Version
from app.store.store import open_database
from bench.line import AT_ONCE, Machine, built_bank, part
from bench.tables import PERFORMANCE, machine, replace_section, table

BANKS, TOY_BANKS = (1_000, 10_000), 50
MODEL = "model"
CONFIG = {"target_false_reject": 0.1, "target_review": 0.1, "min_bank_vectors": 1000}
IMAGES = 20
PATHS = ("/health", "/metrics", "/v1/banks", "/console/")
ASKS = 20  # of each question
PAGED = 40  # banks that are inspected with for the first time
HEALTH_SECONDS = {1_000: 0.2, 10_000: 0.5}  # at most, by banks
COUNTING_SECONDS = 60.0
IDLE_SECONDS = 10.0
MIB = 1 << 20
HEAD = (
    "banks",
    "ready s",
    "counted after s",
    *("/health", "/metrics", "/v1/banks", "Banks page"),
    "first inspection",
    "next one",
)
HEAD += ("processor while idle", "memory MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--banks", type=int, nargs="+", default=BANKS)
    parser.add_argument("--toy", action="store_true", help="fifty banks; the page stays as it is")
    arguments = parser.parse_args()
    rows, faults = [], []
    for count in (TOY_BANKS,) if arguments.toy else arguments.banks:
        with tempfile.TemporaryDirectory(prefix="nominal-many-") as folder:
            row, found = measured(Path(folder), count)
        rows.append(row)
        faults += found
    text = (
        f"{table(HEAD, rows)}\n\nTimes are median and slowest in ms of {ASKS} questions, and of {PAGED} banks. "
        f"Machine: {machine()}. Command: `python -m bench.many`."
    )
    print(text, *faults, sep="\n")
    if not arguments.toy and not faults:
        replace_section("many", text, PERFORMANCE)
    sys.exit(bool(faults))


def measured(folder: Path, count: int) -> tuple[tuple[str, ...], list[str]]:
    """A row of the table, and what does not hold."""
    server = Machine(folder, **AT_ONCE)
    with server, httpx.Client(base_url=server.url, timeout=120) as client:
        built_bank(client, MODEL, [part(i) for i in range(IMAGES)], CONFIG)
    copy(folder, count - 1)
    began = time.monotonic()
    with server, httpx.Client(base_url=server.url, timeout=120) as client:
        ready = time.monotonic() - began
        counted = seconds_until_counted(client, count)
        asked = {path: [seconds(client.get, path) for _ in range(ASKS)] for path in PATHS}
        idle = idle_share(server.process.pid)
        first, later = paged_in(client, count)
        memory = psutil.Process(server.process.pid).memory_info().rss / MIB
    faults = [
        f"{path} took {max(asked[path]):.2f} s at {count} banks"
        for path in PATHS[:2]
        if max(asked[path]) > HEALTH_SECONDS.get(count, 1.0)
    ]
    told = [both(found) for found in (*asked.values(), first, later)]
    return (f"{count:,}", f"{ready:.1f}", f"{counted:.1f}", *told, f"{idle:.1%}", f"{memory:.0f}"), faults


def copy(folder: Path, copies: int) -> None:
    """So many more banks like the one there is, each with the same file as its version."""
    database = open_database(Settings(data_dir=folder))
    try:
        with database.write() as session:
            for each, column in ((Bank, "id"), (Version, "bank")):
                row = dict(session.execute(select(each.__table__)).mappings().one())
                rows = [row | {column: f"bank-{number:05}"} for number in range(copies)]
                session.execute(insert(each.__table__), rows)
    finally:
        database.close()


def seconds_until_counted(client: httpx.Client, count: int) -> float:
    """Until /health knows every bank. Raises TimeoutError where it never does, and where it is wrong meanwhile."""
    began = time.monotonic()
    while (waited := time.monotonic() - began) < COUNTING_SECONDS:
        known = sum(client.get("/health").raise_for_status().json()["banks"].values())
        if known == count:
            return waited
        time.sleep(0.05)
    raise TimeoutError(f"/health knows {known} of {count} banks after {COUNTING_SECONDS:g} s")


def seconds(ask: Callable[..., httpx.Response], path: str, **body: Any) -> float:
    """Until the answer, which must be a good one."""
    began = time.perf_counter()
    ask(path, **body).raise_for_status()
    return time.perf_counter() - began


def paged_in(client: httpx.Client, count: int) -> tuple[list[float], list[float]]:
    """Seconds of an inspection with a bank that is not in memory, and of the next one."""
    body = {"content": part(1), "headers": {"Content-Type": "image/png"}}
    first, later = [], []
    for number in range(min(PAGED, count - 1)):
        for times in (first, later):
            times.append(seconds(client.post, f"/v1/banks/bank-{number:05}/inspect", **body))
    return first, later


def idle_share(pid: int) -> float:
    """Of one processor, that the server takes while nobody asks."""
    process = psutil.Process(pid)
    before = process.cpu_times()
    time.sleep(IDLE_SECONDS)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / IDLE_SECONDS


def both(found: list[float]) -> str:
    """Median and slowest, in ms."""
    return f"{statistics.median(found) * 1e3:.0f}, {max(found) * 1e3:.0f}"


if __name__ == "__main__":
    main()
