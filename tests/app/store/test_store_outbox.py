"""The outbox: events in the transaction of what they tell of, for the sinks that want them; settled, dead, swept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from store_backends import SteppedClock, fresh_settings

from app.settings import Settings
from app.store.envelopes import drift
from app.store.errors import AlreadyExists, IllegalId, IllegalValue, LeaseLost, NotFound
from app.store.outbox import Refused, emit
from app.store.schema import Inspection
from app.store.sinks import MOST, has_ended, own_name
from app.store.store import Store, open_store

Make = Callable[..., Inspection]
URL = {"kind": "webhook", "url": "https://mes.example/"}


def sink(store: Store, id: str = "mes", **given: Any) -> int:
    """A sink, and the token of a relay that has it."""
    store.sinks.create(id, "webhook", URL, actor="cli", secret="whsec_a", **given)
    token = store.sinks.claim(store.sinks.get(id), own_name())
    assert token is not None
    return token


def kinds(store: Store, id: str = "mes") -> list[str]:
    return [event.kind for event in store.outbox.window(id, 100)]


def test_each_change_is_an_event_as_cloudevents_say(
    store: Store, bank: str, put: Callable[[bytes], str], make_inspection: Make
) -> None:
    sink(store)
    seen = make_inspection(decision="reject", serial="7", station="left", location={"located": False})
    store.inspections.add([seen])
    store.reviews.add(seen.id, "confirmed_defect", actor="anna", kind="scratch")
    store.reviews.add(seen.id, "withdrawn", actor="anna")
    store.versions.add(bank, sha256=put(b"bank"), size=4, summary={}, actor="cli")
    store.versions.activate(bank, 1, actor="cli")
    store.versions.quarantine(bank, 1, reason="damaged", actor="cli")
    store.banks.update(bank, reject_threshold=4.0, note="glare", actor="cli")
    with store.database.write() as session:
        emit(session, lambda: drift(bank, "left", "d1", store.clock.now(), {"cause": "brightness"}))
    events = store.outbox.window("mes", 100)
    assert [e.kind for e in events] == [
        "decided", "reviewed", "reviewed", "activated", "unhealthy", "thresholds", "drift"
    ]  # fmt: skip
    bodies = [json.loads(event.body) for event in events]
    for event, body in zip(events, bodies, strict=True):
        assert (body["specversion"], body["id"], body["source"]) == ("1.0", event.id, f"/v1/banks/{bank}")
        assert (body["datacontenttype"], body["time"][-1]) == ("application/json", "Z")
    assert len({event.id for event in events}) == len(events)
    decided = bodies[0]
    assert (decided["type"], decided["id"]) == ("nominal.inspection.decided", f"{seen.id}.decided")
    assert decided["subject"] == f"inspections/{seen.id}"
    data = decided["data"]
    assert (data["decision"], data["serial"], data["station"], data["located"]) == (
        "reject",
        "7",
        "left",
        False,
    )
    assert [bodies[1]["data"]["kind"], bodies[2]["data"]["verdict"]] == ["scratch", "withdrawn"]
    assert bodies[3]["data"] == {
        "bank": bank, "version": 1, "before": None, "sha256": bodies[3]["data"]["sha256"], "actor": "cli"
    }  # fmt: skip
    assert [bodies[n]["data"].get(name) for n, name in ((4, "reason"), (5, "note"), (6, "cause"))] == [
        "damaged", "glare", "brightness"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "kinds_of"),
    [
        ({}, ["decided", "decided", "thresholds"]),
        ({"kinds": ["thresholds"]}, ["thresholds"]),
        ({"decisions": ["reject"]}, ["decided", "thresholds"]),
        ({"stations": ["left"]}, ["decided", "thresholds"]),
        ({"banks": ["others"]}, []),
        ({"enabled": False}, []),
    ],
)
def test_only_what_a_sink_wants_is_written(
    store: Store, bank: str, make_inspection: Make, wanted: dict[str, Any], kinds_of: list[str]
) -> None:
    store.sinks.create("mes", "webhook", URL, actor="cli", **wanted)
    rows = [make_inspection(decision="reject"), make_inspection(station="left")]
    store.inspections.add(rows)
    store.banks.update(bank, reject_threshold=4.0, actor="cli")
    assert kinds(store) == kinds_of


def test_a_store_without_sinks_writes_none_and_one_made_elsewhere_counts_at_once(
    store: Store, settings: Settings, bank: str, make_inspection: Make
) -> None:
    store.inspections.add([make_inspection()])
    with open_store(settings) as other:
        sink(other)
        store.inspections.add([make_inspection()])
        assert kinds(other) == ["decided"]
        other.sinks.update("mes", {"kinds": ["reviewed"]}, actor="cli")
        store.inspections.add([make_inspection()])
        assert kinds(other) == ["decided"]
        other.sinks.delete("mes", actor="cli")
        store.inspections.add([make_inspection()])
    assert store.outbox.depths() == {}


def test_what_is_rolled_back_was_no_event_and_who_hears_hears_what_is_durable(
    store: Store, bank: str, make_inspection: Make
) -> None:
    sink(store)
    heard: list[set[str]] = []
    store.outbox.heard.append(lambda sinks: heard.append({*sinks}) if kinds(store) else None)
    with pytest.raises(IllegalValue):
        store.inspections.add([make_inspection(), make_inspection(serial="\0")])

    def fails() -> None:
        with store.database.write() as session:
            emit(session, lambda: drift(bank, None, "d", store.clock.now(), {}))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert (kinds(store), heard) == ([], [])
    store.inspections.add([make_inspection()])
    with store.database.write() as session:
        emit(session, lambda: drift(bank, None, "d", store.clock.now(), {}))
    assert (kinds(store), heard) == (["decided", "drift"], [{"mes"}] * 2)


def test_events_are_settled_by_the_relay_that_has_the_sink_only(store: Store, make_inspection: Make) -> None:
    token = sink(store)
    store.inspections.add([make_inspection() for _ in range(3)])
    first, second, third = (event.seq for event in store.outbox.window("mes", 10))
    store.outbox.settle(
        "mes", token, [first], [Refused(second, "bad\0\ud800", False), Refused(third, "no", True)]
    )
    waits = store.outbox.window("mes", 10)
    assert [(each.seq, each.tries, each.error) for each in waits] == [(second, 1, "bad??")]
    assert store.outbox.window("mes", 10, held=["screws"]) == []
    row = store.sinks.get("mes")
    assert (row.delivered, row.error) == (1, "no")
    assert store.sinks.claim(store.sinks.get("mes"), "other") == token + 1
    with pytest.raises(LeaseLost):
        store.outbox.settle("mes", token, [second])
    assert store.sinks.beat({"mes": token}) == {"mes"}
    assert store.sinks.claim(row, "late") is None
    assert store.outbox.depths()["mes"].dead == 1


def test_dead_events_are_listed_and_resent_one_or_all(store: Store, make_inspection: Make) -> None:
    token = sink(store)
    store.inspections.add([make_inspection() for _ in range(3)])
    dead = [Refused(event.seq, "no", True) for event in store.outbox.window("mes", 10)]
    store.outbox.settle("mes", token, refused=dead)
    page = store.outbox.page("mes", "dead", limit=2)
    rest = store.outbox.page("mes", "dead", before=page.next, limit=2)
    assert [each.seq for each in (*page.items, *rest.items)] == [each.seq for each in dead][::-1]
    with pytest.raises(NotFound):
        store.outbox.resend("mes", [page.items[0].id, "unknown"], actor="cli")
    assert store.outbox.resend("mes", [page.items[0].id], actor="cli") == 1
    assert store.outbox.resend("mes", None, actor="cli") == 2
    assert [(e.tries, e.error) for e in store.outbox.window("mes", 10)] == [(0, None)] * 3
    assert store.audit.page(target="sink:mes").items[0].detail == {"events": 2}
    with pytest.raises(IllegalValue):
        store.outbox.page("mes", before="x")


def test_what_waits_too_long_is_given_up_and_delivered_events_leave_but_not_by_a_clock_that_jumped(
    store: Store, time: SteppedClock, make_inspection: Make
) -> None:
    token = sink(store)
    store.inspections.add([make_inspection() for _ in range(2)])
    first, _ = store.outbox.window("mes", 10)
    store.outbox.settle("mes", token, [first.seq])
    time.jump(10 * 86400)
    assert (store.outbox.give_up("mes", token, 3), store.outbox.sweep()) == (0, 0)
    time.jump(-10 * 86400)
    assert store.outbox.give_up("mes", token, 3) == 0
    for _ in range(96):
        time.pass_time(3600)
        store.time.look()
    assert (store.outbox.give_up("mes", token, 3), store.outbox.sweep()) == (1, 1)
    [left] = store.outbox.page("mes").items
    assert (left.state, left.error) == ("dead", "it waited for 3 days")


def test_secrets_rotate_and_no_backup_holds_them_nor_loses_what_waits(
    store: Store, backend: str, time: SteppedClock, make_inspection: Make, tmp_path: Path
) -> None:
    token = sink(store)
    store.sinks.rotate("mes", "whsec_b", 60, actor="cli")
    (new, old) = store.sinks.secrets("mes")
    assert (new.text, new.expires_at, old.text) == ("whsec_b", None, "whsec_a")
    assert old.expires_at is not None
    assert (old.expires_at - time.wall).total_seconds() == 60
    store.inspections.add([make_inspection() for _ in range(3)])
    store.outbox.settle("mes", token, [store.outbox.window("mes", 1)[0].seq])
    store.backup(tmp_path / "backup.tar")
    assert b"whsec_" not in (tmp_path / "backup.tar").read_bytes()
    with fresh_settings(backend, tmp_path / "restored") as settings, open_store(settings) as other:
        other.restore(tmp_path / "backup.tar")
        assert other.outbox.depths()["mes"].waiting == 2
        other.inspections.add([make_inspection()])
        assert len(kinds(other)) == 3
        assert other.sinks.secrets("mes") == []


def test_ids_are_free_slugs_and_sinks_are_not_without_number(store: Store) -> None:
    with pytest.raises(IllegalId):
        sink(store, "a/b")
    for n in range(MOST):
        sink(store, f"s{n}")
    store.sinks.delete(f"s{MOST - 1}", actor="cli")
    with pytest.raises(AlreadyExists):
        sink(store, "s0")
    sink(store, "one-more")
    with pytest.raises(IllegalValue, match="32 sinks"):
        sink(store, "too-many")
    for missing in (store.sinks.get, store.outbox.page):
        with pytest.raises(NotFound):
            missing("nothing")


def test_a_sink_is_orphaned_where_it_was_let_go_or_its_process_has_ended(store: Store) -> None:
    token = sink(store)
    assert not store.sinks.is_orphaned(store.sinks.get("mes"))
    store.sinks.release({"mes": token})
    assert store.sinks.is_orphaned(store.sinks.get("mes"))
    host, pid, began = own_name().rsplit(":", 2)
    assert not has_ended(own_name())
    assert has_ended(f"{host}:{pid}:{float(began) - 5:.2f}")
    assert has_ended(f"{host}:4194305:1.00")
    assert not has_ended("elsewhere:1:1.00")
