"""How soon do controllers see a decision, and does serving them hold the line up?

``python -m bench.controllers`` records inspections in a store of its own on SQLite, with an OPC UA and a Modbus server
as sinks and a real client of each on loopback, and prints

- what recording an inspection takes with and without them, and with one whose port is taken, turn by turn: p50 and p95;
- the time from the commit to an OPC UA client's event (published every 10 ms), and to a Modbus client that reads its
  unit as fast as it is answered, with the handshake and without;
- how many results were missed or came in another order.

It exits with 1 where one was, but for a Modbus client without the handshake, which may miss one that is followed at
once. ``--toy`` is short; otherwise the tables go into docs/performance.md.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asyncua import Client
from pymodbus.client import ModbusTcpClient

from app.events import managing
from app.events import modbus_map as at
from app.events.opcua_space import NAMESPACE
from app.events.relay import Relay
from app.store.store import Store
from bench.events import await_, record, row, started, store_in
from bench.receivers import Came
from bench.tables import PERFORMANCE, machine, replace_section, table

BANK, TURNS = "caps", 3
PUBLISH_MS = 10
PAUSE_SECONDS = 0.05  # between two parts
PLAIN, SHAKING = "Modbus", "Modbus with the handshake"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.controllers", description=__doc__)
    parser.add_argument("--toy", action="store_true")
    toy = parser.parse_args().toy
    with tempfile.TemporaryDirectory(prefix="nominal-controllers-") as name:
        recorded = recording(Path(name) / "recording", 9 if toy else 600)
        arrived, counts = arriving(Path(name) / "arriving", 10 if toy else 500)
    times = table(("", "p50 ms", "p95 ms"), recorded + arrived)
    found = table(("", "results", "missed", "out of order"), counts)
    print(f"{times}\n\n{found}")
    if not toy:
        said = f"Machine: {machine()}. Command: `make bench-line`."
        replace_section("controllers", f"{times}\n\n{found}\n\n{said}", PERFORMANCE)
    sys.exit(any(wrong != "0" or (missed != "0" and name != PLAIN) for name, _, missed, wrong in counts))


def recording(folder: Path, count: int) -> list[tuple[str, str, str]]:
    """A row each of what recording takes."""
    with store_in(folder) as store, socket.create_server(("127.0.0.1", 0)) as taken:
        relay = started(store)
        sinks = {"no controller": None, "OPC UA": opcua(relay), PLAIN: modbus(relay, PLAIN)}
        sinks["one whose port is taken"] = modbus(relay, "taken", port=taken.getsockname()[1])
        seconds: dict[str, list[float]] = {name: [] for name in sinks}
        for _ in range(TURNS):
            for name, sink in sinks.items():
                if sink is not None:
                    switch(relay, sink, True)
                seconds[name] += [record(store, BANK)[1] for _ in range(count // TURNS)]
                if sink is not None:
                    switch(relay, sink, False)
        relay.stop(10)
    return [row(f"recording, {name}", each) for name, each in seconds.items()]


def arriving(folder: Path, count: int) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str, str]]]:
    """(a row each of the times from the commit, a row each of what was missed)."""
    came = {"OPC UA": Came(), PLAIN: Came(), SHAKING: Came()}
    with store_in(folder) as store:
        relay = started(store)
        opcua(relay)
        modbus(relay, PLAIN)
        modbus(relay, SHAKING, acknowledge=True)
        for sink in store.sinks.all():
            switch(relay, sink.id, True)
        with (
            subscribed(port_of(store, "opcua"), came["OPC UA"]),
            scanning(port_of(store, _slug(PLAIN)), came[PLAIN], False),
            scanning(port_of(store, _slug(SHAKING)), came[SHAKING], True),
        ):
            committed = {}
            for _ in range(count):
                id, _ = record(store, BANK)
                committed[id] = time.monotonic()
                time.sleep(PAUSE_SECONDS)
            await_(lambda: store.outbox.depths() == {}, 60)
            await_(lambda: all(len(each.at) >= count for each in came.values()), 10)
        relay.stop(10)
    times, counts = [], []
    for name, each in came.items():
        taken = [each.at[id] - moment for id, moment in committed.items() if id in each.at]
        missed, _, wrong = each.verdict({BANK: [*committed]})
        times.append(row(f"from the commit to {name}", taken))
        counts.append((name, str(count), str(missed), str(wrong)))
    return times, counts


# Sinks


def opcua(relay: Relay) -> str:
    """Made, switched off."""
    said = {"kind": "opcua", "port": _free_port(), "security": "none", "anonymous": True}
    return _made(relay, "opcua", said)


def modbus(relay: Relay, name: str, **given: Any) -> str:
    """Made, switched off."""
    return _made(relay, _slug(name), {"kind": "modbus", "port": _free_port(), "units": {BANK: 1}, **given})


def switch(relay: Relay, sink: str, on: bool) -> None:
    """Returns once its server listens, or has failed to; or once it has ended."""
    row = managing.change(relay, sink, {"enabled": on}, actor="bench")
    if not on:
        return await_(lambda: relay.store.sinks.get(sink).owner is None, 30)
    try:
        asyncio.run(relay.sample(row))
    except Exception as error:  # its port is taken, as it should be
        print(f"{sink}: {error}", file=sys.stderr)


def port_of(store: Store, sink: str) -> int:
    """Where it listens."""
    return int(store.sinks.get(sink).target["port"])


# Clients


@contextmanager
def subscribed(port: int, came: Came) -> Iterator[None]:
    """An OPC UA client that hears every result, from when the block begins."""
    ready, over = threading.Event(), threading.Event()

    class Heard:
        def event_notification(self, event: Any) -> None:
            came.hear_of(f"{event.ResultId}.decided")

    async def listen() -> None:
        async with Client(f"opc.tcp://127.0.0.1:{port}/nominal", timeout=30) as client:
            index = await client.get_namespace_index(NAMESPACE)
            subscription = await client.create_subscription(PUBLISH_MS, Heard())
            kind = await client.nodes.base_event_type.get_child(f"{index}:ResultReadyEventType")
            await subscription.subscribe_events(client.nodes.server, kind)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(listen(),))
    thread.start()
    ready.wait(60)
    yield
    over.set()
    thread.join()


@contextmanager
def scanning(port: int, came: Came, acknowledges: bool) -> Iterator[None]:
    """A Modbus client that reads its unit again and again, as a controller's cycle does."""
    over = threading.Event()

    def scan() -> None:
        last = 0
        with ModbusTcpClient("127.0.0.1", port=port, timeout=30) as client:
            while not over.wait(0.002):
                words = client.read_holding_registers(0, count=at.REGISTERS, device_id=1).registers
                if words[at.SEQUENCE] in (0, last):
                    continue
                last = words[at.SEQUENCE]
                id = struct.pack(">8H", *words[at.INSPECTION : at.SERIAL]).hex()
                parts = id[:8], id[8:12], id[12:16], id[16:20], id[20:]
                came.hear_of(f"{'-'.join(parts)}.decided")
                if acknowledges:
                    client.write_register(at.ACKNOWLEDGE, last, device_id=1)

    thread = threading.Thread(target=scan)
    thread.start()
    yield
    over.set()
    thread.join()


def _made(relay: Relay, name: str, target: dict[str, Any]) -> str:
    managing.create(relay, name, managing.target_of(target), actor="bench", enabled=False)
    return name


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


if __name__ == "__main__":
    main()
