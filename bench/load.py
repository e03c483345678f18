"""Many clients on one bank: does the server answer or refuse in time, lose nothing, and stay the size it is?

``python -m bench.load`` starts ``nominal serve`` as a user would, builds a bank of 256-pixel parts and has 64 clients
inspect one image after another for 60 s. A refused client waits as long as Retry-After says. It prints throughput,
latency and refusals, and exits with 1 unless every answer was 200, or 429 or 503 with a Retry-After; every
acknowledged inspection is in the ledger; and the server's memory stays flat after warm-up.

``--beside-build`` compares the latency of inspections alone with that beside each long stage of a build, features and
coreset, which may double it; the build must then stop within a second of its cancelling. ``--toy`` is short, with a
queue so small that some are refused; too short to judge memory and times, which it only prints.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import numpy as np

from bench.line import AT_ONCE, Machine, built_bank, part, upload
from bench.load_clients import BANK, Load, drive

NOMINAL, TOY_NOMINAL = 40, 12
CONFIG = {"target_false_reject": 0.1, "target_review": 0.1, "coreset_ratio": 0.05}
GROWTH = 0.05  # of resident memory, from the first third after warm-up to the last
SLOWER = 2.0  # p95 beside a build by p95 alone, at most
CANCELLED = 1.0  # seconds that a build may take to stop
STAGES = ("features", "coreset")  # of a build, those that take long
BUILD = {"input": {"size": 512}, "coreset_ratio": 0.5, "max_bank_vectors": 200_000}  # minutes of each stage
BUILT, TOY_BUILT = 160, 24  # images of it; it is cancelled when measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, help="64; 4 with --beside-build; 16 with --toy")
    parser.add_argument("--seconds", type=float, help="60; 2 with --toy")
    parser.add_argument("--beside-build", action="store_true")
    parser.add_argument("--toy", action="store_true")
    arguments = parser.parse_args()
    clients = arguments.clients or (4 if arguments.beside_build else 16 if arguments.toy else 64)
    seconds = arguments.seconds or (2.0 if arguments.toy else 60.0)
    settings: dict[str, object] = dict(AT_ONCE) if arguments.toy else {}
    if arguments.toy and not arguments.beside_build:
        settings["queue_size"] = 4
    nominal = [part(i) for i in range(TOY_NOMINAL if arguments.toy else NOMINAL)]
    with (
        tempfile.TemporaryDirectory(prefix="nominal-load-") as folder,
        Machine(Path(folder), **settings) as machine,
    ):
        with httpx.Client(base_url=machine.url, timeout=300) as client:
            built_bank(client, BANK, nominal, CONFIG)
        measure = beside_build if arguments.beside_build else flood
        faults = measure(machine, clients, seconds, not arguments.toy)
    for fault in faults:
        print(f"BROKEN: {fault}")
    sys.exit(bool(faults))


def flood(machine: Machine, clients: int, seconds: float, judged: bool) -> list[str]:
    """All clients at once; what did not hold. ``judged`` says whether memory must stay flat."""
    load = asyncio.run(drive(machine, clients, seconds))
    tell(f"{clients} clients, {seconds:g} s", load, seconds)
    growth, slope = growth_of(load.memory)
    end = load.memory[-1][1] / 1e6
    print(f"memory after warm-up: {growth:+.1%}, {slope / 1e6:+.2f} MB a minute, {end:.0f} MB at the end")
    lost = set(load.ids) - in_ledger(machine)
    print(f"acknowledged: {len(load.ids)}, of them lost: {len(lost)}")
    faults = load.wrong + [f"inspections were lost: {sorted(lost)[:5]}"] * bool(lost)
    return (
        faults
        + [f"memory grew by {growth:.1%}"] * (judged and growth > GROWTH)
        + ["nothing was answered"] * (not load.ids)
    )


def beside_build(machine: Machine, clients: int, seconds: float, judged: bool) -> list[str]:
    """The same clients alone and beside each stage of a build; what did not hold.

    ``judged`` says whether every stage must last that long and leave p95 within its bound.
    """
    alone = asyncio.run(drive(machine, clients, seconds))
    tell(f"{clients} clients alone", alone, seconds)
    faults = alone.wrong
    with httpx.Client(base_url=machine.url, timeout=300) as client:
        job = long_build(client, BUILT if judged else TOY_BUILT)
        for stage in STAGES:
            wait_for_stage(client, job, stage)
            beside = asyncio.run(drive(machine, clients, seconds))
            after = client.get(f"/v1/jobs/{job}").raise_for_status().json()
            progress = f"{after['stage']} {after['done']}/{after['total']}"
            tell(f"{clients} clients beside a build's {stage}, then at {progress}", beside, seconds)
            slower = beside.percentile(95) / alone.percentile(95)
            print(f"p95 beside {stage}: {slower:.2f} times that alone")
            faults += beside.wrong
            if judged:
                faults += [f"p95 rose by {slower:.2f} beside {stage}"] * (not slower <= SLOWER)
                faults += [f"the stage {stage} ended too early"] * (after["stage"] != stage)
        cancelled = seconds_to_cancel(client, job)
    print(f"cancelled inside the coreset in {cancelled:.2f} s")
    return faults + [f"cancelling took {cancelled:.1f} s"] * (judged and cancelled > CANCELLED)


def long_build(client: httpx.Client, images: int) -> str:
    """The id of a build that has begun, of so many images in a bank of their own."""
    client.post("/v1/banks", json={"id": "other", "config": CONFIG | BUILD}).raise_for_status()
    upload(client, "other", [part(10_000 + i) for i in range(images)])
    return str(client.post("/v1/banks/other/builds", json={"groups": "none"}).raise_for_status().json()["id"])


def seconds_to_cancel(client: httpx.Client, job: str) -> float:
    """From the request until the build has stopped."""
    started = time.monotonic()
    client.post(f"/v1/jobs/{job}/cancel").raise_for_status()
    while client.get(f"/v1/jobs/{job}").raise_for_status().json()["state"] == "running":
        time.sleep(0.02)
    return time.monotonic() - started


def wait_for_stage(client: httpx.Client, job: str, stage: str) -> None:
    """Returns once the build is there. Raises RuntimeError where it ended first."""
    while (now := client.get(f"/v1/jobs/{job}").raise_for_status().json())["stage"] != stage:
        if now["state"] not in ("queued", "running"):
            raise RuntimeError(f"the build {now['state']} before its stage {stage}: {now['error']}")
        time.sleep(0.2)


def growth_of(memory: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """(share by which the last third's median exceeds the first's, bytes a minute); the first third is warm-up."""
    steady = np.array(memory[len(memory) // 3 :], np.float64)
    third = max(1, len(steady) // 3)
    first, last = np.median(steady[:third, 1]), np.median(steady[-third:, 1])
    slope = np.polyfit(steady[:, 0], steady[:, 1], 1)[0] if len(steady) > 1 else 0.0
    return float(last / first - 1), float(slope * 60)


def in_ledger(machine: Machine) -> set[str]:
    """Ids of every inspection there is."""
    answer = httpx.get(f"{machine.url}/v1/inspections/export", params={"format": "jsonl"}, timeout=300)
    return {json.loads(line)["id"] for line in answer.raise_for_status().text.splitlines()}


def tell(what: str, load: Load, seconds: float) -> None:
    """One line."""
    p50, p95, p99 = (load.percentile(q) for q in (50, 95, 99))
    refused = ", ".join(f"{count} x {kind}" for kind, count in load.refused.items()) or "none"
    rate = len(load.seconds) / seconds
    print(
        f"{what}: {rate:.1f} images/s; p50 {p50:.0f} ms, p95 {p95:.0f} ms, p99 {p99:.0f} ms; refused: {refused}"
    )


if __name__ == "__main__":
    main()
