"""Check sets in the store: labels, limits, blobs that are held and let go, what each version scored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from store_backends import SteppedClock

from app.store import checks
from app.store.checks import NewLabelled
from app.store.errors import CheckSetFull, IllegalId, LabelConflict, LeaseLost, NotFound
from app.store.store import Store

Put = Callable[[bytes], str]
MONTH = timedelta(days=30).total_seconds()


def labelled(put: Put, data: bytes, kind: str, name: str = "part.jpg") -> NewLabelled:
    return NewLabelled(put(data), name, len(data), 640, 480, kind=kind)


def version(store: Store, bank: str, put: Put, data: bytes) -> int:
    return store.versions.add(bank, sha256=put(data), size=4, summary={}, actor="cli").number


def tried(store: Store, bank: str, name: str, number: int, scores: str) -> None:
    """A check from its job to its scores."""
    store.jobs.create(bank, kind="check", request={"check": name, "version": number}, actor="cli")
    claimed = store.leases.claim("w1")
    assert claimed is not None
    store.leases.checked(claimed[1], sha256=scores)
    assert store.jobs.get(claimed[0].id).state == "succeeded"
    with pytest.raises(LeaseLost):
        store.leases.checked(claimed[1], sha256=scores)


def test_an_image_has_one_label_and_the_first_makes_the_set(store: Store, bank: str, put: Put) -> None:
    good, bad = labelled(put, b"a", "good"), labelled(put, b"b", "dent")
    assert store.checks.add(bank, "line", [good, bad, good], actor="cli") == [
        "accepted", "accepted", "duplicate"
    ]  # fmt: skip
    (answer,) = store.checks.add(bank, "line", [labelled(put, b"a", "dent", "c.jpg")], actor="cli")
    assert isinstance(answer, LabelConflict)
    assert "'c.jpg'" in answer.received
    (found,) = store.checks.all(bank)
    assert (found.name, found.images, found.bytes, found.kinds) == ("line", 2, 2, {"good": 1, "dent": 1})
    assert [each.kind for each in store.checks.images(bank, "line")] == ["good", "dent"]
    store.checks.remove_image(bank, "line", good.sha256, actor="cli")
    assert store.checks.add(bank, "line", [labelled(put, b"a", "dent")], actor="cli") == ["accepted"]
    for raises, call in (
        (IllegalId, lambda: store.checks.add(bank, "Line 1", [bad], actor="cli")),
        (NotFound, lambda: store.checks.add("absent", "line", [bad], actor="cli")),
        (NotFound, lambda: store.checks.get(bank, "other")),
        (NotFound, lambda: store.checks.images(bank, "other")),
        (NotFound, lambda: store.checks.remove_image(bank, "line", good.sha256[::-1], actor="cli")),
        (NotFound, lambda: store.checks.remove(bank, "other", actor="cli")),
    ):
        with pytest.raises(raises):
            call()


def test_sets_and_their_number_are_bounded(
    store: Store, bank: str, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "MOST_IMAGES", 2)
    monkeypatch.setattr(checks, "MOST_SETS", 1)
    images = [labelled(put, bytes([i]), "good") for i in range(3)]
    answers = store.checks.add(bank, "line", images, actor="cli")
    assert answers[:2] == ["accepted", "accepted"]
    assert isinstance(answers[2], CheckSetFull)
    with pytest.raises(CheckSetFull):
        store.checks.add(bank, "second", images[:1], actor="cli")


def test_blobs_of_a_set_are_held_until_it_is_deleted(
    store: Store, bank: str, put: Put, time: SteppedClock
) -> None:
    number = version(store, bank, put, b"bank")
    image = labelled(put, b"a", "good")
    store.checks.add(bank, "line", [image], actor="cli")
    tried(store, bank, "line", number, put(b"old"))
    tried(store, bank, "line", number, put(b"new"))
    time.pass_time(MONTH)
    assert store.blobs.collect(1.0).blobs == 1  # the scores that others took the place of
    ((run, of),) = store.checks.runs(bank, "line")
    assert (store.blobs.read(run.sha256), of.number) == (b"new", number)
    store.blobs.files.delete(image.sha256)
    (lost,) = list(store.verifier().findings())
    assert lost.used_by == [f"image part.jpg of the check set line of {bank}"]
    store.checks.remove(bank, "line", actor="cli")
    time.pass_time(MONTH)
    assert store.blobs.collect(1.0).blobs == 2


def test_a_set_is_owed_to_the_newest_version_only_and_a_deleted_version_takes_its_scores(
    store: Store, bank: str, put: Put
) -> None:
    assert store.checks.owed(bank) is None
    store.checks.add(bank, "b", [labelled(put, b"a", "good")], actor="cli")
    store.checks.add(bank, "a", [labelled(put, b"a", "good")], actor="cli")
    assert store.checks.owed(bank) is None
    first = version(store, bank, put, b"one")
    assert store.checks.owed(bank) == ("a", first)
    tried(store, bank, "a", first, put(b"scores"))
    assert store.checks.owed(bank) == ("b", first)
    second = version(store, bank, put, b"two")
    assert store.checks.owed(bank) == ("a", second)
    for name in ("a", "b"):
        tried(store, bank, name, second, put(b"scores"))
    assert store.checks.owed(bank) is None
    assert [run.version for run, _ in store.checks.runs(bank, "a")] == [second, first]
    store.versions.remove(bank, first, actor="cli")
    assert [run.version for run, _ in store.checks.runs(bank, "a")] == [second]
    store.banks.delete(bank, actor="cli")
    with pytest.raises(NotFound):
        store.checks.all(bank)


def test_scores_of_a_set_that_was_deleted_meanwhile_are_dropped(store: Store, bank: str, put: Put) -> None:
    number = version(store, bank, put, b"bank")
    store.checks.add(bank, "line", [labelled(put, b"a", "good")], actor="cli")
    job = store.jobs.create(bank, kind="check", request={"check": "line", "version": number}, actor="cli")
    assert [each.sha256 for each in store.jobs.images(job.id)] == [put(b"a")]
    claimed = store.leases.claim("w1")
    assert claimed is not None
    store.checks.remove(bank, "line", actor="cli")
    store.leases.checked(claimed[1], sha256=put(b"scores"))
    assert store.jobs.get(job.id).state == "succeeded"
    assert store.checks.all(bank) == []


def test_builds_are_claimed_before_checks(store: Store, bank: str, put: Put) -> None:
    number = version(store, bank, put, b"bank")
    store.checks.add(bank, "line", [labelled(put, b"a", "good")], actor="cli")
    check = store.jobs.create(bank, kind="check", request={"check": "line", "version": number}, actor="cli")
    build = store.jobs.create(bank, request={}, actor="cli")
    assert [claimed[0].id for _ in range(2) if (claimed := store.leases.claim("w1"))] == [build.id, check.id]
