"""Does every event leave once, soon, and without holding the line up?

``python -m bench.events`` records inspections in a store of its own on SQLite, with Debian's mosquitto and a receiver
of webhooks on loopback, and prints

- what a sink adds to recording an inspection, and a sink that is down or hangs: p50 and p95, both ways turn by turn;
- the time from the commit to the subscriber and to the receiver;
- 10,000 events through 5 SIGKILLs of the broker and 5 of the server: how many were lost, came twice or out of order.

It exits with 1 where an event was lost, or a target of ../shared/SCALE.md was missed; ``--toy`` is short, judges no
times, and kills a process that has only a store and a relay. Otherwise the tables go into docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from app.events import managing
from app.events.relay import Relay
from app.ops.observed import Metrics
from app.settings import Settings
from app.store.schema import Inspection
from app.store.store import Store, open_store
from bench.broker import Broker, Subscriber, find_mosquitto, persistent
from bench.line import AT_ONCE, Machine
from bench.receivers import Came, hanging, receiver
from bench.tables import PERFORMANCE, machine, replace_section, table

LOOPBACK = ["127.0.0.0/8"]
MOST_ADDED, MOST_TO_SUBSCRIBER = 1.5, 50.0  # milliseconds: at p50, at p95
BANKS = 8
WAIT_SECONDS = 900.0
RELAY = "--relay"


def main() -> None:
    if sys.argv[1:2] == [RELAY]:
        return only_relay(Path(sys.argv[2]))
    parser = argparse.ArgumentParser(prog="python -m bench.events", description=__doc__)
    parser.add_argument("--toy", action="store_true")
    toy = parser.parse_args().toy
    if find_mosquitto() is None:
        raise SystemExit("the bench needs mosquitto: apt-get install mosquitto")
    with tempfile.TemporaryDirectory(prefix="nominal-events-") as name:
        folder = Path(name)
        added, rows = recording(folder / "recording", 10 if toy else 600)
        slowest, more = arriving(folder / "arriving", 10 if toy else 500)
        times = table(("", "p50 ms", "p95 ms"), rows + more)
        print(times + "\n", flush=True)
        lost, kills = killed(folder / "killed", *((120, 1) if toy else (10_000, 5)), toy)
    counts = table(("120 events" if toy else "10,000 events", "lost", "came twice", "out of order"), kills)
    print(counts)
    if not toy:
        said = f"Machine: {machine()}. Command: `make bench-line`."
        replace_section("events", f"{times}\n\n{counts}\n\n{said}", PERFORMANCE)
    faults = [f"a sink adds {added:.2f} ms"] if added > MOST_ADDED else []
    faults += [f"{slowest:.0f} ms to the subscriber"] if slowest > MOST_TO_SUBSCRIBER else []
    for fault in faults:
        print(f"missed: {fault}")
    sys.exit(bool(lost) or (bool(faults) and not toy))


# What recording costs


def recording(folder: Path, count: int) -> tuple[float, list[tuple[str, str, str]]]:
    """(milliseconds that a sink adds at p50, a row each)."""
    with store_in(folder) as store, receiver() as (url, _), hanging() as slow:
        relay = started(store)
        places = {
            "no sink": "",
            "a webhook": url,
            "one that is down": "http://127.0.0.1:9/",
            "one that hangs": slow,
        }
        for name, place in places.items():
            if place:
                webhook(relay, _slug(name), place, enabled=False)
        seconds: dict[str, list[float]] = {name: [] for name in places}
        turns = 3
        for _ in range(turns):
            for name, place in places.items():
                if place:
                    managing.change(relay, _slug(name), {"enabled": True}, actor="bench")
                seconds[name] += [record(store, "caps")[1] for _ in range(count // turns)]
                if place:
                    managing.change(relay, _slug(name), {"enabled": False}, actor="bench")
        relay.stop(10)
    added = float(np.median(seconds["a webhook"]) - np.median(seconds["no sink"])) * 1e3
    rows = [row(f"recording, {name}", each) for name, each in seconds.items()]
    return added, rows


def arriving(folder: Path, count: int) -> tuple[float, list[tuple[str, str, str]]]:
    """(p95 in milliseconds of the slower sink, a row each)."""
    mqtt = Came()
    with (
        store_in(folder) as store,
        receiver() as (url, hook),
        Broker(folder / "broker") as broker,
        Subscriber(broker.port, "nominal/+/+", lambda message: mqtt.hear(message.payload)),
    ):
        relay = started(store)
        webhook(relay, "hook", url)
        broker_sink(relay, broker)
        await_(lambda: all(sink.owner is not None for sink in store.sinks.all()))
        time.sleep(0.5)
        at = {}
        for _ in range(count):
            id, _ = record(store, "caps")
            at[id] = time.monotonic()
            time.sleep(0.05)
        await_(lambda: store.outbox.depths() == {})
        relay.stop(10)
    taken = {name: [came.at[id] - at[id] for id in at if id in came.at] for name, came in
             (("the MQTT subscriber", mqtt), ("the webhook", hook))}  # fmt: skip
    rows = [row(f"from the commit to {name}", each) for name, each in taken.items()]
    return max(1e3 * float(np.percentile(each, 95)) for each in taken.values()), rows


# What kills do


def killed(folder: Path, count: int, kills: int, toy: bool) -> tuple[int, list[tuple[str, ...]]]:
    """(events lost, a row each) of a broker and a server that are killed so many times each, turn by turn."""
    mqtt, banks = Came(), {f"bank-{n}": list[str]() for n in range(BANKS)}
    with ExitStack() as stack:
        enter = stack.enter_context
        store, (url, hook) = enter(store_in(folder)), enter(receiver())
        broker = enter(Broker(folder / "broker", *persistent(folder / "broker")))
        enter(Subscriber(broker.port, "nominal/+/+", lambda message: mqtt.hear(message.payload)))
        relay = started(store)
        webhook(relay, "hook", url)
        broker_sink(relay, broker)
        relay.stop(10)
        server = enter(Relaying(folder) if toy else serving(folder))
        writer = threading.Thread(target=_write, args=(store, banks, count))
        writer.start()
        for turn in range(1, 2 * kills + 1):
            share = turn / (2 * kills + 1)
            await_(lambda share=share: len(hook.at) >= share * count)  # type: ignore[misc]
            victim: Any = broker if turn % 2 else server
            victim.kill()
            victim.start()
        writer.join()
        await_(lambda: store.outbox.depths() == {})
        await_(lambda: len(mqtt.at) >= count, 10)
    found = {"MQTT": mqtt.verdict(banks), "webhook": hook.verdict(banks)}
    rows = [(name, *map(str, figures)) for name, figures in found.items()]
    return sum(figures[0] for figures in found.values()), rows


def _write(store: Store, banks: dict[str, list[str]], count: int) -> None:
    for n in range(count):
        bank = f"bank-{n % BANKS}"
        banks[bank].append(record(store, bank)[0])


class Relaying(AbstractContextManager["Relaying"]):
    """A process that has only a store and its relay."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.start()

    def start(self) -> None:
        """Again after a kill."""
        command = [sys.executable, "-m", "bench.events", RELAY, str(self._folder)]
        self._process = subprocess.Popen(command)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()

    def __exit__(self, *_: object) -> None:
        self.kill()


@contextmanager
def serving(folder: Path) -> Iterator[Machine]:
    """``nominal serve`` over the folder."""
    given = {"sink_addresses": json.dumps(LOOPBACK), "console": "false"}
    with Machine(folder / "data", **AT_ONCE, **given) as server:
        yield server


def only_relay(folder: Path) -> None:
    """Until it is killed."""
    with store_in(folder) as store:
        started(store)
        signal.pause()


# What both need


@contextmanager
def store_in(folder: Path) -> Iterator[Store]:
    """A store that webhooks of this machine may be reached from."""
    settings = Settings(data_dir=folder / "data", disk_reserve_bytes=0, sink_addresses=LOOPBACK)
    with open_store(settings) as store:
        yield store


def started(store: Store) -> Relay:
    """A relay beside it."""
    relay = Relay(store, store._settings, Metrics())
    relay.start()
    return relay


def webhook(relay: Relay, name: str, url: str, enabled: bool = True) -> None:
    """A sink."""
    target = managing.target_of({"kind": "webhook", "url": url})
    managing.create(relay, name, target, actor="bench", enabled=enabled)


def broker_sink(relay: Relay, broker: Broker) -> None:
    """A sink."""
    target = managing.target_of({"kind": "mqtt", "host": "127.0.0.1", "port": broker.port})
    managing.create(relay, "broker", target, actor="bench")


def record(store: Store, bank: str) -> tuple[str, float]:
    """(the event's id, seconds that recording an inspection took)."""
    new = Inspection(
        bank=bank, version=1, width=640, height=480, score=5.0, review_threshold=3.0, reject_threshold=4.0,
        decision="reject", regions=[], timings={"queue": 0.001}, digests={"bank": "0" * 64},
    )  # fmt: skip
    began = time.perf_counter()
    store.inspections.add([new])
    return f"{new.id}.decided", time.perf_counter() - began


def await_(holds: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
    """Returns once it holds, or after so many seconds."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)


def row(name: str, seconds: list[float]) -> tuple[str, str, str]:
    """Of the table."""
    p50, p95 = (f"{1e3 * float(np.percentile(seconds, q)):.1f}" for q in (50, 95))
    return name, p50, p95


def _slug(name: str) -> str:
    return name.replace(" ", "-")


if __name__ == "__main__":
    main()
