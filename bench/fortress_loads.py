"""What others do to a server beside a line: the loads of bench/fortress.py, each in a process of its own.

``python -m bench.fortress_loads NAME JSON`` says when it has begun, goes on until its standard input ends or its time
is over, and says what it got. Refused clients wait as long as Retry-After says. Loopback only.
"""

from __future__ import annotations

import asyncio
import io
import json
import math
import resource
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
from PIL import Image

from bench.line import part

LARGE_SIDE = 5000  # pixels: 25 megapixels
BATCH = 100
ADDRESSES = 4  # of this machine, that idle connections come from: one may have 1,024
FILES = 8192  # that the process may have open
TRICKLE_SECONDS = 1.0  # between two pieces of a slow body
PIECE = b"x" * 1100


@dataclass
class Party:
    """What a load has: a client, keys, how large it is (1 is whole), and what it counts."""

    client: httpx.AsyncClient
    url: str
    keys: dict[str, str]
    size: float
    got: Counter[str] = field(default_factory=Counter)
    parts: list[bytes] = field(default_factory=lambda: [part(90_000 + i) for i in range(8)])

    def many(self, count: int) -> int:
        """So many, or fewer in a toy."""
        return max(1, math.ceil(count * self.size))

    def key(self, name: str = "other") -> dict[str, str]:
        """The header of a key."""
        return {"Authorization": f"Bearer {self.keys[name]}"}

    async def call(self, method: str, path: str, key: str = "other", **request: Any) -> None:
        """One request; a refused one waits."""
        headers = {**self.key(key), **request.pop("headers", {})}
        try:
            answer = await self.client.request(method, path, headers=headers, **request)
        except httpx.HTTPError as error:
            self.got[type(error).__name__] += 1
            await asyncio.sleep(0.2)
            return
        self.got[str(answer.status_code)] += 1
        if answer.status_code >= 400:
            await asyncio.sleep(float(answer.headers.get("retry-after", 1)))


Load = Callable[[Party], Awaitable[None]]


async def together(count: int, one: Callable[[int], Awaitable[None]]) -> None:
    """So many clients, each asking again as soon as it is answered."""

    async def forever(number: int) -> None:
        while True:
            await one(number)

    await asyncio.gather(*(forever(number) for number in range(count)))


async def inspecting(party: Party, bank: str) -> None:
    async def one(number: int) -> None:
        image = party.parts[number % len(party.parts)]
        await party.call(
            "POST", f"/v1/banks/{bank}/inspect", content=image, headers={"Content-Type": "image/png"}
        )

    await together(party.many(64), one)


async def other_bank(party: Party) -> None:
    """64 clients of another bank."""
    await inspecting(party, "other")


async def same_bank(party: Party) -> None:
    """64 clients of the line's bank, by a key of normal priority."""
    await inspecting(party, "line")


async def batches(party: Party) -> None:
    """8 clients with batches of 100 to the line's bank."""
    count = party.many(BATCH)
    files = [("image", (f"{i}.png", party.parts[i % len(party.parts)], "image/png")) for i in range(count)]
    await together(
        party.many(8), lambda number: party.call("POST", "/v1/banks/line/inspect/batch", files=files)
    )


async def large(party: Party) -> None:
    """16 clients with JPEGs of 25 megapixels."""
    side = LARGE_SIDE if party.size == 1 else 600
    noise = np.random.default_rng(1).integers(40, 200, (side // 8, side // 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((side, side), Image.Resampling.BILINEAR).save(file, "JPEG", quality=90)
    image, headers = file.getvalue(), {"Content-Type": "image/jpeg"}
    await together(
        party.many(16),
        lambda number: party.call("POST", "/v1/banks/other/inspect", content=image, headers=headers),
    )


async def thumbnails(party: Party) -> None:
    """40 readers of small pictures of large nominal images, in sizes that none asked for before."""
    answer = await party.client.get("/v1/banks/other/images", params={"limit": 1000}, headers=party.key())
    images = sorted(answer.raise_for_status().json()["items"], key=lambda image: -image["bytes"])[:4]
    asked = iter(range(10**9))

    async def one(number: int) -> None:
        sha256, side = images[number % len(images)]["sha256"], 1024 - next(asked) % 1000
        await party.call("GET", f"/v1/banks/other/images/{sha256}/thumbnail", params={"side": side})

    await together(party.many(40), one)


async def connections(party: Party) -> None:
    """512 bodies that trickle at 1.1 kB/s, and 2,000 connections that say nothing."""
    where = urlsplit(party.url)

    async def opened(number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = (f"127.0.0.{2 + number % ADDRESSES}", 0)
        return await asyncio.open_connection(where.hostname, where.port, local_addr=address)

    async def idle(number: int) -> None:
        try:
            reader, writer = await opened(number)
            party.got["idle"] += 1
            await reader.read()
            writer.close()
        except OSError as error:
            party.got[type(error).__name__] += 1
        await asyncio.sleep(5)

    async def trickle(number: int) -> None:
        try:
            reader, writer = await opened(number)
            head = "POST /v1/banks/other/inspect HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
            head += f"Authorization: {party.key()['Authorization']}\r\nContent-Length: 9000000\r\n\r\n"
            writer.write(head.encode())
            party.got["trickling"] += 1
            while not reader.at_eof():
                writer.write(PIECE)
                await writer.drain()
                await asyncio.sleep(TRICKLE_SECONDS)
            writer.close()
        except OSError as error:
            party.got[type(error).__name__] += 1
        await asyncio.sleep(1)

    await asyncio.gather(together(party.many(2000), idle), together(party.many(512), trickle))


async def headers(party: Party) -> None:
    """8 connections that send headers without end, and again when they are cut."""
    where = urlsplit(party.url)

    async def one(number: int) -> None:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(where.hostname, where.port)
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
            for i in range(100_000):
                writer.write(b"X-%d: " % i + b"y" * 1000 + b"\r\n")
                await writer.drain()
                if writer.is_closing():
                    break
        party.got["cut"] += 1
        await asyncio.sleep(0.05)

    await together(party.many(8), one)


async def imports(party: Party) -> None:
    """2 clients that import a bank, 8 that have its conformance checked."""
    answer = await party.client.get("/v1/banks/other/versions/1/bundle", headers=party.key("admin"))
    bundle = answer.raise_for_status().content

    async def one(number: int) -> None:
        if number < 2:
            await party.call(
                "POST", "/v1/banks/other/import", "admin", params={"activate": "false"}, content=bundle
            )
        else:
            await party.call("GET", "/v1/banks/other/health", params={"check": "true"})

    await together(max(2, party.many(10)), one)


async def metrics(party: Party) -> None:
    """16 loops on /metrics."""
    await together(party.many(16), lambda number: party.call("GET", "/metrics"))


ALONE = (other_bank, same_bank, batches, large, thumbnails, connections, headers, imports, metrics)


async def everything(party: Party) -> None:
    """All of them at once."""
    parties = {load: replace(party, got=Counter()) for load in ALONE}
    try:
        await asyncio.gather(*(load(each) for load, each in parties.items()))
    finally:
        party.got.update({load.__name__: each.got.total() for load, each in parties.items()})


LOADS: dict[str, Load] = {load.__name__: load for load in (*ALONE, everything)}


async def run(name: str, url: str, keys: dict[str, str], size: float, seconds: float) -> Counter[str]:
    """One load until its time is over, or its standard input ends."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        party = Party(client, url, keys, size)
        load = asyncio.ensure_future(LOADS[name](party))
        ended = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
        print("begun", flush=True)
        await asyncio.wait({load, ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        load.cancel()
        with suppress(asyncio.CancelledError):
            await load
    return party.got


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, FILES) if hard >= 0 else FILES, hard))
    started = time.monotonic()
    got = asyncio.run(run(sys.argv[1], **json.loads(sys.argv[2])))
    took = time.monotonic() - started
    print(", ".join(f"{count / took:.1f}/s {kind}" for kind, count in got.most_common()) or "nothing")


if __name__ == "__main__":
    main()
