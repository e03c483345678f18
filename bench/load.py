"""Many clients on one bank: does the server answer or refuse in time, lose nothing, and stay the size it is?

``python -m bench.load`` starts ``nominal serve`` as a user would, builds a bank of 256-pixel parts and has 64 clients
inspect one image after another for 60 s. A refused client waits as long as Retry-After says. It prints throughput,
latency and refusals, and exits with 1 unless every answer was 200, or 429 or 503 with a Retry-After; every
acknowledged inspection is in the ledger; and the server's memory stays flat after warm-up.

``--beside-build`` compares the latency of inspections alone with that beside a running build, which may double it.
``--toy`` is short, with a queue so small that some are refused.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil

from bench.line import Machine, built_bank, part, upload

BANK = "line"
NOMINAL, TOY_NOMINAL = 40, 12
CONFIG = {"target_false_reject": 0.1, "target_review": 0.1, "coreset_ratio": 0.05}
SENT = 64  # different images
GROWTH = 0.05  # of resident memory, from the first third after warm-up to the last
SLOWER = 2.0  # p95 beside a build by p95 alone, at most
BUILD = {"coreset_ratio": 0.5, "max_bank_vectors": 200_000}  # minutes of coreset, cancelled when measured


@dataclass
class Load:
    """What clients saw."""

    seconds: list[float] = field(default_factory=list)
    """Latency of each inspection answered."""
    ids: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    """By status and problem type."""
    wrong: list[str] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    """(seconds since the start, the server's resident bytes)."""

    def percentile(self, q: float) -> float:
        """Milliseconds; nan for none."""
        return 1e3 * float(np.percentile(self.seconds, q)) if self.seconds else math.nan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, help="64; 4 with --beside-build; 16 with --toy")
    parser.add_argument("--seconds", type=float, help="60; 4 with --toy")
    parser.add_argument("--beside-build", action="store_true")
    parser.add_argument("--toy", action="store_true")
    arguments = parser.parse_args()
    clients = arguments.clients or (4 if arguments.beside_build else 16 if arguments.toy else 64)
    seconds = arguments.seconds or (4.0 if arguments.toy else 60.0)
    settings = {"queue_size": 4} if arguments.toy and not arguments.beside_build else {}
    nominal = [part(i) for i in range(TOY_NOMINAL if arguments.toy else NOMINAL)]
    with (
        tempfile.TemporaryDirectory(prefix="nominal-load-") as folder,
        Machine(Path(folder), **settings) as machine,
    ):
        with httpx.Client(base_url=machine.url, timeout=300) as client:
            built_bank(client, BANK, nominal, CONFIG)
        faults = (
            beside_build(machine, clients, seconds)
            if arguments.beside_build
            else flood(machine, clients, seconds)
        )
    for fault in faults:
        print(f"BROKEN: {fault}")
    sys.exit(bool(faults))


def flood(machine: Machine, clients: int, seconds: float) -> list[str]:
    """All clients at once; what did not hold."""
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
        + [f"memory grew by {growth:.1%}"] * (growth > GROWTH)
        + ["nothing was answered"] * (not load.ids)
    )


def beside_build(machine: Machine, clients: int, seconds: float) -> list[str]:
    """The same clients alone and beside a build; what did not hold."""
    alone = asyncio.run(drive(machine, clients, seconds))
    tell(f"{clients} clients alone", alone, seconds)
    with httpx.Client(base_url=machine.url, timeout=300) as client:
        client.post("/v1/banks", json={"id": "other", "config": CONFIG | BUILD}).raise_for_status()
        upload(client, "other", [part(10_000 + i) for i in range(4 * NOMINAL)])
        job = client.post("/v1/banks/other/builds").raise_for_status().json()["id"]
        while client.get(f"/v1/jobs/{job}").raise_for_status().json()["stage"] in (None, "starting"):
            time.sleep(0.2)
        beside = asyncio.run(drive(machine, clients, seconds))
        after = client.get(f"/v1/jobs/{job}").raise_for_status().json()
        client.post(f"/v1/jobs/{job}/cancel")
    tell(
        f"{clients} clients beside a build ({after['stage']} {after['done']}/{after['total']})",
        beside,
        seconds,
    )
    slower = beside.percentile(95) / alone.percentile(95)
    print(f"p95 beside a build: {slower:.2f} times that alone")
    faults = alone.wrong + beside.wrong + [f"p95 rose by {slower:.2f}"] * (not slower <= SLOWER)
    return faults + [f"the build ended too early: {after['state']}"] * (after["state"] != "running")


async def drive(machine: Machine, clients: int, seconds: float) -> Load:
    """Every client sends, waits for the answer and sends again, until the time is over."""
    load, images = Load(), [part(50_000 + i, flaw=i % 8 == 0) for i in range(SENT)]
    started = time.monotonic()
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=machine.url, timeout=120, limits=limits) as client:
        watching = asyncio.create_task(watch_memory(machine, load, started))
        await asyncio.gather(
            *(one(client, load, images, number, started + seconds) for number in range(clients))
        )
        watching.cancel()
    return load


async def one(
    client: httpx.AsyncClient, load: Load, images: Sequence[bytes], number: int, end: float
) -> None:
    """One client, from its first image to the end."""
    while time.monotonic() < end:
        number += 1
        sent = time.monotonic()
        try:
            answer = await client.post(
                f"/v1/banks/{BANK}/inspect",
                content=images[number % SENT],
                headers={"Content-Type": "image/png"},
            )
        except httpx.HTTPError as error:
            load.wrong.append(f"no answer: {error!r}")
            return
        if answer.status_code == 200:
            load.seconds.append(time.monotonic() - sent)
            load.ids.append(answer.json()["id"])
        else:
            await asyncio.sleep(
                min(refusal(answer, load), end - time.monotonic()) if time.monotonic() < end else 0
            )


def refusal(answer: httpx.Response, load: Load) -> float:
    """Notes a refusal; the seconds after which to try again."""
    said = answer.headers.get("retry-after", "")
    if answer.status_code not in (429, 503) or not said.isdigit():
        load.wrong.append(f"{answer.status_code} with Retry-After {said!r}: {answer.text[:300]}")
        return 1.0
    load.refused[f"{answer.status_code} {answer.json()['type']}"] += 1
    return float(said)


async def watch_memory(machine: Machine, load: Load, started: float) -> None:
    """The server's resident memory, twice a second."""
    process = psutil.Process(machine.process.pid)
    while True:
        load.memory.append((time.monotonic() - started, process.memory_info().rss))
        await asyncio.sleep(0.5)


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
