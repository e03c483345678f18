"""A new version takes the old one's place: nobody waits, nobody is refused, and its first answer finds it warm."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from parts import SMALL, build, parts
from service_kit import PNG, health_now, inspect, problem, service_of, wait_until
from starlette.testclient import TestClient

from app.imaging.pictures import encode_png
from app.inspection.backbones import Backbones
from app.inspection.engine import Engine
from app.inspection.registry import Registry
from app.learning import worker_line
from app.learning.task import Warm
from app.learning.worker import Worker
from app.learning.worker_line import ServerLine
from app.lifecycle.upkeep import bank_built
from app.settings import Settings
from app.store.schema import Job
from app.store.store import open_store
from core.bank import Bank, bank_bytes
from models.backbone import Backbone

CAPS = "/v1/banks/caps"
QUICK = {"input": {"size": 64}, "coreset_ratio": 0.1, "target_false_reject": 0.2}


class Loading:
    """Loadings counted, each held until it may go on."""

    def __init__(self, load: Callable[[Registry, Bank, str], Engine]) -> None:
        self._load = load
        self.count, self.go_on = 0, threading.Event()
        self.go_on.set()

    def __call__(self, registry: Registry, bank: Bank, precision: str) -> Engine:
        self.count += 1
        assert self.go_on.wait(30)
        return self._load(registry, bank, precision)


@pytest.fixture
def loading(monkeypatch: pytest.MonkeyPatch) -> Loading:
    made = Loading(Registry._engine)
    monkeypatch.setattr(Registry, "_engine", lambda *given: made(*given))
    return made


@pytest.fixture
def serving(loading: Loading, banked: TestClient, good: bytes) -> TestClient:
    """A server whose bank ``caps`` inspects with version 1 and has images for version 2."""
    files = [("file", (f"{i}.png", encode_png(image))) for i, image in enumerate(parts(10))]
    assert banked.post(f"{CAPS}/images", files=files).json()["accepted"] == 10
    inspect(banked, good)
    return banked


def told(client: TestClient) -> Warm:
    """What connects a worker in a thread to the server, as the pipe connects the process."""

    def warm(job: Job, sha256: str, unwanted: Callable[[], bool]) -> None:
        assert client.portal is not None
        client.portal.call(bank_built, service_of(client), sha256)

    return warm


@contextmanager
def working(settings: Settings, backbone: Backbone, warm: Warm) -> Iterator[None]:
    with open_store(settings) as store:
        worker = Worker(settings, store, "test", lambda: Backbones(settings, backbone), warm=warm)
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            yield
        finally:
            worker.stop()
            thread.join(30)
            assert not thread.is_alive()


def job_of(client: TestClient, id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/v1/jobs/{id}").json()
    return found


def test_the_old_version_answers_until_the_new_one_is_warm_and_then_the_new_one_does(
    serving: TestClient, loading: Loading, settings: Settings, backbone: Backbone, good: bytes
) -> None:
    loading.go_on.clear()
    loaded = loading.count
    with working(settings, backbone, told(serving)):
        job = serving.post(f"{CAPS}/builds", json={"config": QUICK}).json()["id"]
        wait_until(lambda: loading.count == loaded + 1)
        during = [inspect(serving, good)["version"] for _ in range(5)]
        assert during == [1] * 5  # answered while the new version's loading is held
        assert job_of(serving, job)["stage"] == "warming"
        assert serving.get(CAPS).json()["active_version"] == 1
        loading.go_on.set()
        wait_until(lambda: job_of(serving, job)["state"] == "succeeded")
    assert serving.get(CAPS).json()["active_version"] == 2
    loading.go_on.clear()  # whoever had to load it now would wait for ever
    assert inspect(serving, good)["version"] == 2
    assert loading.count == loaded + 1
    loading.go_on.set()


def test_inspections_during_a_swap_all_succeed_and_turn_from_the_old_to_the_new_once(
    serving: TestClient, settings: Settings, backbone: Backbone, good: bytes
) -> None:
    answers: list[tuple[int, int]] = []
    ended = threading.Event()

    def inspect_on() -> None:
        while not ended.is_set():
            answer = serving.post(f"{CAPS}/inspect", content=good, headers=PNG)
            answers.append((answer.status_code, answer.json().get("version", 0)))

    inspecting = threading.Thread(target=inspect_on)
    inspecting.start()
    try:
        with working(settings, backbone, told(serving)):
            for swap in (2, 3):
                serving.post(f"{CAPS}/builds", json={"config": QUICK | {"seed": swap}})
                wait_until(lambda swap=swap: answers[-1:] == [(200, swap)])  # type: ignore[misc]
    finally:
        ended.set()
        inspecting.join(30)
    assert {status for status, _ in answers} == {200}
    versions = [version for _, version in answers]
    assert versions == sorted(versions)
    assert set(versions) == {1, 2, 3}


def test_a_build_cancelled_while_its_bank_is_loaded_leaves_no_version(
    serving: TestClient, settings: Settings, backbone: Backbone, good: bytes
) -> None:
    deaf = ServerLine([], io.StringIO())
    with working(settings, backbone, deaf.have_warm):
        job = serving.post(f"{CAPS}/builds", json={"config": QUICK}).json()["id"]
        wait_until(lambda: job_of(serving, job)["stage"] == "warming")
        assert serving.post(f"/v1/jobs/{job}/cancel").status_code == 202
        wait_until(lambda: job_of(serving, job)["state"] == "cancelled")
    assert inspect(serving, good)["version"] == 1
    assert [each["number"] for each in serving.get(f"{CAPS}/versions").json()["items"]] == [1]


def test_a_server_that_does_not_load_the_bank_in_time_delays_its_activation_no_longer(
    serving: TestClient,
    settings: Settings,
    backbone: Backbone,
    good: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_line, "WARM_SECONDS", 0.3)
    said = io.StringIO()
    with working(settings, backbone, ServerLine([], said).have_warm):
        job = serving.post(f"{CAPS}/builds", json={"config": QUICK}).json()["id"]
        wait_until(lambda: job_of(serving, job)["state"] == "succeeded")
    version = serving.get(f"{CAPS}/versions/2").json()
    event = {"job": job, "bank": "caps", "state": "built", "sha256": version["sha256"]}
    assert json.loads(said.getvalue()) == event
    assert inspect(serving, good)["version"] == 2  # loaded when it is asked for


def test_a_bank_that_cannot_be_prepared_keeps_no_build_waiting_and_is_quarantined_by_its_number(
    serving: TestClient, settings: Settings, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = service_of(serving).store.blobs.files

    def lose(job: Job, sha256: str, unwanted: Callable[[], bool]) -> None:
        files.delete(sha256)
        told(serving)(job, sha256, unwanted)

    with working(settings, backbone, lose):
        job = serving.post(f"{CAPS}/builds", json={"config": QUICK}).json()["id"]
        wait_until(lambda: job_of(serving, job)["state"] == "succeeded")
    assert serving.get(f"{CAPS}/health?check=true").json()["state"] == "quarantined"


# A version that the bank's rates, changed meanwhile, do not go with


def rated(client: TestClient, rate: float) -> Callable[[Job, str, Callable[[], bool]], None]:
    """A server that loads what was built, and a person who asks another rate of the bank right then."""

    def warm(job: Job, sha256: str, unwanted: Callable[[], bool]) -> None:
        told(client)(job, sha256, unwanted)
        assert client.patch(CAPS, json={"target_false_reject": rate}).status_code == 200

    return warm


def test_a_build_that_does_not_support_the_rate_asked_meanwhile_is_kept_and_not_activated(
    serving: TestClient, settings: Settings, backbone: Backbone, good: bytes
) -> None:
    with working(
        settings, backbone, rated(serving, 0.05)
    ):  # version 1 of 24 parts supports it, one of 10 does not
        id = serving.post(f"{CAPS}/builds", json={"config": QUICK}).json()["id"]
        wait_until(lambda: job_of(serving, id)["state"] == "succeeded")
    job = job_of(serving, id)
    assert job["version"] == 2
    assert "received 10" in job["not_activated"]
    one, two = reversed(serving.get(f"{CAPS}/versions").json()["items"])
    assert (one["active"], two["active"]) == (True, False)
    assert (two["state"], two["reason"]) == ("ok", job["not_activated"])
    assert inspect(serving, good)["version"] == 1
    assert serving.get(f"{CAPS}/health").json()["state"] == "ready"
    assert health_now(serving)["status"] == "ok"
    problem(serving.post(f"{CAPS}/versions/2/activate"), 422, "rate-unsupported")
    assert serving.patch(CAPS, json={"target_false_reject": 0.2}).status_code == 200
    assert serving.post(f"{CAPS}/versions/2/activate").json()["active_version"] == 2
    assert serving.get(f"{CAPS}/versions/2").json()["reason"] is None


def test_a_rate_is_refused_that_the_version_activated_meanwhile_does_not_support(
    serving: TestClient, loading: Loading, backbone: Backbone, good: bytes
) -> None:
    few = bank_bytes(build(parts(10), SMALL, backbone))
    assert serving.post(f"{CAPS}/import", content=few).json()["number"] == 2
    service = service_of(serving)
    service.inspecting.registry.drop("caps", 1)
    loading.go_on.clear()
    loaded = loading.count
    with ThreadPoolExecutor(1) as pool:
        change = pool.submit(serving.patch, CAPS, json={"target_false_reject": 0.05})
        wait_until(lambda: loading.count == loaded + 1)  # it tries the rate on version 1
        service.store.versions.activate("caps", 2, actor="another server")
        loading.go_on.set()
        problem(change.result(), 422, "rate-unsupported")
    assert serving.get(CAPS).json()["target_false_reject"] is None
    assert inspect(serving, good)["version"] == 2


def test_a_version_is_not_activated_for_a_rate_that_the_bank_got_while_it_was_loaded(
    serving: TestClient, loading: Loading, backbone: Backbone, good: bytes
) -> None:
    few = bank_bytes(build(parts(10), SMALL, backbone))
    assert serving.post(f"{CAPS}/import", content=few).json()["number"] == 2
    loading.go_on.clear()
    loaded = loading.count
    with ThreadPoolExecutor(1) as pool:
        activation = pool.submit(serving.post, f"{CAPS}/versions/2/activate")
        wait_until(lambda: loading.count == loaded + 1)
        assert serving.patch(CAPS, json={"target_false_reject": 0.05}).status_code == 200
        loading.go_on.set()
        problem(activation.result(), 422, "rate-unsupported")
    assert inspect(serving, good)["version"] == 1


def test_health_says_so_of_a_bank_that_cannot_decide(serving: TestClient, good: bytes) -> None:
    """As earlier releases left one, or a quarantine that ended after the rate had changed."""
    service = service_of(serving)
    assert health_now(serving)["status"] == "ok"
    service.store.banks.update("caps", actor="test", target_false_reject=0.001)
    problem(serving.post(f"{CAPS}/inspect", content=good, headers=PNG), 422, "rate-unsupported")
    for loaded in (True, False):
        assert bool(service.inspecting.registry.loaded()) is loaded
        health = serving.get(f"{CAPS}/health").json()
        assert health["state"] == "undecidable"
        assert "received 24" in health["reason"]
        whole = health_now(serving)
        assert (whole["status"], whole["faults"], whole["banks"]["undecidable"]) == ("degraded", ["bank"], 1)
        assert whole["fault_reasons"]["bank:caps"] == health["reason"]
        service.inspecting.registry.drop("caps")
    service.store.banks.update("caps", actor="test", target_false_reject=None)
    assert health_now(serving)["status"] == "ok"
    service.store.banks.update(
        "caps", actor="test", review_threshold=1e6
    )  # above the version's reject threshold
    assert serving.get(f"{CAPS}/health").json()["state"] == "undecidable"
    service.store.banks.update("caps", actor="test", reject_threshold=2e6)
    assert serving.get(f"{CAPS}/health").json()["state"] == "not_loaded"
    assert inspect(serving, good)["decision"] == "accept"


# The worker and its server


def test_a_worker_hears_which_bank_is_warm_and_when_to_wake_and_to_leave() -> None:
    class Heard:
        def __init__(self) -> None:
            self.calls: list[str] = []

        def wake(self) -> None:
            self.calls.append("wake")

        def stop(self) -> None:
            self.calls.append("stop")

    heard, said = Heard(), io.StringIO()
    line = ServerLine(["\n", "a" * 64 + "\n", "\n"], said)
    line.listen(heard)
    assert heard.calls == ["wake", "wake", "stop"]
    job = Job(id="j", bank="caps", kind="build", request={}, actor="test", created_at=datetime.now(UTC))
    line.have_warm(job, "a" * 64, lambda: False)  # returns
    assert json.loads(said.getvalue())["sha256"] == "a" * 64
