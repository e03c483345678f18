"""Clients that inspect one image after another as fast as a server answers, and what they see of it."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
import numpy as np
import psutil

from bench.line import Machine, part

BANK = "line"
SENT = 64  # different images


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
