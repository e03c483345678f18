"""Banks and their audit: revisions, thresholds with history, deletion."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.store.errors import (
    AlreadyExists,
    BuildAlreadyRunning,
    IllegalId,
    IllegalValue,
    NotFound,
    StaleRevision,
)
from app.store.schema import Inspection
from app.store.store import Store


def test_a_bank_comes_back_as_it_was_created(store: Store) -> None:
    made = store.banks.create(
        "screws", title="Schräuble 螺", config={"size": 256, "b": [1.5]}, actor="k1", pinned=True
    )
    found = store.banks.get("screws")
    assert (found.title, found.config, found.pinned) == ("Schräuble 螺", {"size": 256, "b": [1.5]}, True)
    assert (found.revision, found.active_version, found.created_at) == (1, None, made.created_at)
    assert found.created_at.utcoffset() is not None


def test_a_taken_id_is_refused_and_the_first_bank_stays(store: Store, bank: str) -> None:
    with pytest.raises(AlreadyExists, match="screws"):
        store.banks.create(bank, title="Other", config={}, actor="cli")
    assert store.banks.get(bank).title == "Screws"


@pytest.mark.parametrize("id", ["", "../x", "Screws", "a" * 64])
def test_an_illegal_id_names_no_bank(store: Store, id: str) -> None:
    with pytest.raises(IllegalId):
        store.banks.create(id, title="", config={}, actor="cli")


@pytest.mark.parametrize("id", ["nuts", "../x", "Screws"])
def test_an_unknown_bank_is_not_found_whatever_is_asked_of_it(store: Store, id: str) -> None:
    for ask in (
        store.banks.get,
        store.banks.current,
        store.banks.threshold_changes,
        store.images.page,
        store.versions.all,
        lambda id: store.banks.update(id, actor="cli"),
        lambda id: store.banks.delete(id, actor="cli"),
        lambda id: store.images.add(id, [], actor="cli"),
        lambda id: store.jobs.create(id, request={}, actor="cli"),
        lambda id: store.versions.activate(id, 1, actor="cli"),
    ):
        with pytest.raises(NotFound):
            ask(id)


def test_a_change_under_the_current_revision_raises_it(store: Store, bank: str) -> None:
    changed = store.banks.update(bank, actor="cli", if_match=1, title="New", config={"size": 320})
    assert (changed.revision, changed.title) == (2, "New")
    assert store.banks.get(bank).config == {"size": 320}


def test_the_current_bank_is_the_same_object_until_its_row_changes(store: Store, bank: str) -> None:
    first = store.banks.current(bank)
    assert vars(first).keys() >= vars(store.banks.get(bank)).keys()
    assert store.banks.current(bank) is first
    store.banks.update(bank, actor="cli", review_threshold=1.5, reject_threshold=2.5)
    assert store.banks.current(bank).reject_threshold == 2.5
    store.banks.delete(bank, actor="cli")
    with pytest.raises(NotFound):
        store.banks.current(bank)
    store.banks.create(bank, title="Another", config={}, actor="cli")
    assert (store.banks.current(bank).title, first.title) == ("Another", "Screws")


def test_what_the_driver_refuses_is_named_like_everything_else(store: Store, bank: str) -> None:
    store.banks.current(bank)
    with store.database.write() as session:
        session.execute(text("ALTER TABLE banks RENAME TO others"))
    with pytest.raises(SQLAlchemyError):
        store.banks.current(bank)
    with store.database.write() as session:
        session.execute(text("ALTER TABLE others RENAME TO banks"))
    assert store.banks.current(bank).id == bank


def test_a_change_under_a_stale_revision_writes_nothing(store: Store, bank: str) -> None:
    store.banks.update(bank, actor="cli", title="Second")
    with pytest.raises(StaleRevision, match="still have revision 1; received revision 2"):
        store.banks.update(bank, actor="cli", if_match=1, title="Lost update")
    with pytest.raises(StaleRevision):
        store.banks.delete(bank, actor="cli", if_match=1)
    assert store.banks.get(bank).title == "Second"
    assert [entry.action for entry in store.audit.page().items] == ["bank.update", "bank.create"]


def test_thresholds_keep_their_history_and_other_changes_do_not_touch_it(store: Store, bank: str) -> None:
    store.banks.update(bank, actor="k1", review_threshold=2.0, reject_threshold=3.0)
    store.banks.update(bank, actor="k1", title="New")
    store.banks.update(bank, actor="k2", reject_threshold=None, target_false_reject=0.01)
    history = [
        (each.actor, each.review_threshold, each.reject_threshold, each.target_false_reject)
        for each in store.banks.threshold_changes(bank)
    ]
    assert history == [("k2", 2.0, None, 0.01), ("k1", 2.0, 3.0, None)]


def test_banks_are_listed_by_id_page_after_page(store: Store) -> None:
    ids = sorted(["b-1", "b_1", "b1", "a", "0", "z9"])
    for id in reversed(ids):
        store.banks.create(id, title=id, config={}, actor="cli")
    seen: list[str] = []
    cursor = None
    while True:
        page = store.banks.page(after=cursor, limit=4)
        seen += [bank.id for bank in page.items]
        if (cursor := page.next) is None:
            break
    assert seen == ids


def test_deleting_a_bank_takes_all_but_its_inspections(
    store: Store, bank: str, add_image: Callable[..., str], make_inspection: Callable[..., Inspection]
) -> None:
    add_image(bank, b"image")
    store.banks.update(bank, actor="cli", reject_threshold=1.0)
    job = store.jobs.create(bank, request={}, actor="cli")
    with pytest.raises(BuildAlreadyRunning, match="Cancel it first"):
        store.banks.delete(bank, actor="cli")
    store.jobs.cancel(job.id, actor="cli")
    store.inspections.add([make_inspection(bank)])
    store.banks.delete(bank, actor="cli")
    with pytest.raises(NotFound):
        store.banks.get(bank)
    with pytest.raises(NotFound):
        store.jobs.get(job.id)
    assert len(store.inspections.page().items) == 1
    assert store.blobs.collect(-1).blobs == 1
    store.banks.create(bank, title="Again", config={}, actor="cli")
    assert store.images.totals(bank) == (0, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"title": "a\0b"},
        {"title": "\ud800"},
        {"title": "x" * 201},
        {"config": {"x": float("nan")}},
        {"config": {"x": ["a\0b"]}},
        {"config": {"a\0b": 1}},
        {"reject_threshold": float("inf")},
    ],
)
def test_values_that_one_database_could_not_hold_are_refused_by_both(
    store: Store, bank: str, change: dict[str, object]
) -> None:
    with pytest.raises(IllegalValue):
        store.banks.update(bank, actor="cli", **change)  # type: ignore[arg-type]
    assert store.banks.get(bank).revision == 1


def test_a_number_too_large_for_its_column_is_refused(store: Store, bank: str) -> None:
    with pytest.raises((IllegalValue, NotFound)):
        store.versions.get(bank, 1 << 70)


def test_every_change_is_audited_with_who_and_what(store: Store, bank: str) -> None:
    store.banks.update(bank, actor="k1", title="New")
    store.banks.delete(bank, actor="k2")
    entries = store.audit.page(target="bank:screws").items
    assert [(each.actor, each.action) for each in entries] == [
        ("k2", "bank.delete"),
        ("k1", "bank.update"),
        ("cli", "bank.create"),
    ]
    assert entries[1].detail == {"before": {"title": "Screws"}, "after": {"title": "New"}}
