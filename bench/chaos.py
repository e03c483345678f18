"""kill -9 at random moments of uploads, builds, activations, inspections and reviews: is anything acknowledged lost?

``python -m bench.chaos`` works against ``nominal serve`` like a line would, kills the server, its build worker or both
at a seeded random moment, starts the server again and compares what it serves with every answer it ever gave. Nobody
repairs anything by hand. Exits with 1 if any promise was broken. ``--toy`` kills both once. ``--database-url`` has the
ledger on PostgreSQL; ``python tests/services/run.py --run bench.chaos`` starts one for it. ``--servers 3`` has so many
servers on one PostgreSQL and one place for blobs, works at all of them, kills one of them and asks the others before
and after it is up again.
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
    """One: during what, of whom, after how many seconds, at which of several servers."""

    during: str
    victim: str
    after: float
    server: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--toy", action="store_true", help="one kill")
    database = os.environ.get("NOMINAL_TEST_DATABASE_URL", "")
    parser.add_argument("--database-url", default=database, help="an empty one; SQLite in a folder without")
    parser.add_argument("--servers", type=int, default=1, help="several of them need PostgreSQL")
    arguments = parser.parse_args()
    if arguments.servers > 1 and not arguments.database_url:
        parser.error("several servers need --database-url")
    kills = planned(TOY_KILLS if arguments.toy else arguments.kills, arguments.seed, arguments.servers)
    images = TOY_IMAGES if arguments.toy else FIRST_IMAGES
    with tempfile.TemporaryDirectory(prefix="nominal-chaos-") as folder:
        faults = run(Path(folder), kills, arguments.database_url, images, arguments.servers)
    print(f"servers: {arguments.servers}, kills: {len(kills)}, broken promises: {len(faults)}")
    sys.exit(bool(faults))


def planned(count: int, seed: int, servers: int = 1) -> list[Kill]:
    """Every kind of moment in turn; the moments themselves are drawn, and so is the server."""
    rng = np.random.default_rng(seed)
    chosen = [KINDS[i % len(KINDS)] for i in range(count)]
    return [
        Kill(during, victim, float(rng.uniform(0.01, LONGEST[during])), int(rng.integers(servers)))
        for during, victim in chosen
    ]


def run(folder: Path, kills: list[Kill], database_url: str, images: int, servers: int = 1) -> list[str]:
    """All kills one after another over one store; what was found broken."""
    machines, memory, faults = machines_of(folder, database_url, servers), Memory(), []
    try:
        print(f"started in {', '.join(f'{machine.start():.1f} s' for machine in machines)}")
        prepare(machines[0].url, memory, images)
        for number, kill in enumerate(kills, 1):
            found, told = strike(machines, memory, kill)
            who = f"{kill.victim} {kill.server + 1}" if servers > 1 else kill.victim
            print(f"{number:2} {kill.during:10} {who:8} after {kill.after:.2f} s: {told}", flush=True)
            for fault in found:
                print(f"   BROKEN: {fault}", flush=True)
            faults += [f"kill {number}: {fault}" for fault in found]
        for machine in machines:
            memory.checked.clear()  # everything once more, from the first on
            faults += [f"at the end: {fault}" for fault in all_faults(machine.url, memory)]
        for machine in machines:
            machine.server.stop()
    except BaseException:
        for machine in machines:
            if machine.is_started:
                print(machine.tail(40), file=sys.stderr)
                machine.kill()
        raise
    return faults


def machines_of(folder: Path, database_url: str, servers: int) -> list[Machine]:
    """Of one store: each of several has its own folder, and one place for blobs: S3 where there is one."""
    settings: dict[str, object] = {"image_keep": "all", "lease_seconds": 5, "threads": 1, **AT_ONCE}
    if database_url:
        settings["database_url"] = database_url
    if servers == 1:
        return [Machine(folder, **settings)]
    bucket = os.environ.get("NOMINAL_TEST_BLOB_URL")
    settings["blob_url"] = bucket or folder / "blobs"
    if bucket:
        settings["blob_endpoint"] = os.environ["NOMINAL_TEST_BLOB_ENDPOINT"]
    return [Machine(folder / f"server-{number}", **settings) for number in range(1, servers + 1)]


def strike(machines: list[Machine], memory: Memory, kill: Kill) -> tuple[list[str], str]:
    """Work at all servers, kill one, ask the others, start it again, compare; (faults, what to tell)."""
    ending = threading.Event()
    names = sorted(WORK if kill.during == "mixed" else {kill.during, "inspection"})
    machine = machines[kill.server]
    urls = [each.url for each in [machine, *(each for each in machines if each is not machine)]]
    threads = [start(WORK[name], url, memory, ending) for name, url in shared_out(names, kill.during, urls)]
    time.sleep(kill.after)
    hit = kill_now(machine, kill.victim)
    if kill.victim == "worker" or len(machines) > 1:
        time.sleep(0.5)
    ending.set()
    for thread in threads:
        thread.join()
    gone = machine.process.poll() is not None
    faults = ["the server died with its worker"] if kill.victim == "worker" and gone else []
    if len(machines) > 1:  # the others serve on, before anybody starts the killed one again
        faults += all_faults(urls[1], memory)
    seconds = machine.start() if gone else 0.0
    for url in [each.url for each in machines]:
        faults += all_faults(url, memory)
    return faults, f"{'killed' if hit else 'nobody there'}; up again in {seconds:.1f} s; {memory.told()}"


def shared_out(names: list[str], during: str, urls: list[str]) -> list[tuple[str, str]]:
    """Each work with its server: what is killed during it at the first, which is killed; inspections at all."""
    others = [name for name in names if name not in (during, "inspection")]
    work = [(during, urls[0])] if during in names else []
    work += [(name, urls[number % len(urls)]) for number, name in enumerate(others)]
    return [each for each in work if each[0] != "inspection"] + [("inspection", url) for url in urls]


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
