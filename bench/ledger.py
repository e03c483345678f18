"""How long do similar inspections, the Pareto, the shift report and their pages take over a long ledger?

``python -m bench.ledger`` (``make bench-ledger``) builds a bank, writes 100,000 rejected inspections of seven days with
descriptors and 2,000 reviews straight into its ledger, starts the server anew, and asks: first at once, while it still
reads them, then again. It writes docs/performance.md's table and ends with 1 unless every later answer takes under half
a second, the report under two. ``--inspections`` takes another number, ``--toy`` few; both leave the page alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import httpx
import numpy as np
import psutil

from app.settings import Settings
from app.store.ids import new_id
from app.store.schema import Descriptor, Inspection
from app.store.store import open_store
from bench.line import AT_ONCE, Machine, built_bank, part
from bench.load import CONFIG
from bench.tables import PERFORMANCE, machine, replace_section, table

BANK, MANY, TOY = "long", 100_000, 300
BATCH, KINDS, STATIONS, REVIEWED = 1000, 5, 3, 2000
TIMES, LIMIT, OF_REPORT = 5, 0.5, 2.0  # repetitions; seconds
HEAD = ("asked", "first after a start, s", "again, s")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--inspections", type=int, help=f"{MANY:,}")
    parser.add_argument("--toy", action="store_true", help=f"{TOY}")
    arguments = parser.parse_args()
    count = arguments.inspections or (TOY if arguments.toy else MANY)
    settings = dict(AT_ONCE) if arguments.toy else {}
    with tempfile.TemporaryDirectory(prefix="nominal-ledger-") as folder:
        with (
            Machine(Path(folder), **settings) as line,
            httpx.Client(base_url=line.url, timeout=300) as client,
        ):
            built_bank(client, BANK, [part(i) for i in range(12 if arguments.toy else 40)], CONFIG)
            answer = client.post(f"/v1/banks/{BANK}/inspect", content=part(99, flaw=True))
            first: str = answer.raise_for_status().json()["id"]
        fill(Path(folder), first, count)
        print(f"{count:,} inspections written", flush=True)
        with Machine(Path(folder), **settings) as line:
            rows, megabytes = measured(line, first)
    text = (
        f"{table(HEAD, [[name, *(f'{value:.2f}' for value in values)] for name, values in rows.items()])}\n\n"
        f"{count:,} inspections, all rejected, {min(REVIEWED, count):,} reviewed; the server then has {megabytes:.0f} "
        f"MB resident. Machine: {machine()}. Command: `make bench-ledger`."
    )
    print(text)
    if arguments.toy or arguments.inspections:
        return
    replace_section("ledger", text, PERFORMANCE)
    slow = [name for name, (_, again) in rows.items() if again > (OF_REPORT if name == "report" else LIMIT)]
    sys.exit(f"too slow: {', '.join(slow)}" if slow else 0)


def fill(folder: Path, first: str, count: int) -> None:
    """Copies of an inspection with descriptors around as many middles as kinds, over seven days, oldest first."""
    rng, now = np.random.default_rng(0), datetime.now(UTC)
    with open_store(Settings(data_dir=folder)) as store:
        like, described = store.inspections.get(first), store.descriptors.get(first)
        assert described is not None
        raw = np.frombuffer(described.vector, np.float16).astype(np.float32)
        middles = raw + 0.5 * np.abs(raw) * rng.standard_normal((KINDS, len(raw)), np.float32)
        for start in range(0, count, BATCH):
            numbers = range(start, min(start + BATCH, count))
            rows = [_copied(like, i, now - timedelta(days=7) * (1 - i / count), count) for i in numbers]
            known = [
                Descriptor(
                    inspection_id=row.id,
                    bank=BANK,
                    space=described.space,
                    vector=_near(middles[i % KINDS], rng).tobytes(),
                )
                for i, row in zip(numbers, rows, strict=True)
            ]
            store.inspections.add(rows, known)


def _copied(like: Inspection, number: int, at: datetime, count: int) -> Inspection:
    names = [column.name for column in Inspection.__table__.columns]
    reviewed = number >= count - REVIEWED
    own = {
        "id": new_id(),
        "created_at": at,
        "serial": f"S{number // 2}",
        "station": f"station {number % STATIONS}",
        "verdict": "confirmed_defect" if reviewed else None,
        "kind": f"kind {number % KINDS}" if reviewed else None,
    }
    return Inspection(**({name: getattr(like, name) for name in names} | own))


def _near(middle: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (middle + 0.2 * np.abs(middle) * rng.standard_normal(len(middle))).astype(np.float16)


def measured(line: Machine, id: str) -> tuple[dict[str, tuple[float, float]], float]:
    """Seconds of the first answer and the median of later ones, of each; and megabytes resident at the end."""
    week = {"since": (datetime.now(UTC) - timedelta(days=7)).isoformat()}
    bank = f"/v1/banks/{BANK}"
    asked: dict[str, tuple[str, dict[str, str]]] = {
        "similar": (f"/v1/inspections/{id}/similar", {}),
        "similar, reviewed only": (f"/v1/inspections/{id}/similar", {"reviewed": "true"}),
        "pareto": (f"{bank}/pareto", {}),
        "report": (f"{bank}/report", week),
        "page of an inspection": (f"/console/inspections/{id}", {}),
        "page Defects": (f"/console/banks/{BANK}/defects", {"days": "7"}),
    }
    with httpx.Client(base_url=line.url, timeout=300, follow_redirects=True) as client:

        def seconds(path: str, query: dict[str, str]) -> float:
            started = time.perf_counter()
            client.get(path, params=query).raise_for_status()
            return time.perf_counter() - started

        found = {}
        for name, (path, query) in asked.items():
            found[name] = seconds(path, query), median(seconds(path, query) for _ in range(TIMES))
    return found, psutil.Process(line.process.pid).memory_info().rss / 1e6


if __name__ == "__main__":
    main()
