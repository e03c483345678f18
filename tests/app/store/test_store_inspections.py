"""The ledger and its reviews: batches, filters, keyset pages, revisions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from app.store.columns import MAX_JSON_DEPTH
from app.store.errors import IllegalValue, NotFound, ReferenceGone, StaleRevision
from app.store.inspections import EVERY, Filter
from app.store.schema import Inspection
from app.store.store import Store

MakeInspection = Callable[..., Inspection]
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def ledger(store: Store, make_inspection: MakeInspection) -> list[Inspection]:
    """Twelve inspections, a minute apart."""
    decisions = ("accept", "review", "reject")
    made = [
        make_inspection(
            "screws" if index % 2 else "nuts",
            decision=decisions[index % 3],
            serial=f"S{index % 4}",
            station="left" if index < 6 else None,
            created_at=START + timedelta(minutes=index),
        )
        for index in range(12)
    ]
    store.inspections.add(made)
    return made


def test_an_inspection_comes_back_as_it_was(store: Store, put: Callable[[bytes], str]) -> None:
    values: dict[str, Any] = {
        "bank": "screws",
        "version": 3,
        "serial": "S-1 ä",
        "station": "left",
        "name": "a.jpg",
        "width": 640,
        "height": 480,
        "image_sha256": put(b"image"),
        "score": 3.141592653589793,
        "review_threshold": 3.0,
        "reject_threshold": 4.0,
        "decision": "review",
        "regions": [{"x": 1, "y": 2, "peak": 3.5}],
        "nearest": {"image": "0" * 64, "row": 1, "column": 2},
        "timings": {"queue": 0.25},
        "digests": {"bank": "1" * 64},
        "actor": "k1",
        "created_at": datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2))),
    }
    made = Inspection(**values)
    store.inspections.add([made])
    found = store.inspections.get(made.id)
    assert {name: getattr(found, name) for name in values} == values
    assert found.verdict is None


def test_a_batch_is_written_whole_or_not_at_all(store: Store, make_inspection: MakeInspection) -> None:
    with pytest.raises(ReferenceGone):
        store.inspections.add([make_inspection(), make_inspection(image_sha256="0" * 64)])
    with pytest.raises(IllegalValue, match="finite"):
        store.inspections.add([make_inspection(), make_inspection(score=float("nan"))])
    with pytest.raises(IllegalValue, match="at most 128 characters"):
        store.inspections.add([make_inspection(), make_inspection(serial="x" * 129)])
    deep: Any = 1
    for _ in range(MAX_JSON_DEPTH + 1):
        deep = {"deeper": deep}
    with pytest.raises(IllegalValue, match="levels deep"):
        store.inspections.add([make_inspection(), make_inspection(digests=deep)])
    assert store.inspections.page().items == []


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        (EVERY, range(12)),
        (Filter(bank="nuts"), range(0, 12, 2)),
        (Filter(decision="reject"), range(2, 12, 3)),
        (Filter(bank="nuts", decision="accept"), (0, 6)),
        (Filter(serial="S3"), (3, 7, 11)),
        (Filter(station="left", serial="S0"), (0, 4)),
        (Filter(since=START + timedelta(minutes=10)), (10, 11)),
        (Filter(until=START + timedelta(minutes=2)), (0, 1)),
        (
            Filter(since=START.astimezone(timezone(timedelta(hours=9))), until=START + timedelta(minutes=1)),
            (0,),
        ),
        (Filter(reviewed=True), (5,)),
        (Filter(reviewed=False, bank="screws", serial="S1"), (1, 9)),
        (Filter(verdict="missed_defect"), ()),
        (Filter(bank="x' OR '1'='1"), ()),
    ],
)
def test_filters_select_exactly_and_newest_first(
    store: Store, ledger: list[Inspection], which: Filter, expected: Any
) -> None:
    store.reviews.add(ledger[5].id, "false_alarm", actor="cli")
    ids = [ledger[index].id for index in reversed(expected)]
    assert [each.id for each in store.inspections.page(which).items] == ids
    assert [each.id for each in store.inspections.export(which)] == ids
    assert sum(store.inspections.outcomes(which).values()) == len(ids)


def test_pages_join_without_gap_or_repeat_while_inspections_come_in(
    store: Store, ledger: list[Inspection], make_inspection: MakeInspection
) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        page = store.inspections.page(before=cursor, limit=5)
        seen += [each.id for each in page.items]
        store.inspections.add([make_inspection()])
        if (cursor := page.next) is None:
            break
    assert seen == [each.id for each in reversed(ledger)]


def test_counts_go_by_decision(store: Store, ledger: list[Inspection]) -> None:
    found = store.inspections.outcomes(Filter(bank="nuts"))
    assert found == {("accept", None): 2, ("review", None): 2, ("reject", None): 2}


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(IllegalValue, match="must say its zone"):
        store.inspections.page(Filter(since=datetime(2026, 1, 1)))


def test_what_a_version_scored_goes_by_its_digest_and_what_a_bank_kept_by_its_own_numbers(
    store: Store, put: Callable[[bytes], str], make_inspection: Callable[..., Inspection]
) -> None:
    image, files = put(b"defect"), [put(b"one"), put(b"two")]
    store.banks.create("bolts", title="", config={}, actor="cli")
    store.versions.add("bolts", sha256=files[0], size=3, summary={}, actor="cli")
    store.banks.delete("bolts", actor="cli")
    store.banks.create("bolts", title="", config={}, actor="cli")
    version = store.versions.add("bolts", sha256=files[1], size=3, summary={}, actor="cli")
    made = {
        (number, place): make_inspection(
            bank="bolts",
            version=number,
            image_sha256=image,
            digests={"bank": files[place]} if place < 2 else {},
        )
        for number in (1, 2)
        for place in (0, 1, 2)
    }
    store.inspections.add([*made.values()])
    assert [row.id for row in store.inspections.scored(version, 10)] == [made[2, 1].id]
    kept = {row.id for row in store.inspections.kept("bolts", 10)}
    assert kept == {made[2, place].id for place in (0, 1, 2)}


def test_reviews_are_appended_and_the_latest_is_the_verdict(store: Store, ledger: list[Inspection]) -> None:
    id = ledger[0].id
    store.reviews.add(id, "missed_defect", actor="k1", note="scratch, left", if_match=0)
    store.reviews.add(id, "confirmed_defect", actor="k2", if_match=1)
    found = [(each.revision, each.verdict, each.note, each.actor) for each in store.reviews.all(id)]
    assert found == [(1, "missed_defect", "scratch, left", "k1"), (2, "confirmed_defect", "", "k2")]
    assert store.inspections.get(id).verdict == "confirmed_defect"


def test_a_review_of_a_stale_revision_is_refused_and_changes_nothing(
    store: Store, ledger: list[Inspection]
) -> None:
    id = ledger[0].id
    store.reviews.add(id, "missed_defect", actor="k1", if_match=0)
    with pytest.raises(StaleRevision, match="still be revision 0; received revision 1"):
        store.reviews.add(id, "false_alarm", actor="k2", if_match=0)
    assert store.inspections.get(id).verdict == "missed_defect"
    assert len(store.reviews.all(id)) == 1


@pytest.mark.parametrize("id", ["", "nothing", "0" * 36, "%", "00000000-0000-7000-8000-000000000000"])
def test_an_unknown_inspection_is_not_found(store: Store, id: str) -> None:
    for ask in (
        store.inspections.get,
        store.reviews.all,
        lambda id: store.reviews.add(id, "false_alarm", actor="cli"),
        lambda id: store.images.add_false_alarm(id, actor="cli"),
    ):
        with pytest.raises(NotFound):
            ask(id)
