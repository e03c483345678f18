"""Versions: numbered once, activated by a pointer, quarantined with a reason."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from app.store.errors import (
    AlreadyExists,
    NotFound,
    ReferenceGone,
    StaleRevision,
    VersionInUse,
    VersionUnusable,
)
from app.store.schema import Bank, Version
from app.store.store import Store
from core.errors import ConfigError


@pytest.fixture
def add_version(store: Store, bank: str, put: Callable[[bytes], str]) -> Callable[[bytes], int]:
    def add(data: bytes) -> int:
        made = store.versions.add(bank, sha256=put(data), size=len(data), summary={"vectors": 1}, actor="cli")
        return made.number

    return add


AddVersion = Callable[[bytes], int]


def test_versions_count_up_and_a_number_is_never_given_twice(
    store: Store, bank: str, add_version: AddVersion
) -> None:
    assert [add_version(b"1"), add_version(b"2")] == [1, 2]
    store.versions.remove(bank, 2, actor="cli")
    assert add_version(b"3") == 3
    assert [each.number for each in store.versions.all(bank)] == [3, 1]
    assert store.versions.get(bank, 3).summary == {"vectors": 1}


def test_activating_swaps_the_pointer_and_rolling_back_swaps_it_again(
    store: Store, bank: str, add_version: AddVersion
) -> None:
    add_version(b"1"), add_version(b"2")
    for number, revision in ((1, 2), (2, 3), (1, 4)):
        assert store.versions.activate(bank, number, actor="cli").active_version == number
        assert store.banks.get(bank).revision == revision


def test_activating_under_a_stale_revision_changes_nothing(
    store: Store, bank: str, add_version: AddVersion
) -> None:
    add_version(b"1"), add_version(b"2")
    store.versions.activate(bank, 1, actor="cli", if_match=1)
    with pytest.raises(StaleRevision):
        store.versions.activate(bank, 2, actor="cli", if_match=1)
    assert store.banks.get(bank).active_version == 1


def test_a_quarantined_version_says_why_and_cannot_be_activated(
    store: Store, bank: str, add_version: AddVersion
) -> None:
    number = add_version(b"1")
    store.versions.activate(bank, number, actor="cli")
    store.versions.quarantine(bank, number, reason="digest does not hold", actor="server")
    assert store.versions.get(bank, number).reason == "digest does not hold"
    assert store.banks.get(bank).active_version == number
    with pytest.raises(VersionUnusable, match="digest does not hold"):
        store.versions.activate(bank, number, actor="cli")
    store.versions.release(bank, number, actor="cli")
    assert store.versions.activate(bank, number, actor="cli").active_version == number


def test_the_active_version_cannot_be_removed(store: Store, bank: str, add_version: AddVersion) -> None:
    store.versions.activate(bank, add_version(b"1"), actor="cli")
    with pytest.raises(VersionInUse):
        store.versions.remove(bank, 1, actor="cli")


@pytest.mark.parametrize("number", [0, -1, 9])
def test_an_unknown_version_is_not_found(store: Store, bank: str, number: int) -> None:
    for ask in (store.versions.get, lambda b, n: store.versions.activate(b, n, actor="cli")):
        with pytest.raises(NotFound, match=f"received version {number}"):
            ask(bank, number)


def test_a_version_of_a_file_that_was_never_put_is_refused(store: Store, bank: str) -> None:
    with pytest.raises(ReferenceGone):
        store.versions.add(bank, sha256="0" * 64, size=1, summary={}, actor="cli")
    assert store.versions.all(bank) == []


def test_a_bank_goes_on_from_the_numbers_of_a_deleted_one_of_its_name(
    store: Store, bank: str, add_version: AddVersion
) -> None:
    add_version(b"1"), add_version(b"2")
    for last, revision in ((2, 1), (3, 3)):
        store.banks.delete(bank, actor="cli")
        made = store.banks.create(bank, title="Other", config={}, actor="cli")
        assert (made.last_version, made.active_version, made.revision) == (last, None, revision + 1)
        assert store.banks.get(bank) == made
        assert add_version(b"3") == last + 1
        store.banks.update(bank, title="Another", actor="cli")
    assert store.banks.create("nuts", title="Nuts", config={}, actor="cli").last_version == 0


def test_who_deletes_and_creates_banks_of_one_name_at_once_gets_every_number_once(
    store: Store, bank: str, put: Callable[[bytes], str]
) -> None:
    sha256 = put(b"bank")
    given: list[int] = []

    def turn(_: int) -> None:
        for _ in range(8):
            with suppress(NotFound, AlreadyExists):
                made = store.versions.add(bank, sha256=sha256, size=4, summary={}, actor="cli")
                given.append(made.number)
                store.banks.delete(bank, actor="cli")
                store.banks.create(bank, title="Other", config={}, actor="cli")

    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(turn, range(4))] == [None] * 4
    assert len(given) > 1
    assert len(given) == len(set(given))


def test_a_bank_knows_the_digest_that_it_serves(store: Store, bank: str, add_version: AddVersion) -> None:
    add_version(b"1"), add_version(b"2")
    for number in (2, 1):
        row = store.versions.activate(bank, number, actor="cli")
        assert row.active_sha256 == store.versions.get(bank, number).sha256
        assert store.banks.current(bank).active_sha256 == row.active_sha256


def test_what_the_check_refuses_is_neither_activated_nor_changed(
    store: Store, bank: str, add_version: AddVersion
) -> None:
    add_version(b"1"), add_version(b"2")
    store.versions.activate(bank, 1, actor="cli")
    seen: list[tuple[float | None, int | None]] = []

    def refuse(row: Bank, version: Version | None) -> None:
        seen.append((row.target_false_reject, version and version.number))
        raise ConfigError(requirement="a", received="b", remedy="c")

    with pytest.raises(ConfigError):
        store.versions.activate(bank, 2, actor="cli", check=refuse)
    with pytest.raises(ConfigError):
        store.banks.update(bank, target_false_reject=0.1, actor="cli", check=refuse)
    assert seen == [(None, 2), (0.1, 1)]
    row = store.banks.get(bank)
    assert (row.active_version, row.target_false_reject, row.revision) == (1, None, 2)


def thresholds(store: Store, bank: str) -> tuple[float | None, float | None]:
    row = store.banks.get(bank)
    return row.review_threshold, row.reject_threshold


def test_thresholds_by_score_stay_with_their_version_and_come_back_with_it(
    store: Store, bank: str, add_version: AddVersion
) -> None:
    add_version(b"1"), add_version(b"2")
    store.banks.update(bank, actor="cli", reject_threshold=3.0, target_false_reject=0.1)
    store.versions.activate(bank, 1, actor="cli")
    assert thresholds(store, bank) == (None, 3.0)  # set for the first version before there was one
    store.banks.update(bank, actor="cli", review_threshold=2.0)
    seen: list[float | None] = []
    store.versions.activate(bank, 2, actor="k1", check=lambda row, version: seen.append(row.reject_threshold))
    assert seen == [None]
    assert thresholds(store, bank) == (None, None)
    assert store.banks.get(bank).target_false_reject == 0.1
    change = store.banks.threshold_changes(bank)[0]
    assert (change.actor, change.reject_threshold, change.target_false_reject) == ("k1", None, 0.1)
    assert "not comparable" in str(change.note)
    store.versions.activate(bank, 1, actor="cli")
    assert thresholds(store, bank) == (2.0, 3.0)
    store.versions.activate(bank, 1, actor="cli")  # the active one again changes nothing
    assert thresholds(store, bank) == (2.0, 3.0)


def test_an_activation_without_thresholds_by_score_is_no_change_of_thresholds(
    store: Store, bank: str, add_version: AddVersion
) -> None:
    add_version(b"1"), add_version(b"2")
    store.banks.update(bank, actor="cli", target_false_reject=0.1)
    for number in (1, 2):
        store.versions.activate(bank, number, actor="cli")
    assert len(store.banks.threshold_changes(bank)) == 1
