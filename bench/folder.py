"""What do very many files in a watched folder at once cost: memory, pace, and the line beside them?

``python -m bench.folder`` builds a small bank, starts ``nominal serve`` that watches a folder, sends images over HTTP
one after the other as a line does, and then renames ``--files`` files into the folder at once. It prints how soon all
were taken note of, how many are inspected a second, the server's memory before and at its highest, and the line's
answers before and meanwhile. ``--seconds`` is how long the pace is measured; without it all files are inspected.

It exits with 1 where a settled file has not exactly one inspection. ``--toy`` has 40 files and leaves the page alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from bench.line import AT_ONCE, Machine, part, upload, wait_for_job
from bench.tables import PERFORMANCE, machine, replace_section, table

BANK = "caps"
ALIKE = 50  # different images; each file has bytes of its own after them
QUIET_SECONDS = 10.0  # of the line before the files come
LINE_SECONDS = 0.2  # between two parts of the line


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.folder", description=__doc__)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--toy", action="store_true")
    asked = parser.parse_args()
    count = 40 if asked.toy else asked.files
    with tempfile.TemporaryDirectory(prefix="nominal-folder-") as name:
        rows, right = measured(Path(name), count, asked.seconds, 1.0 if asked.toy else QUIET_SECONDS)
    made = table((f"{count:,} files at once", ""), rows)
    print(made)
    if not asked.toy:
        said = f"Machine: {machine()}. Command: `make bench-folder`."
        replace_section("folder", f"{made}\n\n{said}", PERFORMANCE)
    sys.exit(not right)


def measured(folder: Path, count: int, seconds: float, quiet: float) -> tuple[list[tuple[str, str]], bool]:
    """(a row each, whether each settled file has exactly one inspection)."""
    hidden, watched = folder / "hidden", folder / "in"
    for each in (hidden, watched):
        each.mkdir()
    write(hidden, count)
    watch = json.dumps([{"folder": str(watched), "bank": BANK, "settle_seconds": 0}])
    given = {"watch": watch, "image_keep": "none", "console": "false"}
    with Machine(folder / "data", **AT_ONCE, **given) as server:
        client = httpx.Client(base_url=server.url, timeout=60)
        teach(client)
        with Line(server.url) as line:
            time.sleep(quiet)
            own, alone = psutil.Process(server.process.pid), line.cut()
            before = own.memory_info().rss
            began = time.monotonic()
            for name in os.listdir(hidden):
                os.rename(hidden / name, watched / name)
            put, noted, most, done = time.monotonic() - began, 0.0, before, 0
            while done < count and time.monotonic() - began < seconds:
                time.sleep(0.5)
                state = client.get("/health").json()["folders"][0]
                done, most = state["done"], max(most, own.memory_info().rss)
                if not noted and state["waiting"] + done == count:
                    noted = time.monotonic() - began
            pace, meanwhile = done / (time.monotonic() - began), line.cut()
        sent = line.sent
        kept = client.get("/metrics").text
    inspected = sum(_figures(kept, "nominal_inspections_total"))
    settled = sum(_figures(kept, "nominal_folder_files_total"))
    right = inspected == settled + sent
    return [
        ("renamed into the folder within", f"{put:.1f} s"),
        ("all taken note of after", f"{noted:.1f} s"),
        ("inspected", f"{done:,}: {pace:.1f} a second"),
        ("the server's memory before, at most", f"{before >> 20:,} MB, {most >> 20:,} MB"),
        ("the line's answers before, p50 and p95", _times(alone)),
        ("the line's answers meanwhile, p50 and p95", _times(meanwhile)),
        ("inspections besides one for each file", f"{inspected - settled - sent:.0f}"),
    ], right


def write(folder: Path, count: int) -> None:
    """Files of imaginary parts, each another file."""
    images = [part(seed, side=128) for seed in range(ALIKE)]
    for n in range(count):
        (folder / f"part-{n:06}.png").write_bytes(images[n % ALIKE] + n.to_bytes(4, "big"))


def teach(client: httpx.Client) -> None:
    """A bank of imaginary parts."""
    client.post("/v1/banks", json={"id": BANK}).raise_for_status()
    upload(client, BANK, [part(1000 + seed, side=128) for seed in range(100)])
    job = client.post(f"/v1/banks/{BANK}/builds", json={}).raise_for_status().json()
    assert wait_for_job(client, job["id"])["state"] == "succeeded"


class Line:
    """Sends a part every ``LINE_SECONDS`` while its block lasts."""

    def __init__(self, url: str) -> None:
        self._url, self._over, self.sent = url, threading.Event(), 0
        self._seconds: list[float] = []
        self._thread = threading.Thread(target=self._send)

    def cut(self) -> list[float]:
        """The seconds of the answers since the last cut."""
        found, self._seconds = self._seconds, []
        return found

    def __enter__(self) -> Line:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join()

    def _send(self) -> None:
        image = part(7, side=128)
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while not self._over.wait(LINE_SECONDS):
                began = time.perf_counter()
                client.post(f"/v1/banks/{BANK}/inspect", content=image).raise_for_status()
                self._seconds.append(time.perf_counter() - began)
                self.sent += 1


def _figures(text: str, name: str) -> list[float]:
    return [float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name}{{")]


def _times(seconds: list[float]) -> str:
    return ", ".join(f"{1e3 * float(np.percentile(seconds, q)):.0f} ms" for q in (50, 95))


if __name__ == "__main__":
    main()
