"""Threads that want the same thing: one gets it, nothing is lost, nothing dangles."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from app.settings import Settings
from app.store.errors import (
    AlreadyExists,
    BlobsUnavailable,
    BuildAlreadyRunning,
    LeaseLost,
    ReferenceGone,
    StaleRevision,
    StoreError,
)
from app.store.images import NewImage
from app.store.inspections import EVERY
from app.store.jobs import Idempotency
from app.store.leases import Lease
from app.store.schema import Inspection
from app.store.store import Store, open_store

THREADS = 8


def at_once(work: Callable[[int], Any], count: int = THREADS) -> list[Any]:
    """Call ``work(0..count-1)`` from threads released together; results, or the store's errors."""
    barrier = threading.Barrier(count)

    def run(index: int) -> Any:
        barrier.wait()
        try:
            return work(index)
        except StoreError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def split(answers: list[Any]) -> tuple[list[Any], set[type]]:
    """(answers that are no error, the types of those that are)."""
    fine = [each for each in answers if not isinstance(each, StoreError)]
    return fine, {type(each) for each in answers if isinstance(each, StoreError)}


def test_one_of_many_creates_the_bank(store: Store) -> None:
    made, refused = split(
        at_once(lambda i: store.banks.create("screws", title=str(i), config={}, actor="cli"))
    )
    assert (len(made), refused) == (1, {AlreadyExists})
    assert store.banks.get("screws").title == made[0].title


def test_one_of_many_changes_under_one_revision_wins(store: Store, bank: str) -> None:
    answers = at_once(lambda i: store.banks.update(bank, actor="cli", if_match=1, title=str(i)))
    made, refused = split(answers)
    assert (len(made), refused) == (1, {StaleRevision})
    assert store.banks.get(bank).revision == 2


def test_no_change_is_lost_without_a_revision(store: Store, bank: str) -> None:
    at_once(lambda i: store.banks.update(bank, actor="cli", title=str(i)))
    assert store.banks.get(bank).revision == 1 + THREADS


def test_two_servers_on_one_database_lose_no_change_and_refuse_none(
    store: Store, bank: str, settings: Settings
) -> None:
    with open_store(settings) as other:
        answers = at_once(lambda i: [(store, other)[i % 2].banks.update(bank, actor="cli") for _ in range(5)])
    assert split(answers)[1] == set()
    assert store.banks.get(bank).revision == 1 + THREADS * 5


def test_one_of_many_builds_is_queued(store: Store, bank: str) -> None:
    made, refused = split(at_once(lambda _: store.jobs.create(bank, request={}, actor="cli")))
    assert (len(made), refused) == (1, {BuildAlreadyRunning})


def test_many_requests_with_one_idempotency_key_get_one_job(store: Store, bank: str) -> None:
    key = Idempotency("scope", "key", "0" * 64)
    made, refused = split(
        at_once(lambda _: store.jobs.create(bank, request={}, actor="cli", idempotency=key))
    )
    assert refused == set()
    assert len({job.id for job in made}) == 1
    assert len(store.jobs.page().items) == 1


def test_no_two_workers_claim_one_job(store: Store) -> None:
    for index in range(5):
        store.banks.create(f"b{index}", title="", config={}, actor="cli")
        store.jobs.create(f"b{index}", request={}, actor="cli")
    claims = [each[1].job_id for each in at_once(lambda i: store.leases.claim(f"w{i}")) if each]
    assert len(claims) == len(set(claims)) == 5


def test_a_result_is_recorded_once_however_many_hold_the_lease(
    store: Store, bank: str, put: Callable[[bytes], str]
) -> None:
    store.jobs.create(bank, request={}, actor="cli")
    claimed = store.leases.claim("w1")
    assert claimed is not None
    lease: Lease = claimed[1]
    sha256 = put(b"bank")
    answers = at_once(lambda _: store.leases.succeed(lease, sha256=sha256, size=4, summary={}))
    made, refused = split(answers)
    assert (len(made), refused) == (1, {LeaseLost})
    assert store.banks.get(bank).last_version == 1


def test_versions_imported_together_get_numbers_of_their_own(
    store: Store, bank: str, put: Callable[[bytes], str]
) -> None:
    sha256 = put(b"bank")
    made = at_once(lambda _: store.versions.add(bank, sha256=sha256, size=4, summary={}, actor="cli").number)
    assert sorted(made) == list(range(1, THREADS + 1))


def test_one_image_sent_by_many_is_accepted_once(store: Store, bank: str) -> None:
    def send(_: int) -> str:
        kept = store.blobs.put([b"same"], limit=10, media_type="image/jpeg")
        return store.images.add(bank, [NewImage(kept.sha256, "a.jpg", 4, 1, 1)], actor="cli")[0]

    answers = at_once(send)
    assert sorted(answers) == ["accepted"] + ["duplicate"] * (THREADS - 1)


def test_uploads_of_overlapping_sets_in_any_order_all_arrive(store: Store, bank: str) -> None:
    def send(index: int) -> list[str]:
        images = []
        for number in range(6):
            data = b"%d" % ((number * (index + 1)) % 7)
            kept = store.blobs.put([data], limit=10, media_type="image/jpeg")
            images.append(NewImage(kept.sha256, data.decode(), 1, 1, 1))
        return [*store.images.add(bank, images, actor="cli")]

    answers = at_once(send)
    assert split(answers)[1] == set()
    assert sum(answer.count("accepted") for answer in answers) == store.images.totals(bank)[0] == 7


def test_reviews_by_many_keep_every_one(store: Store, make_inspection: Callable[..., Inspection]) -> None:
    seen = make_inspection()
    store.inspections.add([seen])
    at_once(lambda i: store.reviews.add(seen.id, "false_alarm", actor=f"k{i}"))
    assert [each.revision for each in store.reviews.all(seen.id)] == list(range(1, THREADS + 1))


def test_collecting_beside_uploads_of_the_same_bytes_never_leaves_a_dangling_reference(
    store: Store, bank: str
) -> None:
    """The worst grace, none at all: an upload may be refused, but what is accepted has its bytes.

    They are looked for once all have ended: without a grace an accepted image may have lost its bytes to the collector
    and get them back from another upload of the same, whose row is written before its file.
    """

    def send_or_collect(index: int) -> int:
        if index % 2:
            return sum(store.blobs.collect(-1).blobs for _ in range(6))
        accepted = 0
        for number in range(6):
            try:
                kept = store.blobs.put([b"%d" % (number % 2)], limit=10, media_type="image/jpeg")
                store.images.add(bank, [NewImage(kept.sha256, "a", 1, 1, 1)], actor="cli")
            except (ReferenceGone, BlobsUnavailable):  # collected before, or within, the upload
                continue
            accepted += 1
        return accepted

    assert split(at_once(send_or_collect))[1] == set()
    for image in store.images.page(bank).items:
        assert len(store.blobs.read(image.sha256)) == 1


def test_many_writers_and_readers_finish_without_busy(
    store: Store, make_inspection: Callable[..., Inspection]
) -> None:
    def work(index: int) -> int:
        for _ in range(10):
            store.inspections.add([make_inspection(serial=str(index)) for _ in range(3)])
            store.inspections.page(limit=5)
        return index

    assert at_once(work) == list(range(THREADS))
    assert len(list(store.inspections.export(EVERY))) == THREADS * 30
