"""Jobs as callers see them: one a bank, once a key, cancelled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.store.errors import BuildAlreadyRunning, IdempotencyConflict, IllegalValue, JobFinished, NotFound
from app.store.jobs import Idempotency
from app.store.leases import Leases
from app.store.store import Store

KEY = Idempotency(scope="k1 POST /v1/banks/screws/builds", name="abc", request_sha256="1" * 64)


def test_a_job_starts_queued_with_its_request(store: Store, bank: str) -> None:
    made = store.jobs.create(bank, request={"coreset_ratio": 0.05}, actor="k1")
    found = store.jobs.get(made.id)
    assert (found.state, found.request, found.actor) == ("queued", {"coreset_ratio": 0.05}, "k1")
    assert (found.attempts, found.done, found.total, found.cancel_requested) == (0, 0, 0, False)


def test_a_bank_has_one_active_job_and_then_another(store: Store, bank: str) -> None:
    first = store.jobs.create(bank, request={}, actor="cli")
    with pytest.raises(BuildAlreadyRunning, match="screws"):
        store.jobs.create(bank, request={}, actor="cli")
    store.jobs.cancel(first.id, actor="cli")
    assert store.jobs.create(bank, request={}, actor="cli").id != first.id


def test_a_bank_has_one_active_job_of_each_kind(store: Store, bank: str) -> None:
    build = store.jobs.create(bank, request={}, actor="cli")
    look = store.jobs.create(bank, kind="screening", request={}, actor="cli")
    with pytest.raises(BuildAlreadyRunning, match="one screening"):
        store.jobs.create(bank, kind="screening", request={}, actor="cli")
    assert [job.id for job in store.jobs.page(kind="screening").items] == [look.id]
    assert [job.id for job in store.jobs.page(kind="build").items] == [build.id]


def test_a_job_sees_the_nominal_set_as_it_was_when_asked_for(
    store: Store, bank: str, add_image: Callable[..., str]
) -> None:
    before = sorted((add_image(bank, data, name=data.decode()), data.decode()) for data in (b"a", b"b"))
    store.images.say_serials(bank, {before[1][0]: "A-17"}, actor="cli")
    job = store.jobs.create(bank, request={}, actor="cli")
    add_image(bank, b"c")
    store.images.remove(bank, before[0][0], actor="cli")
    found = [(image.sha256, image.name, image.serial) for image in store.jobs.images(job.id)]
    assert found == [(*before[0], None), (*before[1], "A-17")]


def test_an_idempotency_key_makes_one_job_however_often_it_is_sent(store: Store, bank: str) -> None:
    made = store.jobs.create(bank, request={}, actor="k1", idempotency=KEY)
    assert store.jobs.create(bank, request={}, actor="k1", idempotency=KEY).id == made.id
    store.jobs.cancel(made.id, actor="k1")
    again = store.jobs.create(bank, request={}, actor="k1", idempotency=KEY)
    assert (again.id, again.state) == (made.id, "cancelled")


def test_an_idempotency_key_of_another_request_is_refused(store: Store, bank: str) -> None:
    store.jobs.create(bank, request={}, actor="k1", idempotency=KEY)
    other = Idempotency(KEY.scope, KEY.name, "2" * 64)
    with pytest.raises(IdempotencyConflict):
        store.jobs.create(bank, request={"x": 1}, actor="k1", idempotency=other)


def test_a_refused_build_does_not_use_up_its_idempotency_key(store: Store, bank: str) -> None:
    running = store.jobs.create(bank, request={}, actor="k1")
    with pytest.raises(BuildAlreadyRunning):
        store.jobs.create(bank, request={}, actor="k1", idempotency=KEY)
    store.jobs.cancel(running.id, actor="k1")
    assert store.jobs.create(bank, request={}, actor="k1", idempotency=KEY).state == "queued"


def test_an_idempotency_key_is_forgotten_after_its_hours(store: Store, bank: str, time: Any) -> None:
    made = store.jobs.create(bank, request={}, actor="k1", idempotency=KEY)
    store.jobs.cancel(made.id, actor="k1")
    time.pass_time(25 * 3600)
    again = store.jobs.create(bank, request={}, actor="k1", idempotency=KEY)
    assert again.id != made.id
    assert store.jobs.forget_keys() == 0
    time.pass_time(25 * 3600)
    assert store.jobs.forget_keys() == 1


def test_the_same_key_in_another_scope_is_another_key(store: Store, bank: str) -> None:
    store.banks.create("nuts", title="Nuts", config={}, actor="cli")
    other = Idempotency("k2", KEY.name, "2" * 64)
    first = store.jobs.create(bank, request={}, actor="k1", idempotency=KEY)
    assert store.jobs.create("nuts", request={}, actor="k2", idempotency=other).id != first.id


def test_an_idempotency_key_with_a_nul_is_refused(store: Store, bank: str) -> None:
    with pytest.raises(IllegalValue):
        store.jobs.create(bank, request={}, actor="k1", idempotency=Idempotency("s", "a\0", "1" * 64))


def test_cancelling_a_queued_job_ends_it_and_a_second_time_is_refused(store: Store, bank: str) -> None:
    job = store.jobs.create(bank, request={}, actor="cli")
    assert store.jobs.cancel(job.id, actor="cli").state == "cancelled"
    with pytest.raises(JobFinished, match="a job that cancelled"):
        store.jobs.cancel(job.id, actor="cli")
    assert store.leases.claim("w1") is None


def test_cancelling_a_running_job_tells_its_worker(store: Store, bank: str) -> None:
    job = store.jobs.create(bank, request={}, actor="cli")
    claimed = store.leases.claim("w1")
    assert claimed is not None
    assert store.leases.beat(claimed[1]) is False
    assert store.jobs.cancel(job.id, actor="cli").state == "running"
    assert store.leases.beat(claimed[1]) is True
    assert store.leases.cancelled(claimed[1]).state == "cancelled"


def test_an_unknown_job_is_not_found(store: Store) -> None:
    for ask in (store.jobs.get, lambda id: store.jobs.cancel(id, actor="cli")):
        with pytest.raises(NotFound):
            ask("no such job")


def test_jobs_are_listed_newest_first_by_bank_and_state(store: Store) -> None:
    made = []
    for name in ("a", "b", "c"):
        store.banks.create(name, title=name, config={}, actor="cli")
        made.append(store.jobs.create(name, request={}, actor="cli").id)
    Leases(store.database, store.clock).claim("w1")
    assert [job.id for job in store.jobs.page().items] == made[::-1]
    assert [job.bank for job in store.jobs.page(state="running").items] == ["a"]
    assert [job.id for job in store.jobs.page(bank="b").items] == [made[1]]
    first = store.jobs.page(limit=2)
    assert [job.id for job in store.jobs.page(before=first.next, limit=2).items] == made[:1]
