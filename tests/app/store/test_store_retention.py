"""Retention: by decision and age, reviewed ones apart, and never by a clock that jumped."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.store import store as retention
from app.store.errors import BlobMissing, ClockJumped
from app.store.inspections import EVERY
from app.store.schema import Inspection
from app.store.store import Retention, Rules, Store

MakeInspection = Callable[..., Inspection]
DECISIONS = ("accept", "review", "reject")


def names(store: Store) -> set[str | None]:
    return {each.name for each in store.inspections.export(EVERY)}


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
    assert Retention(store.database, store.clock, rules).sweep() == 3
    kept = {"accept 1", "review 1", "review 10", "reject 1", "reject 10", "reject 100"}
    assert names(store) == kept


def test_what_a_person_reviewed_has_an_age_of_its_own(store: Store, aged: None) -> None:
    for each in store.inspections.page().items:
        if each.name in ("accept 100", "accept 10"):
            store.reviews.add(each.id, "missed_defect", actor="cli")
    rules = Rules({"accept": 5, "review": 0, "reject": 0}, reviewed_days=50)
    assert Retention(store.database, store.clock, rules).sweep() == 1
    assert "accept 10" in names(store)
    assert "accept 100" not in names(store)


def test_without_rules_everything_stays(store: Store, aged: None) -> None:
    assert Retention(store.database, store.clock, Rules({})).sweep() == 0


def test_more_than_a_transaction_holds_is_deleted_too(
    store: Store, aged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK", 2)
    rules = Rules({"accept": 5, "review": 5, "reject": 5})
    assert Retention(store.database, store.clock, rules).sweep() == 6


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


@pytest.mark.parametrize("days", [400, -400])
def test_nothing_is_deleted_once_the_wall_clock_has_jumped(
    store: Store, make_inspection: MakeInspection, time: Any, days: int
) -> None:
    store.inspections.add([make_inspection(created_at=time.wall)])
    time.jump(days * 86400)
    with pytest.raises(ClockJumped, match=re.escape(f"a jump of {days * 86400:+d} s")):
        store.retention.sweep()
    assert len(store.inspections.page().items) == 1
