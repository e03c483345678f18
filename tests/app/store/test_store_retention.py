"""Retention: by decision and age, reviewed ones apart, a share at once, and only by a clock that is believed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.settings import Settings
from app.store import retention
from app.store.errors import BlobMissing, ClockJumped, KeyRefused
from app.store.inspections import EVERY
from app.store.retention import Retention, Rules
from app.store.schema import Inspection
from app.store.store import Store
from app.store.timekeeping import AWAY, STEADY

MakeInspection = Callable[..., Inspection]
DECISIONS = ("accept", "review", "reject")
DAY = 86400.0


def names(store: Store) -> set[str | None]:
    return {each.name for each in store.inspections.export(EVERY)}


def sweep(store: Store, rules: Rules) -> list[int]:
    """How many went with each sweep, until nothing was left to delete."""
    made = Retention(store.database, store.clock, store.time, rules)
    return [*iter(made.sweep, 0)]


@pytest.fixture
def aged(store: Store, make_inspection: MakeInspection, time: Any) -> None:
    """Of each decision one inspection of 1, 10 and 100 days."""
    store.inspections.add(
        [
            make_inspection(
                decision=decision, name=f"{decision} {days}", created_at=time.wall - timedelta(days=days)
            )
            for decision in DECISIONS
            for days in (1, 10, 100)
        ]
    )


def test_each_decision_has_its_age_and_zero_is_for_ever(store: Store, aged: None) -> None:
    rules = Rules({"accept": 5, "review": 50, "reject": 0})
    assert sum(sweep(store, rules)) == 3
    kept = {"accept 1", "review 1", "review 10", "reject 1", "reject 10", "reject 100"}
    assert names(store) == kept


def test_what_a_person_reviewed_has_an_age_of_its_own(store: Store, aged: None) -> None:
    for each in store.inspections.page().items:
        if each.name in ("accept 100", "accept 10"):
            store.reviews.add(each.id, "missed_defect", actor="cli")
    rules = Rules({"accept": 5, "review": 0, "reject": 0}, reviewed_days=50)
    assert sum(sweep(store, rules)) == 1
    assert "accept 10" in names(store)
    assert "accept 100" not in names(store)


def test_without_rules_everything_stays(store: Store, aged: None) -> None:
    assert sweep(store, Rules({})) == []


def test_more_than_a_transaction_holds_is_deleted_too(
    store: Store, aged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK", 2)
    monkeypatch.setattr(retention, "SHARE", 1)
    rules = Rules({"accept": 5, "review": 5, "reject": 5})
    assert sweep(store, rules) == [6]


def test_a_sweep_takes_a_tenth_of_the_ledger_at_most(
    store: Store, make_inspection: MakeInspection, time: Any
) -> None:
    old = time.wall - timedelta(days=100)
    store.inspections.add([make_inspection(created_at=old) for _ in range(45)])
    store.inspections.add([make_inspection(created_at=time.wall) for _ in range(5)])
    taken = sweep(store, Rules({"accept": 30}))
    assert taken[:3] == [5, 5, 4]
    assert sum(taken) == 45


def test_the_image_goes_after_its_inspection_and_its_grace(
    store: Store, make_inspection: MakeInspection, put: Callable[[bytes], str], time: Any
) -> None:
    sha256 = put(b"image")
    store.inspections.add([make_inspection(image_sha256=sha256, created_at=time.wall)])
    time.pass_time(31 * 86400)
    assert store.retention.sweep() == 1
    assert store.collect().blobs == 0
    time.pass_time(3601)
    assert store.collect().blobs == 1
    with pytest.raises(BlobMissing):
        store.blobs.read(sha256)


# A clock that cannot be believed


@pytest.mark.parametrize(("days", "where"), [(400, "400 days ahead of"), (-400, "400 days behind")])
@pytest.mark.parametrize("restarted", [False, True])
def test_nothing_is_deleted_by_a_clock_that_jumped_in_use_or_while_the_store_was_closed(
    store: Store,
    settings: Settings,
    make_inspection: MakeInspection,
    time: Any,
    days: int,
    where: str,
    restarted: bool,
) -> None:
    store.inspections.add([make_inspection(created_at=time.wall)])
    store.time.look()
    time.jump(days * DAY)
    used = Store(settings, time.clock()) if restarted else store
    for _ in range(3):  # it is not believed for having been seen
        time.pass_time(DAY)
        with pytest.raises(ClockJumped, match=f"a clock {where} it"):
            used.retention.sweep()
    assert len(used.inspections.page().items) == 1
    time.jump(-days * DAY)
    assert used.retention.sweep() == 0
    used.close()


def test_a_store_that_never_wrote_down_the_time_goes_by_its_newest_inspection(
    store: Store, settings: Settings, make_inspection: MakeInspection, time: Any
) -> None:
    store.inspections.add([make_inspection(created_at=time.wall)])
    time.jump(400 * DAY)
    later = Store(settings, time.clock())
    with pytest.raises(ClockJumped, match="400 days ahead"):
        later.retention.sweep()
    later.close()


def test_a_store_may_be_closed_for_a_long_weekend(store: Store, settings: Settings, time: Any) -> None:
    store.time.look()
    time.jump(AWAY.total_seconds())
    later = Store(settings, time.clock())
    assert later.retention.sweep() == 0
    time.jump(2 * 3600)  # while it runs, the clock may go with time only
    with pytest.raises(ClockJumped, match="2 hours ahead"):
        later.retention.sweep()
    later.close()


def test_an_operator_can_trust_the_clock_beside_a_running_server(
    store: Store, settings: Settings, make_inspection: MakeInspection, time: Any
) -> None:
    store.inspections.add([make_inspection(created_at=time.wall)])
    store.time.look()
    time.jump(400 * DAY)
    with pytest.raises(ClockJumped):
        store.retention.sweep()
    other = Store(settings, time.clock())
    assert other.time.trust("cli") == time.wall
    entry = other.audit.page().items[0]
    assert (entry.action, entry.detail) == ("store.trust_clock", {"seconds": 400 * 86400})
    assert store.retention.sweep() == 1
    other.close()


@pytest.mark.parametrize("restarts", [0, 3])
def test_a_clock_that_runs_steadily_is_believed_after_a_week(
    store: Store, settings: Settings, time: Any, restarts: int
) -> None:
    store.time.look()
    time.jump(30 * DAY)
    used, days = Store(settings, time.clock()), 0
    while used.time.look().off is not None:
        time.pass_time(DAY)
        days += 1
        if days <= restarts:
            used.time.look()
            used.close()
            used = Store(settings, time.clock())
    assert days == STEADY.days
    used.close()


def test_a_clock_that_does_not_run_steadily_is_never_believed(store: Store, time: Any) -> None:
    for _ in range(30):
        time.jump(10 * DAY)
        time.pass_time(DAY)
        assert store.time.look().off is not None


def test_keys_stay_expired_after_a_week_and_health_goes_on_saying_so(store: Store, time: Any) -> None:
    text, _ = store.keys.create("visitor", "read", actor="cli", days=1)
    time.pass_time(2 * DAY)
    store.time.look()
    time.jump(-30 * DAY)
    for _ in range(8):
        standing = store.time.look()
        time.pass_time(DAY)
    standing.refuse_jumped()
    with pytest.raises(ClockJumped, match="received a clock 23 days behind it"):
        standing.refuse()
    with pytest.raises(KeyRefused):
        store.keys.verify(text)
