"""Does a line get its answers in time beside everything that others do to the server, and does memory hold its budget?

``python -m bench.fortress`` starts ``nominal serve`` with keys and two banks of 256-pixel parts. A line sends one image
per 300 ms by a key of the priority ``line`` and wants each answer within 300 ms; beside it runs one load after another,
as a process of its own on the same cores (bench/fortress_loads.py). It prints the answers in time, and the server's
peak memory against what it held before the loads plus its budget (NOMINAL_MEMORY_BYTES). It exits with 1 unless 95 of
100 answers came in time beside each load by itself and memory stayed within the budget and a fifth. All of it is on
127.0.0.1, bounded in time, and every process is ended by its id. ``--toy`` runs all loads at once, short and small,
and judges neither times nor memory.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from PIL import Image

from bench.fortress_loads import LOADS, everything
from bench.line import AT_ONCE, Machine, built_bank, part, upload
from bench.tables import machine, table

PERIOD = 0.3  # seconds between two images of the line, and until its answer
WARM_UP = 1.0  # seconds of a load before the line begins
NEEDED = 0.95  # of the answers, in time
ROOM = 1.2  # of the budget
BUDGET = 1 << 30
SETTINGS = {"memory_bytes": BUDGET, "max_pixels": 30_000_000, "max_image_bytes": 32 << 20}
CONFIG = {"target_false_reject": 0.1, "target_review": 0.1, "coreset_ratio": 0.05}
HEAD = ("beside", "in time", "p50 ms", "p95 ms", "slowest ms", "peak memory", "the load got")
MIB = 1 << 20
ALL = everything.__name__


@dataclass
class Watch:
    """The server's resident memory, and its peak since ``reset``."""

    process: psutil.Process
    peak: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Twenty times a second."""
        while not self.stopping.wait(0.05):
            self.peak = max(self.peak, self.process.memory_info().rss)


@dataclass(frozen=True)
class Row:
    """What the line saw beside one load. seconds: of each answer; in_time: which were 200 within ``PERIOD``."""

    load: str
    seconds: list[float]
    in_time: list[bool]
    peak: int
    did: str

    @property
    def share(self) -> float:
        """Of the answers, in time."""
        return sum(self.in_time) / len(self.in_time)

    def cells(self) -> tuple[str, ...]:
        """For the table."""
        p50, p95, most = (1e3 * float(np.percentile(self.seconds, q)) for q in (50, 95, 100))
        count = f"{sum(self.in_time)} of {len(self.in_time)}"
        return (
            self.load, count, f"{p50:.0f}", f"{p95:.0f}", f"{most:.0f}", f"{self.peak / MIB:.0f} MiB", self.did,
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fortress", description=__doc__)
    parser.add_argument("loads", nargs="*", help=f"of {', '.join(LOADS)}; all by default")
    parser.add_argument("--images", type=int, help="of the line beside each load; 100; 3 with --toy")
    parser.add_argument("--toy", action="store_true")
    options = parser.parse_args()
    loads = options.loads or ([ALL] if options.toy else [*LOADS])
    images, size = options.images or (3 if options.toy else 100), 0.05 if options.toy else 1.0
    with (
        tempfile.TemporaryDirectory(prefix="nominal-fortress-") as folder,
        Machine(Path(folder), **SETTINGS, **(AT_ONCE if options.toy else {})) as server,
    ):
        keys = prepared(server, options.toy)
        with watched(server) as watch:
            before, rows = rows_of(server, keys, watch, loads, images, size)
    limit = before + ROOM * BUDGET
    print(table(HEAD, [row.cells() for row in rows]))
    print(
        f"\nThe server held {before / MIB:.0f} MiB before the loads; its budget is {BUDGET / MIB:.0f} MiB more, "
        f"{limit / MIB:.0f} MiB with a fifth of it. Clients and server share the cores. Machine: {machine()}. "
        "Command: `make bench-fortress`."
    )
    faults = [
        f"{row.load}: {row.share:.0%} in time" for row in rows if row.share < NEEDED and row.load != ALL
    ]
    faults += [f"{row.load}: {row.peak / MIB:.0f} MiB" for row in rows if row.peak > limit]
    for fault in faults:
        print(f"{'missed' if options.toy else 'BROKEN'}: {fault}")
    sys.exit(bool(faults) and not options.toy)


def rows_of(
    server: Machine, keys: dict[str, str], watch: Watch, loads: list[str], images: int, size: float
) -> tuple[int, list[Row]]:
    """(resident bytes before the loads, a row of each load, the undisturbed line first)."""
    measured(server, keys, min(images, 20))
    before = watch.process.memory_info().rss
    rows = []
    for name in ["nothing", *loads]:
        watch.peak = 0
        with beside(name, server, keys, size, images * PERIOD + 60) as did:
            seconds, in_time = measured(server, keys, images)
        rows.append(Row(name, seconds, in_time, watch.peak, "; ".join(did)))
        print(" | ".join(rows[-1].cells()), flush=True)
    return before, rows


def measured(server: Machine, keys: dict[str, str], images: int) -> tuple[list[float], list[bool]]:
    """The line: one image per ``PERIOD``, each by itself; (seconds until its answer, whether that was in time)."""
    sent = [part(70_000 + i, flaw=i % 8 == 0) for i in range(16)]
    host, port = server.url.removeprefix("http://").split(":")
    headers = {"Authorization": f"Bearer {keys['line']}", "Content-Type": "image/png"}
    headers["Prefer"] = f"respond-within={PERIOD * 1e3:.0f}ms"
    seconds, in_time, start = list[float](), list[bool](), time.monotonic()
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
    for i in range(images):
        time.sleep(max(0.0, start + i * PERIOD - time.monotonic()))
        began, status = time.monotonic(), 0
        try:
            connection.request("POST", "/v1/banks/line/inspect", sent[i % len(sent)], headers)
            answer = connection.getresponse()
            answer.read()
            status = answer.status
        except (OSError, http.client.HTTPException):
            connection.close()
        seconds.append(time.monotonic() - began)
        in_time.append(status == 200 and seconds[-1] <= PERIOD)
    connection.close()
    return seconds, in_time


@contextmanager
def beside(
    name: str, server: Machine, keys: dict[str, str], size: float, seconds: float
) -> Iterator[list[str]]:
    """A load in a process of its own while the block lasts; what it says that it did, once it has ended."""
    did: list[str] = []
    if name == "nothing":
        yield did
        return
    given = json.dumps({"url": server.url, "keys": keys, "size": size, "seconds": seconds})
    command = [sys.executable, "-m", "bench.fortress_loads", name, given]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        time.sleep(WARM_UP * size)
        yield did
        did.append(process.communicate("", timeout=60)[0].strip())  # the end of its input ends it
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@contextmanager
def watched(server: Machine) -> Iterator[Watch]:
    """Its memory, watched while the block lasts."""
    watch = Watch(psutil.Process(server.process.pid))
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        yield watch
    finally:
        watch.stopping.set()
        thread.join()


def prepared(server: Machine, toy: bool) -> dict[str, str]:
    """Two banks, of which ``other`` has large nominal images too; the texts of three keys."""
    with httpx.Client(base_url=server.url, timeout=300) as client:
        admin = _key(client, "admin", "admin")
        client.headers["Authorization"] = f"Bearer {admin}"
        built_bank(client, "line", [part(i) for i in range(12 if toy else 40)], CONFIG)
        client.post("/v1/banks", json={"id": "other"}).raise_for_status()
        bundle = client.get("/v1/banks/line/versions/1/bundle").raise_for_status().content
        client.post("/v1/banks/other/import?activate=true", content=bundle).raise_for_status()
        for bank in ("line", "other"):
            client.patch(f"/v1/banks/{bank}", json={"pinned": True}).raise_for_status()
        upload(client, "other", [photograph(800 if toy else 4500, seed) for seed in range(4)])
        line = _key(client, "line", "inspect", priority="line")
        return {"admin": admin, "line": line, "other": _key(client, "other", "inspect")}


def photograph(side: int, seed: int = 0) -> bytes:
    """A JPEG of a smooth surface, ``side`` pixels each way."""
    rng = np.random.default_rng(seed)
    small = rng.integers(40, 200, (side // 16, side // 16, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).resize((side, side), Image.Resampling.BILINEAR).save(file, "JPEG", quality=90)
    return file.getvalue()


def _key(client: httpx.Client, name: str, role: str, **limits: Any) -> str:
    answer = client.post("/v1/keys", json={"name": name, "role": role, **limits})
    return str(answer.raise_for_status().json()["key"])


if __name__ == "__main__":
    main()
