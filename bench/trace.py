"""How far does a request go? Files, functions and calls that it enters over HTTP, the service in this process.

``python -m bench.trace`` learns a bank of imaginary parts, then speaks ASGI to the service and counts on every thread:
event loop, decoders, inference, ledger. ``--files`` lists the files too, in the order in which they were first entered,
each with its functions in the order of its source: that is the way to shorten. ``--json`` prints it all as JSON.

What counts:

- files of the packages app, core and models, by their paths in the repository;
- functions, methods, lambdas and comprehensions, each by file and qualified name; what dataclasses and pydantic
  generate is in no file and does not count;
- a call is a frame that begins; a coroutine or generator that goes on after a wait is still the same call.

The service is warm: the bank is in memory, and a request of the same kind was answered before. It runs as ``nominal
serve`` does, with its worker, but torch computes in float32 on one thread, console, telemetry and log lines are off,
and no API key is configured. Retention and the watch over leases sleep meanwhile. Before each request nothing may have
been entered for a moment, and counting ends when that is so again. Of ``ROUNDS`` requests the one of the fewest calls
is printed: whether keys are needed is looked up anew every two seconds, and that is not part of the way.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from app.main import create_app
from app.settings import Settings
from bench.line import AT_ONCE, EMBEDDED, part
from bench.tables import table
from bench.way import Tracer, Way

BANK = "/v1/banks/traced"
SIDE, NOMINAL = 64, 24  # pixels of a part, parts learnt
ROUNDS, TRIES = 3, 20
LATER = 24 * 3600.0  # seconds; no upkeep until then
HEAD = ["one request", "files", "functions", "calls"]

Send = Callable[[int], Awaitable[httpx.Response]]
"""Sends a request of its kind, another one for each number."""


@dataclass(frozen=True)
class Kind:
    """A kind of request. fits: whether an answer is of the kind; after: what is done between two of them."""

    name: str
    send: Send
    fits: Callable[[httpx.Response], bool] = lambda answer: answer.is_success
    after: Callable[[httpx.Response], Awaitable[object]] | None = None


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.trace",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--files", action="store_true", help="list the files entered, with their functions")
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")
    options = parser.parse_args()
    found = asyncio.run(ways())
    if options.json:
        print(json.dumps({name: way.document() for name, way in found.items()}, indent=2))
        return
    print(described(found))
    if options.files:
        print(*(listed(name, way) for name, way in found.items()), sep="\n", end="")


async def ways() -> dict[str, Way]:
    """The way of each kind of request. Raises SystemExit where the service does not do as it is asked."""
    tracer = Tracer()
    with tracer.tracing(), tempfile.TemporaryDirectory(prefix="nominal-trace-") as folder:
        async with serving(Path(folder)) as client:
            await learn(client)
            numbers = count(NOMINAL)
            return {kind.name: await shortest(tracer, kind, numbers) for kind in kinds(client)}


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that is ready, both on this event loop; its worker is a process of its own."""
    logging.getLogger().addHandler(silent := logging.NullHandler())
    settings = Settings(
        _env_prefix="NOMINAL_TRACE_",  # the caller's settings are for another service
        data_dir=folder,
        console=False,
        threads=1,
        log_level="error",
        lease_seconds=LATER,
        retention_interval_seconds=LATER,
        **EMBEDDED,
        **AT_ONCE,
    )
    app = create_app(settings)
    try:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", timeout=600
            ) as client,
        ):
            while not (await client.get("/readyz")).is_success:
                await asyncio.sleep(0.1)
            yield client
    finally:
        logging.getLogger().removeHandler(silent)


async def learn(client: httpx.AsyncClient) -> None:
    """Make the bank and its first version."""
    config = {"target_false_reject": 0.1, "input": {"size": SIDE, "fit": "stretch", "crop": None}}
    made = await client.post("/v1/banks", json={"id": BANK.rpartition("/")[2], "config": config})
    made.raise_for_status()
    files = [("file", (f"{i}.png", part(i, SIDE), "image/png")) for i in range(NOMINAL)]
    (await client.post(f"{BANK}/images", files=files)).raise_for_status()
    job = await ended(
        client, (await client.post(f"{BANK}/builds", json={"groups": "none"})).raise_for_status()
    )
    if job["state"] != "succeeded":
        raise SystemExit(f"the bank must be built; the job {job['state']}: {job['error']}")


def kinds(client: httpx.AsyncClient) -> list[Kind]:
    """What is traced, in this order: the last one changes the service most."""

    def inspecting(flaw: bool) -> Send:
        return lambda n: client.post(
            f"{BANK}/inspect", content=part(n, SIDE, flaw), headers={"Content-Type": "image/png"}
        )

    def decided(decision: str) -> Callable[[httpx.Response], bool]:
        return lambda answer: answer.is_success and answer.json()["decision"] == decision

    def upload(n: int) -> Awaitable[httpx.Response]:
        return client.post(f"{BANK}/images", files=[("file", (f"{n}.png", part(n, SIDE), "image/png"))])

    async def cancel(answer: httpx.Response) -> None:
        await client.post(f"/v1/jobs/{answer.json()['id']}/cancel")
        await ended(client, answer)

    return [
        Kind("accepted image", inspecting(flaw=False), decided("accept")),
        Kind("rejected image", inspecting(flaw=True), decided("reject")),
        Kind("upload of an image", upload),
        Kind("/livez", lambda n: client.get("/livez")),
        Kind(
            "start of a build", lambda n: client.post(f"{BANK}/builds", json={"groups": "none"}), after=cancel
        ),
    ]


async def shortest(tracer: Tracer, kind: Kind, numbers: count[int]) -> Way:
    """Of ``ROUNDS`` requests after a first the way of the fewest calls."""
    found: list[Way] = []
    for _ in range(TRIES):
        number = next(numbers)
        answer, way = await tracer.way(lambda number=number: kind.send(number))  # type: ignore[misc]
        if kind.after is not None:
            await kind.after(answer)
        if kind.fits(answer):
            found.append(way)
        if len(found) > ROUNDS:
            return min(found[1:], key=lambda way: way.calls)
    raise SystemExit(
        f"{kind.name}: of {TRIES} answers {len(found)} were of the kind; the last is {answer.text}"
    )


async def ended(client: httpx.AsyncClient, started: httpx.Response) -> dict[str, Any]:
    """The build job once it has ended."""
    while True:
        job: dict[str, Any] = (await client.get(f"/v1/jobs/{started.json()['id']}")).raise_for_status().json()
        if job["state"] not in ("queued", "running"):
            return job
        await asyncio.sleep(0.1)


def described(found: dict[str, Way]) -> str:
    """The table, as markdown."""
    return table(HEAD, [[name, f"{w.files}", f"{w.functions}", f"{w.calls}"] for name, w in found.items()])


def listed(name: str, way: Way) -> str:
    """The files of a way, each with its functions; ``x 3`` is one called three times."""
    lines = [f"\n{name}: {way.files} files, {way.functions} functions, {way.calls} calls"]
    for file, functions in way.entered.items():
        lines.append(f"  {file}")
        lines += [f"      {function}{f' x {n}' if n > 1 else ''}" for function, n in functions.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
