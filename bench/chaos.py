"""kill -9 at random moments of uploads, builds, activations, inspections and reviews: is anything acknowledged lost?

``python -m bench.chaos`` works against ``nominal serve`` like a line would, kills the server, its build worker or both
at a seeded random moment, starts the server again and compares what it serves with every answer it ever gave. Nobody
repairs anything by hand. Exits with 1 if any promise was broken. ``--toy`` kills both once. ``--database-url`` has the
ledger on PostgreSQL; ``python tests/services/run.py --run bench.chaos`` starts one for it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from bench.chaos_checks import all_faults
from bench.chaos_work import FIRST_IMAGES, WORK, Memory, Work, prepare
from bench.line import AT_ONCE, Machine

KILLS, TOY_KILLS = 20, 1
TOY_IMAGES = 20
KINDS = (
    ("mixed", "both"),
    ("build", "worker"),
    ("build", "server"),
    ("inspection", "server"),
    ("upload", "server"),
    ("mixed", "worker"),
    ("activation", "server"),
    ("mixed", "server"),
    ("build", "both"),
    ("review", "server"),
)
# seconds of work before a kill
LONGEST = {"upload": 1.5, "build": 6.0, "activation": 1.5, "inspection": 3.0, "review": 1.5, "mixed": 6.0}


@dataclass(frozen=True)
class Kill:
    """One: during what, of whom, after how many seconds."""

    during: str
    victim: str
    after: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--toy", action="store_true", help="one kill")
    database = os.environ.get("NOMINAL_TEST_DATABASE_URL", "")
    parser.add_argument("--database-url", default=database, help="an empty one; SQLite in a folder without")
    arguments = parser.parse_args()
    kills = planned(TOY_KILLS if arguments.toy else arguments.kills, arguments.seed)
    with tempfile.TemporaryDirectory(prefix="nominal-chaos-") as folder:
        faults = run(
            Path(folder), kills, arguments.database_url, TOY_IMAGES if arguments.toy else FIRST_IMAGES
        )
    print(f"kills: {len(kills)}, broken promises: {len(faults)}")
    sys.exit(bool(faults))


def planned(count: int, seed: int) -> list[Kill]:
    """Every kind of moment in turn; the moments themselves are drawn."""
    rng = np.random.default_rng(seed)
    chosen = [KINDS[i % len(KINDS)] for i in range(count)]
    return [Kill(during, victim, float(rng.uniform(0.01, LONGEST[during]))) for during, victim in chosen]


def run(folder: Path, kills: list[Kill], database_url: str, images: int) -> list[str]:
    """All kills one after another over one store; what was found broken."""
    settings: dict[str, object] = {"image_keep": "all", "lease_seconds": 5, "threads": 1, **AT_ONCE}
    if database_url:
        settings["database_url"] = database_url
    machine, memory, faults = Machine(folder, **settings), Memory(), []
    print(f"started in {machine.start():.1f} s")
    try:
        prepare(machine.url, memory, images)
        for number, kill in enumerate(kills, 1):
            found, told = strike(machine, memory, kill)
            print(f"{number:2} {kill.during:10} {kill.victim:6} after {kill.after:.2f} s: {told}", flush=True)
            for fault in found:
                print(f"   BROKEN: {fault}", flush=True)
            faults += [f"kill {number}: {fault}" for fault in found]
        memory.checked.clear()  # everything once more, from the first on
        faults += [f"at the end: {fault}" for fault in all_faults(machine.url, memory)]
        machine.server.stop()
    except BaseException:
        print(machine.tail(40), file=sys.stderr)
        machine.kill()
        raise
    return faults


def strike(machine: Machine, memory: Memory, kill: Kill) -> tuple[list[str], str]:
    """Work, kill, start again, compare; (faults, what to tell)."""
    ending = threading.Event()
    names = WORK if kill.during == "mixed" else {kill.during, "inspection"}
    threads = [start(WORK[name], machine.url, memory, ending) for name in sorted(names)]
    time.sleep(kill.after)
    hit = kill_now(machine, kill.victim)
    if kill.victim == "worker":
        time.sleep(0.5)
    ending.set()
    for thread in threads:
        thread.join()
    faults = (
        []
        if kill.victim != "worker" or machine.process.poll() is None
        else ["the server died with its worker"]
    )
    seconds = machine.start() if machine.process.poll() is not None else 0.0
    faults += all_faults(machine.url, memory)
    return faults, f"{'killed' if hit else 'nobody there'}; up again in {seconds:.1f} s; {memory.told()}"


def start(work: Work, url: str, memory: Memory, ending: threading.Event) -> threading.Thread:
    """Work in a thread until the server is gone or the event is set."""
    thread = threading.Thread(target=work, args=(url, memory, ending))
    thread.start()
    return thread


def kill_now(machine: Machine, victim: str) -> bool:
    """SIGKILL to the server, its worker or first the one and then the other; whether all of them were there."""
    worker = machine.worker() if victim in ("worker", "both") else None
    if victim in ("server", "both"):
        machine.kill()
    if victim == "server":
        return True
    if worker is None:
        return False
    try:
        worker.kill()
    except psutil.NoSuchProcess:
        return False
    return True


if __name__ == "__main__":
    main()
