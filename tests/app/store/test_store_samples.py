"""The sample of accepted images: which ones stay, how many, how large."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.settings import Settings
from app.store.samples import SampleRules, Samples, lot
from app.store.schema import Blob, Inspection
from app.store.store import Store, sample_rules

Keep = Callable[..., str]


@pytest.fixture
def keep(store: Store, put: Callable[[bytes], str], make_inspection: Callable[..., Inspection]) -> Keep:
    """An inspection whose image is kept; its id."""
    count = iter(range(10_000))

    def kept(score: float, size: int = 8, **changes: object) -> str:
        data = f"{next(count):08d}".encode().ljust(size, b".")
        row = make_inspection(score=score, image_sha256=put(data), **changes)
        store.inspections.add([row])
        return row.id

    return kept


def sweep(store: Store, count: int, size: int = 1 << 20) -> int:
    return Samples(store.database, store.clock, SampleRules(count, size)).sweep()


def still(store: Store, ids: list[str]) -> set[str]:
    return {id for id in ids if store.inspections.get(id).image_sha256 is not None}


def test_half_are_the_nearest_to_the_threshold_and_half_the_lowest_lots(store: Store, keep: Keep) -> None:
    ids = [keep(0.1 + 0.01 * i) for i in range(40)]
    assert sweep(store, 10) == 30
    near = ids[-5:]
    drawn = sorted(ids[:-5], key=lot)[:5]
    assert still(store, ids) == {*near, *drawn}
    assert sweep(store, 10) == 0


def test_nearness_is_relative_to_the_threshold_each_was_judged_by(store: Store, keep: Keep) -> None:
    far, near = keep(9.0, review_threshold=100.0), keep(0.9, review_threshold=1.0)
    sweep(store, 2)
    others = [keep(0.01) for _ in range(6)]
    sweep(store, 2)
    assert near in still(store, [far, near, *others])


def test_every_version_has_its_sample_and_the_newest_goes_first_where_bytes_are_short(
    store: Store, keep: Keep
) -> None:
    old = [keep(0.1 * i, 100, version=1) for i in range(4)]
    new = [keep(0.1 * i, 100, version=2) for i in range(4)]
    assert sweep(store, 4) == 0
    assert sweep(store, 4, size=650) == 2
    assert still(store, new) == set(new)
    assert len(still(store, old)) == 2


def test_what_was_reviewed_or_not_accepted_stays(store: Store, keep: Keep) -> None:
    rejected, reviewed = keep(5.0, decision="reject"), keep(0.5)
    store.reviews.add(reviewed, "missed_defect", actor="k1")
    assert sweep(store, 1) == 0
    accepted = [keep(0.1), keep(0.2)]
    assert sweep(store, 1) == 1
    assert len(still(store, accepted)) == 1
    assert still(store, [rejected, reviewed]) == {rejected, reviewed}


def test_images_let_go_are_collected_once_their_grace_is_over(store: Store, keep: Keep) -> None:
    ids = [keep(0.1 * i) for i in range(4)]
    digests = [str(store.inspections.get(id).image_sha256) for id in ids]
    sweep(store, 2)
    store.blobs.collect(-1.0)
    with store.database.read() as session:
        left = {sha256 for sha256 in digests if session.get(Blob, sha256) is not None}
    assert len(left) == 2


@pytest.mark.parametrize(("keep", "expected"), [("sample", SampleRules(200, 1 << 30)), ("all", None)])
def test_only_one_policy_lets_images_go(tmp_path: Path, keep: str, expected: SampleRules | None) -> None:
    assert sample_rules(Settings(data_dir=tmp_path, image_keep=keep)) == expected


def test_a_policy_that_keeps_all_lets_none_go(store: Store, keep: Keep) -> None:
    ids = [keep(0.1) for _ in range(3)]
    assert Samples(store.database, store.clock, None).sweep() == 0
    assert still(store, ids) == set(ids)
