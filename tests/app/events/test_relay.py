"""The relay on a real store: order for each bank, again until acknowledged, dead and resent, one relay a sink."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from event_kit import Receiver, impatient, reply
from service_kit import wait_until

from app.errors import EventRefused
from app.events import managing
from app.events.relay import Relay
from app.ops.observed import Metrics
from app.store.outbox import Depth
from app.store.store import Store
from bench.broker import Broker, Subscriber, find_mosquitto, persistent

Inspected = Callable[..., str]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)


def webhook(relay: Relay, receiver: Receiver, id: str = "mes", seconds: float = 5.0, **given: Any) -> None:
    """A sink that the relay has."""
    said = {"kind": "webhook", "url": receiver.url, "timeout_seconds": seconds}
    managing.create(relay, id, managing.target_of(said), actor="test", **given)
    wait_until(lambda: relay.store.sinks.get(id).owner is not None)


def settled(store: Store) -> bool:
    return store.outbox.depths() == {}


def test_events_of_a_bank_arrive_in_order_each_once_and_the_sink_says_so(
    store: Store, relay: Relay, metrics: Metrics, receiver: Receiver, inspected: Inspected
) -> None:
    webhook(relay, receiver, decisions=["reject"])
    ids = [inspected(bank) for _ in range(20) for bank in ("caps", "lids")]
    inspected(decision="accept")
    wait_until(lambda: settled(store))
    for bank in range(2):
        assert [id for id in receiver.ids if id in ids[bank::2]] == ids[bank::2]
    assert sorted(receiver.ids) == sorted(ids)
    row = store.sinks.get("mes")
    assert (row.delivered, row.error) == (40, None)
    wait_until(lambda: b'nominal_events_delivered_total{sink="mes"} 40.0' in metrics.render()[0])


def test_a_refused_event_holds_its_bank_only_and_is_dead_at_last_then_resent(
    store: Store, receiver: Receiver, inspected: Inspected, metrics: Metrics
) -> None:
    relay = Relay(store, store._settings.model_copy(update={"event_tries": 3}), metrics)
    relay.start()
    refuses = [True]

    def answer(handler: Any) -> None:
        body = json.loads(receiver.came[-1][1])
        reply(handler, 422 if refuses[0] and body["data"]["serial"] == "bad" else 204)

    receiver.answer = answer
    webhook(relay, receiver)
    ids = [inspected(serial="bad"), inspected(), inspected("lids")]
    wait_until(lambda: store.outbox.depths() == {"mes": Depth(dead=1)})
    assert [receiver.ids.count(id) for id in ids] == [3, 1, 1]
    assert receiver.ids.index(ids[2]) < receiver.ids.index(ids[1])
    [dead] = store.outbox.page("mes", "dead").items
    assert (dead.id, dead.tries) == (ids[0], 3)
    assert dead.error is not None
    assert "status 422" in dead.error
    refuses[0] = False
    assert store.outbox.resend("mes", [ids[0]], actor="test") == 1
    wait_until(lambda: settled(store))
    assert receiver.ids[-1] == ids[0]
    relay.stop(10)


def test_a_sink_that_is_down_loses_nothing_and_another_one_hears_at_once(
    store: Store, relay: Relay, receiver: Receiver, inspected: Inspected
) -> None:
    down, hung = [True], threading.Event()

    def answer(handler: Any) -> None:
        if down[0]:
            hung.wait(1)
        reply(handler, 204)

    receiver.answer = answer
    webhook(relay, receiver, "hangs", 0.2)
    ids = [inspected() for _ in range(30)]
    other = Receiver(port=receiver.port)
    started = time.monotonic()
    webhook(relay, other, "gone", banks=["lids"])
    wait_until(lambda: store.sinks.get("hangs").error is not None)
    assert "none within 0.2 s" in (store.sinks.get("hangs").error or "")
    assert time.monotonic() - started < 20
    down[0] = False
    hung.set()
    wait_until(lambda: settled(store))
    assert list(dict.fromkeys(receiver.ids)) == ids
    assert store.sinks.get("hangs").error is None


def test_of_two_relays_one_has_the_sink_and_the_other_takes_it_once_it_is_silent(
    store: Store, relay: Relay, receiver: Receiver, inspected: Inspected, metrics: Metrics
) -> None:
    webhook(relay, receiver)
    other = Relay(store, store._settings, metrics)
    other.start()
    try:
        first = inspected()
        wait_until(lambda: settled(store))
        assert (receiver.ids, other._couriers) == ([first], {})
        token = store.sinks.get("mes").token
        relay._couriers["mes"][1].stop()
        relay._look = other_look  # type: ignore[method-assign, assignment]  # it beats no more
        second = inspected()
        wait_until(lambda: settled(store))
        assert receiver.ids == [first, second]
        assert store.sinks.get("mes").token > token
    finally:
        other.stop(10)


async def other_look() -> None:
    """Nothing."""


def test_a_change_counts_at_once_and_what_is_off_waits(
    store: Store, relay: Relay, receiver: Receiver, inspected: Inspected
) -> None:
    webhook(relay, receiver)
    managing.change(relay, "mes", {"enabled": False}, actor="test")
    inspected()
    assert settled(store)
    managing.change(relay, "mes", {"enabled": True, "kinds": ["decided"]}, actor="test")
    id = inspected()
    wait_until(lambda: settled(store))
    assert receiver.ids == [id]
    managing.delete(relay, "mes", actor="test")
    inspected()
    assert (store.sinks.all(), store.outbox.depths()) == ([], {})


def test_a_sample_is_sent_past_what_waits_and_says_why_it_was_not(relay: Relay, receiver: Receiver) -> None:
    said = managing.target_of({"kind": "webhook", "url": receiver.url})
    row, _ = managing.create(relay, "mes", said, actor="test", enabled=False)
    assert asyncio.run(relay.sample(row)) < 5
    assert json.loads(receiver.came[-1][1])["type"] == "nominal.sink.sample"
    receiver.answer = lambda handler: reply(handler, 403)
    with pytest.raises(EventRefused, match="status 403"):
        asyncio.run(relay.sample(row))


@pytest.mark.skipif(find_mosquitto() is None, reason="no mosquitto here; Debian's package has it")
def test_a_broker_that_is_killed_gets_what_it_missed(
    store: Store, relay: Relay, inspected: Inspected, tmp_path: Path
) -> None:
    came: list[str] = []
    with (
        Broker(tmp_path / "broker", *persistent(tmp_path / "broker")) as broker,
        Subscriber(broker.port, "nominal/+/decided", lambda m: came.append(json.loads(m.payload)["id"])),
    ):
        said = {"kind": "mqtt", "host": "127.0.0.1", "port": broker.port}
        managing.create(relay, "broker", managing.target_of(said), actor="test")
        ids = [inspected() for _ in range(5)]
        wait_until(lambda: len(came) == 5)
        broker.kill()
        ids += [inspected() for _ in range(5)]
        wait_until(lambda: "refused" in (store.sinks.get("broker").error or "").lower())
        broker.start()
        wait_until(lambda: settled(store) and len({*came}) == 10)
    assert list(dict.fromkeys(came)) == ids
