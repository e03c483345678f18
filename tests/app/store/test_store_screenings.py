"""Screenings: a job's report each; the newest of a bank and those of its versions' sets are kept, others collected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from store_backends import SteppedClock

from app.store.errors import LeaseLost, NotFound
from app.store.screenings import SET, set_digest
from app.store.store import Store

Put = Callable[[bytes], str]


def screen(store: Store, bank: str, put: Put, report: bytes, of: str) -> str:
    """One screening from its job to its report; the report's sha256."""
    store.jobs.create(bank, kind="screening", request={}, actor="cli")
    claimed = store.leases.claim("w1")
    assert claimed is not None
    sha256 = put(report)
    store.leases.screened(claimed[1], sha256=sha256, set_sha256=of)
    assert store.jobs.get(claimed[0].id).state == "succeeded"
    with pytest.raises(LeaseLost):
        store.leases.screened(claimed[1], sha256=sha256, set_sha256=of)
    return sha256


def test_a_digest_is_of_the_set_in_any_order() -> None:
    assert set_digest(["b", "a"]) == set_digest(["a", "b"]) != set_digest(["a"])


def test_the_newest_report_and_those_of_versions_are_kept_and_the_others_collected(
    store: Store, bank: str, put: Put, time: SteppedClock
) -> None:
    assert store.screenings.latest(bank) is None
    with pytest.raises(NotFound):
        store.screenings.latest("absent")
    built, other = "1" * 64, "2" * 64
    version = store.versions.add(bank, sha256=put(b"bank"), size=4, summary={SET: built}, actor="cli")
    imported = store.versions.add(bank, sha256=put(b"other"), size=5, summary={}, actor="cli")
    assert store.screenings.of_version(version) is None
    old = screen(store, bank, put, b"old", built)
    kept = screen(store, bank, put, b"kept", built)  # of the same set: in the place of the old
    passing = screen(store, bank, put, b"passing", other)
    newest = screen(store, bank, put, b"newest", other)
    for sha256 in (kept, newest):
        assert store.blobs.read(sha256)
    found, latest = store.screenings.of_version(version), store.screenings.latest(bank)
    assert found is not None
    assert latest is not None
    assert (found.sha256, latest.sha256) == (kept, newest)
    assert store.screenings.of_version(imported) is None
    time.pass_time(timedelta(days=30).total_seconds())
    assert store.blobs.collect(1.0).blobs == len({old, passing})
    assert store.blobs.read(kept) == b"kept"
    store.banks.delete(bank, actor="cli")
    time.pass_time(timedelta(days=30).total_seconds())
    store.blobs.collect(1.0)
    with pytest.raises(NotFound):
        store.screenings.latest(bank)


def test_the_present_set_is_known_by_its_images(
    store: Store, bank: str, add_image: Callable[..., str]
) -> None:
    names = [add_image(bank, data) for data in (b"a", b"b")]
    assert store.screenings.present_set(bank) == set_digest(names)
    store.images.remove(bank, names[0], actor="cli")
    assert store.screenings.present_set(bank) == set_digest(names[1:])
