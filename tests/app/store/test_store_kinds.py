"""Kinds of defects and descriptors: kept with inspections and reviews, renamed, counted, gone with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_backends import SteppedClock, fresh_settings
from store_backends import inspection as make_inspection

from app.store.errors import IllegalValue, NotFound
from app.store.inspections import Filter
from app.store.kinds import Tally
from app.store.schema import Descriptor, Inspection
from app.store.store import Store, open_store

SPACE = "5" * 64
DAY = datetime(2026, 11, 30, 8, tzinfo=UTC)


def add(store: Store, vector: list[float] | None = None, **fields: Any) -> Inspection:
    row = make_inspection(**{"decision": "reject", "created_at": DAY, **fields})
    known = [] if vector is None else [_descriptor(row, vector)]
    store.inspections.add([row], known)
    return row


def _descriptor(row: Inspection, vector: list[float]) -> Descriptor:
    data = np.asarray(vector, np.float16).tobytes()
    return Descriptor(inspection_id=row.id, bank=row.bank, space=SPACE, vector=data)


def test_a_kind_is_trimmed_and_the_latest_review_s_counts(store: Store) -> None:
    row = add(store)
    store.reviews.add(row.id, "confirmed_defect", kind="  scratch ", actor="a")
    assert store.inspections.get(row.id).kind == "scratch"
    store.reviews.add(row.id, "confirmed_defect", kind="dent", actor="a")
    store.reviews.undo(row.id, if_match=2, actor="a")
    assert store.inspections.get(row.id).kind == "scratch"
    store.reviews.add(row.id, "false_alarm", actor="a")
    assert store.inspections.get(row.id).kind is None
    assert [review.kind for review in store.reviews.all(row.id)] == ["scratch", "dent", "scratch", None]


@pytest.mark.parametrize("kind", ["", "   ", "x" * 65, "two\nlines", "\x07bell", "a\0b"])
def test_text_that_is_not_a_kind_is_refused_and_nothing_is_written(store: Store, kind: str) -> None:
    row = add(store)
    with pytest.raises(IllegalValue, match="kind must be 1 to 64 printable"):
        store.reviews.add(row.id, "confirmed_defect", kind=kind, actor="a")
    assert store.reviews.all(row.id) == []


@pytest.mark.parametrize("verdict", ["false_alarm", "withdrawn"])
def test_a_kind_without_a_defect_is_refused(store: Store, verdict: Any) -> None:
    with pytest.raises(IllegalValue, match="needs a verdict that names a defect"):
        store.reviews.add(add(store).id, verdict, kind="scratch", actor="a")


def test_kinds_are_renamed_and_merged_in_reviews_too_by_bank_and_audited(store: Store) -> None:
    scratched, dented, other = add(store), add(store), add(store, bank="nuts")
    for row, kind in ((scratched, "scratch"), (dented, "scrach"), (other, "scrach")):
        store.reviews.add(row.id, "confirmed_defect", kind=kind, actor="a")
    assert store.kinds.all("screws") == {"scrach": 1, "scratch": 1}
    assert store.kinds.rename("screws", "scrach", " scratch", actor="a") == 1
    assert store.kinds.all("screws") == {"scratch": 2}
    assert store.kinds.all("nuts") == {"scrach": 1}
    assert [review.kind for review in store.reviews.all(dented.id)] == ["scratch"]
    entry = store.audit.page(target="bank:screws").items[0]
    assert (entry.action, entry.detail["old"], entry.detail["inspections"]) == ("kind.rename", "scrach", 1)
    with pytest.raises(NotFound, match="The kind must be one of screws"):
        store.kinds.rename("screws", "scrach", "dent", actor="a")


def test_a_filter_by_kind_finds_only_its_inspections(store: Store) -> None:
    rows = [add(store), add(store)]
    store.reviews.add(rows[0].id, "confirmed_defect", kind="scratch", actor="a")
    assert [row.id for row in store.inspections.page(Filter(kind="scratch")).items] == [rows[0].id]


def test_defects_are_tallied_by_kind_day_and_station_of_utc(store: Store) -> None:
    times = [DAY, DAY, DAY + timedelta(days=1), DAY]
    rows = [
        add(store, created_at=time, station=station)
        for time, station in zip(times, ["a", "a", "b", None], strict=True)
    ]
    for row, kind in zip(rows, ["scratch", "scratch", "scratch", None], strict=True):
        store.reviews.add(row.id, "confirmed_defect", kind=kind, actor="a")
    store.reviews.add(add(store).id, "false_alarm", actor="a")
    assert sorted(store.kinds.tallies(Filter(bank="screws")), key=str) == sorted(
        [
            Tally("scratch", "2026-11-30", "a", 2),
            Tally("scratch", "2026-12-01", "b", 1),
            Tally(None, "2026-11-30", None, 1),
        ],
        key=str,
    )
    named = store.kinds.placed(Filter(bank="screws"), named=True, limit=2)
    assert [(each.id, each.kind) for each in named] == [(rows[2].id, "scratch"), (rows[1].id, "scratch")]
    waiting = add(store, station="c")
    assert {each.id for each in store.kinds.placed(Filter(), named=False, limit=9)} == {
        rows[3].id,
        waiting.id,
    }
    assert sorted(store.kinds.unnamed(Filter(bank="screws")), key=str) == [
        Tally(None, "2026-11-30", "c", 1),
        Tally(None, "2026-11-30", None, 1),
    ]


def test_descriptors_are_read_of_flagged_and_reviewed_inspections_and_of_one_space(store: Store) -> None:
    flagged, accepted, missed = (
        add(store, [1, 0], serial="7"),
        add(store, [0, 1], decision="accept"),
        add(store, [1, 1], decision="accept"),
    )
    store.reviews.add(missed.id, "missed_defect", kind="dent", actor="a")
    since = DAY - timedelta(days=1)
    assert [(known.id, known.serial) for known in store.descriptors.flagged("screws", since, "", 9)] == [
        (flagged.id, "7")
    ]
    assert store.descriptors.flagged("screws", since, flagged.id, 9) == []
    assert store.descriptors.flagged("screws", DAY + timedelta(days=1), "", 9) == []
    said = store.descriptors.reviewed("screws", since, 9)
    assert {id: (each.verdict, each.kind) for id, each in said.items()} == {
        missed.id: ("missed_defect", "dent")
    }
    ids = [flagged.id, accepted.id, missed.id]
    assert {id: v.tolist() for id, v in store.descriptors.vectors(SPACE, ids)} == dict(
        zip(ids, [[1, 0], [0, 1], [1, 1]], strict=True)
    )
    assert [*store.descriptors.vectors("6" * 64, ids)] == []


def test_an_inspection_whose_descriptor_is_refused_is_not_written_either(store: Store) -> None:
    row, other = make_inspection(), make_inspection()
    with pytest.raises(Exception, match=r"(?i)foreign|constraint|refer"):
        store.inspections.add([row], [_descriptor(other, [1])])
    with pytest.raises(NotFound):
        store.inspections.get(row.id)


def test_a_descriptor_goes_with_its_inspection_and_comes_back_from_a_backup(
    store: Store, time: SteppedClock, backend: str, tmp_path: Path
) -> None:
    row = add(store, [0.5, -2])
    store.backup(tmp_path / "backup.tar")
    with fresh_settings(backend, tmp_path / "other") as settings, open_store(settings) as restored:
        restored.restore(tmp_path / "backup.tar")
        found = restored.descriptors.get(row.id)
        assert found is not None
        assert np.frombuffer(found.vector, np.float16).tolist() == [0.5, -2]
        with restored.database.write() as session:
            session.delete(session.get(Inspection, row.id))
        assert restored.descriptors.get(row.id) is None
