"""Leases: one worker a job, fenced by its token, whatever the wall clock does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.store.errors import LeaseLost
from app.store.leases import Lease, LeaseWatch, Progress
from app.store.schema import Bank, Job
from app.store.store import Store

YEAR = 365 * 86400.0
LEASE_SECONDS = 30.0


@pytest.fixture
def job(store: Store, bank: str) -> Job:
    return store.jobs.create(bank, request={}, actor="cli")


def claim(store: Store, owner: str = "w1") -> Lease:
    claimed = store.leases.claim(owner)
    assert claimed is not None
    return claimed[1]


def test_the_oldest_job_is_claimed_first_and_once(store: Store) -> None:
    made = []
    for name in ("b", "a"):
        store.banks.create(name, title=name, config={}, actor="cli")
        made.append(store.jobs.create(name, request={}, actor="cli").id)
    assert [claim(store).job_id, claim(store).job_id] == made
    assert store.leases.claim("w3") is None


def test_progress_shows_in_the_job(store: Store, job: Job, time: Any) -> None:
    lease = claim(store)
    time.pass_time(2)
    store.leases.beat(lease, Progress("coreset", 10, 200, 9.5))
    store.leases.beat(lease)
    found = store.jobs.get(job.id)
    assert (found.stage, found.done, found.total, found.seconds_left) == ("coreset", 10, 200, 9.5)
    assert (found.state, found.owner, found.beats, found.attempts) == ("running", "w1", 2, 1)
    assert found.heartbeat_at == time.wall


def test_a_version_that_the_bank_could_not_decide_with_is_kept_with_the_reason_and_not_activated(
    store: Store, bank: str, job: Job, put: Callable[[bytes], str]
) -> None:
    store.leases.succeed(claim(store), sha256=put(b"first"), size=5, summary={})
    second = store.jobs.create(bank, request={}, actor="cli")
    store.banks.update(bank, target_false_reject=0.001, actor="cli")
    asked: list[float | None] = []

    def unsupported(row: Bank) -> str:
        asked.append(row.target_false_reject)
        return "too few parts"

    made = store.leases.succeed(
        claim(store), sha256=put(b"bank"), size=4, summary={}, unsupported=unsupported
    )
    assert asked == [0.001]
    assert store.banks.get(bank).active_version == 1
    found = store.jobs.get(second.id)
    assert (found.state, found.version, found.not_activated) == ("succeeded", 2, "too few parts")
    assert (made.state, store.versions.get(bank, 2).reason) == ("ok", "too few parts")
    store.versions.activate(bank, 2, actor="cli")
    assert store.versions.get(bank, 2).reason is None


def test_success_makes_and_activates_the_next_version_at_once(
    store: Store, bank: str, job: Job, put: Callable[[bytes], str]
) -> None:
    lease = claim(store)
    version = store.leases.succeed(lease, sha256=put(b"bank"), size=4, summary={"vectors": 9})
    assert (version.number, version.job_id) == (1, job.id)
    assert store.banks.get(bank).active_version == 1
    found = store.jobs.get(job.id)
    assert (found.state, found.version, found.owner) == ("succeeded", 1, None)
    assert found.finished_at is not None


def test_success_without_activation_leaves_the_pointer(
    store: Store, bank: str, job: Job, put: Callable[[bytes], str]
) -> None:
    store.leases.succeed(claim(store), sha256=put(b"bank"), size=4, summary={}, activate=False)
    assert store.banks.get(bank).active_version is None


def test_failure_keeps_its_reason(store: Store, job: Job) -> None:
    store.leases.fail(claim(store), {"type": "too-few-images", "detail": "one image"})
    found = store.jobs.get(job.id)
    assert (found.state, found.error) == ("failed", {"type": "too-few-images", "detail": "one image"})


def write_all(store: Store, lease: Lease, sha256: str) -> list[Callable[[], Any]]:
    """Everything a worker can write with a lease."""
    return [
        lambda: store.leases.beat(lease),
        lambda: store.leases.succeed(lease, sha256=sha256, size=4, summary={}),
        lambda: store.leases.fail(lease, {}),
        lambda: store.leases.cancelled(lease),
        lambda: store.leases.give_back(lease),
    ]


def test_a_worker_whose_job_was_taken_can_write_nothing(
    store: Store, bank: str, job: Job, put: Callable[[bytes], str]
) -> None:
    slow, sha256 = claim(store, "slow"), put(b"bank")
    store.leases.release("slow", "its process ended")
    for write in write_all(store, slow, sha256):
        with pytest.raises(LeaseLost):
            write()
    fast = claim(store, "fast")
    for write in write_all(store, slow, sha256):
        with pytest.raises(LeaseLost):
            write()
    assert store.jobs.get(job.id).owner == "fast"
    store.leases.succeed(fast, sha256=sha256, size=4, summary={})
    for write in write_all(store, slow, sha256) + write_all(store, fast, sha256):
        with pytest.raises(LeaseLost):
            write()
    assert [version.number for version in store.versions.all(bank)] == [1]


def test_a_worker_whose_bank_was_deleted_has_lost_its_lease(store: Store, bank: str, job: Job) -> None:
    lease = claim(store)
    store.leases.fail(lease, {})
    store.banks.delete(bank, actor="cli")
    with pytest.raises(LeaseLost):
        store.leases.beat(lease)
    with pytest.raises(LeaseLost):
        store.leases.fail(lease, {})


def test_a_silent_worker_loses_its_job_and_a_beating_one_keeps_it(store: Store, job: Job, time: Any) -> None:
    lease = claim(store)
    for _ in range(10):
        time.pass_time(LEASE_SECONDS / 2)
        store.leases.beat(lease)
        assert store.lease_watch.sweep() == []
    time.pass_time(LEASE_SECONDS - 1)
    assert store.lease_watch.sweep() == []
    time.pass_time(1)
    assert [(each.id, each.state) for each in store.lease_watch.sweep()] == [(job.id, "queued")]
    assert claim(store, "w2").token > lease.token


@pytest.mark.parametrize("jump", [YEAR, -YEAR, 10 * YEAR, -10 * YEAR])
def test_a_clock_that_jumps_neither_takes_a_live_lease_nor_keeps_a_dead_one(
    store: Store, job: Job, time: Any, jump: float
) -> None:
    lease = claim(store)
    store.lease_watch.sweep()
    time.jump(jump)
    assert store.lease_watch.sweep() == []
    store.leases.beat(lease)
    store.lease_watch.sweep()
    time.pass_time(LEASE_SECONDS)
    assert [each.id for each in store.lease_watch.sweep()] == [job.id]


def test_a_new_watch_waits_a_lease_before_it_takes_anything(store: Store, job: Job, time: Any) -> None:
    claim(store)
    time.pass_time(YEAR)
    watch = LeaseWatch(store.leases, store.clock, LEASE_SECONDS)
    assert watch.sweep() == []
    time.pass_time(LEASE_SECONDS)
    assert len(watch.sweep()) == 1


def test_of_two_watches_one_takes_the_job(store: Store, job: Job, time: Any) -> None:
    claim(store)
    watches = [LeaseWatch(store.leases, store.clock, LEASE_SECONDS) for _ in range(2)]
    for watch in watches:
        watch.sweep()
    time.pass_time(LEASE_SECONDS)
    assert [len(watch.sweep()) for watch in watches] == [1, 0]
    assert store.jobs.get(job.id).attempts == 1


def test_a_heartbeat_between_watching_and_taking_wins(store: Store, job: Job) -> None:
    lease = claim(store)
    seen = store.leases.running()[0]
    store.leases.beat(lease)
    assert store.leases.take(seen.id, seen.token, seen.beats, "silent") is None
    assert store.leases.beat(lease) is False


def test_a_job_that_kills_every_worker_fails_with_the_reason(store: Store, job: Job) -> None:
    for attempt in range(1, 4):
        claim(store)
        (taken,) = store.leases.release("w1", "its process was killed by signal 9")
        assert taken.state == ("queued" if attempt < 3 else "failed")
    error = store.jobs.get(job.id).error
    assert error == {"reason": "worker-lost", "detail": "its process was killed by signal 9; attempts: 3"}


def test_giving_back_does_not_count_as_an_attempt(store: Store, job: Job) -> None:
    for _ in range(5):
        store.leases.give_back(claim(store))
    found = store.jobs.get(job.id)
    assert (found.state, found.attempts, found.owner) == ("queued", 0, None)


def test_a_job_to_be_cancelled_whose_worker_dies_is_cancelled(store: Store, job: Job) -> None:
    claim(store)
    store.jobs.cancel(job.id, actor="cli")
    assert store.leases.release("w1", "gone")[0].state == "cancelled"


def test_release_leaves_the_jobs_of_others(store: Store, job: Job) -> None:
    claim(store)
    assert store.leases.release("w2", "gone") == []
    assert store.jobs.get(job.id).state == "running"


def test_a_build_that_is_activated_leaves_thresholds_by_score_with_the_version_before(
    store: Store, bank: str, job: Job, put: Callable[[bytes], str]
) -> None:
    store.leases.succeed(claim(store), sha256=put(b"first"), size=5, summary={})
    store.banks.update(bank, reject_threshold=3.0, actor="cli")
    store.jobs.create(bank, request={}, actor="cli")
    store.leases.succeed(
        claim(store), sha256=put(b"second"), size=6, summary={}, unsupported=lambda bank: "too few parts"
    )
    assert store.banks.get(bank).reject_threshold == 3.0
    store.jobs.create(bank, request={}, actor="k2")
    seen: list[float | None] = []

    def unsupported(row: Bank) -> None:
        seen.append(row.reject_threshold)

    store.leases.succeed(claim(store), sha256=put(b"third"), size=5, summary={}, unsupported=unsupported)
    assert (seen, store.banks.get(bank).reject_threshold) == ([None], None)
    assert store.banks.threshold_changes(bank)[0].actor == "k2"
    assert store.versions.activate(bank, 1, actor="cli").reject_threshold == 3.0
