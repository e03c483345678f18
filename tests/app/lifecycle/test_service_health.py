"""Health on four levels, metrics, and what a server says of itself."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from service_kit import health_now, inspect, new_bank, problem, service_of, wait_until
from sqlalchemy import event
from starlette.testclient import TestClient

from app import __version__
from app.lifecycle import keys, opening, upkeep, vitals
from app.problems.types import TYPES
from app.settings import Settings
from app.store.errors import BlobMissing, ClockJumped, DatabaseUnavailable
from app.store.ids import Clock
from app.store.schema import Bank
from app.store.store import open_store
from models.backbone import Backbone


class Held:
    """A backbone's runtime that waits until it is let go."""

    def __init__(self, backbone: Backbone) -> None:
        self.name, self.precision, self._run = (
            backbone.engine.name,
            backbone.engine.precision,
            backbone.engine,
        )
        self.go_on = threading.Event()

    def __call__(self, batch: Any) -> Any:
        assert self.go_on.wait(30)
        return self._run(batch)


@pytest.mark.parametrize(
    "path",
    ["/livez", "/readyz", "/health", "/metrics", "/version", "/problems/not-found", "/v1/banks/caps/health"],
)
def test_a_probe_with_head_is_answered_as_with_get_without_the_body(banked: TestClient, path: str) -> None:
    asked, got = banked.head(path), banked.get(path)
    assert (asked.status_code, asked.content) == (200, b"")
    assert (got.status_code, asked.headers["content-type"]) == (200, got.headers["content-type"])
    assert int(asked.headers["content-length"]) > 0
    assert "HEAD" in banked.post(path).headers["allow"]


def test_a_probe_with_head_is_told_that_the_server_is_not_ready(
    serve: Callable[..., TestClient], settings: Settings, backbone: Backbone
) -> None:
    held = Held(backbone)
    client = serve(settings, warm=False, backbone=replace(backbone, engine=held))
    assert (client.head("/readyz").status_code, client.head("/livez").status_code) == (503, 200)
    held.go_on.set()
    wait_until(lambda: client.head("/readyz").status_code == 200)
    assert client.head("/v1/banks/nowhere/health").status_code == 404


def test_a_server_is_alive_at_once_and_ready_only_after_it_has_inspected_something(
    serve: Callable[..., TestClient], settings: Settings, backbone: Backbone, good: bytes
) -> None:
    held = Held(backbone)
    client = serve(settings, warm=False, backbone=replace(backbone, engine=held))
    assert client.get("/livez").json() == {"status": "alive"}
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"status": "warming"})
    refused = client.post("/v1/banks/caps/inspect", content=good)
    assert problem(refused, 503, "warming-up")["retry_after"] == 1
    held.go_on.set()
    wait_until(lambda: client.get("/readyz").status_code == 200)
    assert client.get("/readyz").json() == {"status": "ready"}


def test_readiness_does_not_flip_while_banks_load_fail_or_are_built(banked: TestClient) -> None:
    service = service_of(banked)
    service.store.versions.quarantine("caps", 1, reason="a test", actor="test")
    service.inspecting.registry.drop("caps")
    service.life.faults["retention"] = "a fault"
    assert banked.get("/readyz").status_code == 200
    assert health_now(banked)["status"] == "degraded"


def test_a_server_whose_warm_up_fails_is_alive_not_ready_and_says_why(
    serve: Callable[..., TestClient], settings: Settings, backbone: Backbone
) -> None:
    class Broken(Held):
        def __call__(self, batch: Any) -> Any:
            raise MemoryError("no memory for this test")

    client = serve(settings, warm=False, backbone=replace(backbone, engine=Broken(backbone)))
    wait_until(lambda: "warm-up" in client.get("/health").json()["faults"])
    assert client.get("/readyz").status_code == 503
    assert "no memory" in client.get("/health").json()["fault_reasons"]["warm-up"]


def test_health_tells_of_every_part(banked: TestClient, good: bytes) -> None:
    inspect(banked, good)
    health = health_now(banked)
    assert health["status"] == "ok", health
    assert health["versions"]["nominal"] == __version__
    assert health["backbone"]["name"] == "tiny"
    assert health["queue"]["seconds_per_image"] > 0
    assert health["memory"]["banks_loaded"] == 1
    assert 0 < health["memory"]["banks_bytes"] < health["memory"]["banks_budget_bytes"]
    assert health["database"]["kind"] == "sqlite"
    others = ("loading", "not_loaded", "no_version", "quarantined", "undecidable")
    assert health["banks"] == {"ready": 1, **dict.fromkeys(others, 0)}
    assert health["uptime_seconds"] > 0


def test_a_sick_database_degrades_health_and_does_not_hang_it(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sick(service: Any) -> Any:
        raise DatabaseUnavailable(requirement="a", received="b", remedy="c")

    monkeypatch.setattr(vitals, "database", sick)
    health = health_now(client)
    assert (health["status"], health["database"]) == ("degraded", {"error": "DatabaseUnavailable"})
    assert client.get("/readyz").status_code == 200


def test_a_banks_health_is_the_conformance_of_its_loaded_version(
    banked: TestClient, bank_file: bytes
) -> None:
    health = banked.get("/v1/banks/caps/health").json()
    assert (health["state"], health["version"], health["reason"]) == ("ready", 1, None)
    conformance = health["loaded"]["conformance"]
    assert conformance["images"] == 3
    assert 0 <= conformance["difference"] < conformance["tolerance"]
    service_of(banked).inspecting.registry.drop("caps")
    assert banked.get("/v1/banks/caps/health").json()["state"] == "not_loaded"
    checked = banked.get("/v1/banks/caps/health?check=true").json()
    assert checked["loaded"]["conformance"]["checked_at"] > conformance["checked_at"]
    banked.post("/v1/banks", json={"id": "empty"})
    assert banked.get("/v1/banks/empty/health?check=true").json()["state"] == "no_version"


def test_a_bank_that_stops_scoring_as_recorded_is_found_by_the_check_and_quarantined(
    banked: TestClient,
) -> None:
    loaded = service_of(banked).inspecting.registry.loaded()[0]
    scores = loaded.engine.bank.conformance.scores
    object.__setattr__(
        loaded.engine.bank.conformance, "scores", scores * 2
    )  # as if the arithmetic had changed
    health = banked.get("/v1/banks/caps/health?check=true").json()
    assert health["state"] == "quarantined"
    assert "score as recorded" in health["reason"]


def test_checking_a_bank_needs_the_role_inspect(banked: TestClient) -> None:
    service = service_of(banked)
    made = {role: service.store.keys.create(role, role, actor="test")[0] for role in ("read", "inspect")}
    service.admission.forget()
    headers = {role: {"X-API-Key": text} for role, text in made.items()}
    refused = banked.get("/v1/banks/caps/health?check=true", headers=headers["read"])
    assert "role inspect" in problem(refused, 403, "forbidden")["requirement"]
    assert banked.get("/v1/banks/caps/health", headers=headers["read"]).status_code == 200
    assert banked.get("/v1/banks/caps/health?check=true", headers=headers["inspect"]).status_code == 200


def test_an_inspection_passes_between_two_conformance_images(banked: TestClient) -> None:
    service, portal = service_of(banked), banked.portal
    assert portal is not None
    done: list[str] = []

    async def both() -> None:
        loaded = service.inspecting.registry.loaded()[0]
        score = loaded.engine.conformance_score

        def noted(i: int) -> float:
            done.append(f"image {i}")
            return score(i)

        loaded.engine.conformance_score = noted  # type: ignore[method-assign]  # the real one, and noted
        check = asyncio.ensure_future(service.inspecting.registry.check(loaded))
        await asyncio.sleep(0)  # the check has given its first image to the inference thread
        await service.inspecting.batcher.call(lambda: done.append("inspection"))
        await check

    portal.call(both)
    assert done == ["image 0", "inspection", "image 1", "image 2"]


# The census


def statements(client: TestClient, ask: Callable[[], Any]) -> int:
    """How many SQL statements are executed while ``ask`` is."""
    engine, counted = service_of(client).store.database.engine, [0]

    def count(*_: Any) -> None:
        counted[0] += 1

    event.listen(engine, "before_cursor_execute", count)
    try:
        ask()
    finally:
        event.remove(engine, "before_cursor_execute", count)
    return counted[0]


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers of this test count only when they are told to, and look after neither leases, keys nor other servers."""
    monkeypatch.setattr(upkeep, "COUNT_SECONDS", 3600.0)
    monkeypatch.setattr(keys, "BELIEVED_SECONDS", 3600.0)
    monkeypatch.setattr(opening, "WATCHES_A_LEASE", 1e-6)
    for name in ("LONGEST_BEAT", "ASKED_SECONDS", "QUARANTINE_SECONDS"):
        monkeypatch.setattr(opening, name, 3600.0)


@pytest.mark.usefixtures("uncounted")
def test_who_asks_for_health_or_metrics_causes_no_query_and_a_count_needs_few_at_any_number_of_banks(
    banked: TestClient,
) -> None:
    service, portal = service_of(banked), banked.portal
    assert portal is not None
    store = service.store
    few = statements(banked, lambda: portal.call(upkeep.count, service))
    now = store.clock.now()
    with store.database.write() as session:
        session.add_all(
            Bank(
                id=f"more-{i:03d}",
                title="",
                config={},
                created_at=now,
                updated_at=now,
                target_false_reject=0.1,
            )
            for i in range(300)
        )
    store.versions.quarantine("caps", 1, reason="a test", actor="test")
    store.jobs.create("more-000", request={}, actor="test")
    banked.get("/v1/banks")  # whether keys are needed is remembered
    many = statements(banked, lambda: portal.call(upkeep.count, service))
    assert many == few <= 14

    def ask() -> None:
        for path in ("/health", "/metrics") * 20:
            assert banked.get(path).status_code == 200

    assert statements(banked, ask) == 0
    health = banked.get("/health").json()
    assert (health["banks"]["no_version"], health["banks"]["quarantined"]) == (300, 1)
    assert len(health["bank_states"]) == 301
    assert health["fault_reasons"]["bank:caps"] == "a test"
    assert sample(banked, "nominal_versions_quarantined") == 1
    assert sample(banked, 'nominal_jobs{state="queued"}') == 1


def test_the_census_is_taken_anew_by_itself(client: TestClient) -> None:
    client.post("/v1/banks", json={"id": "lids"})
    wait_until(lambda: client.get("/health").json()["banks"]["no_version"] == 1)


@pytest.mark.usefixtures("uncounted")
def test_a_database_that_does_not_answer_is_asked_once_and_its_banks_are_as_they_were(
    banked: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on, real = [0], threading.Event(), vitals.database

    def slow(service: Any) -> Any:
        asked[0] += 1
        assert go_on.wait(30)
        return real(service)

    health_now(banked)
    monkeypatch.setattr(vitals, "database", slow)
    monkeypatch.setattr(upkeep, "PATIENCE", 0.05)
    health = [health_now(banked) for _ in range(5)][-1]
    assert (health["database"], health["faults"]) == ({"error": "no answer within 0.05 s"}, ["database"])
    assert health["banks"]["ready"] == 1
    assert asked == [1]
    go_on.set()
    wait_until(lambda: health_now(banked)["faults"] == [])


# Metrics


def sample(client: TestClient, name: str) -> float:
    """The value of one metric's line."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def test_metrics_count_inspections_batches_problems_and_requests(
    banked: TestClient, good: bytes, bad: bytes
) -> None:
    inspect(banked, good)
    inspect(banked, bad)
    banked.post("/v1/banks/caps/inspect", content=b"no image")
    assert sample(banked, 'nominal_inspections_total{bank="caps",decision="accept"}') == 1
    assert sample(banked, 'nominal_inspections_total{bank="caps",decision="reject"}') == 1
    assert sample(banked, 'nominal_batch_size_count{bank="caps"}') == 2
    assert sample(banked, 'nominal_queue_seconds_count{bank="caps"}') == 2
    assert sample(banked, 'nominal_problems_total{type="image-format"}') == 1
    route = 'method="POST",route="/v1/banks/{bank}/inspect"'
    assert sample(banked, f'nominal_requests_total{{{route},status="200"}}') == 2
    assert sample(banked, 'nominal_bank_bytes{bank="caps"}') == service_of(banked).inspecting.registry.bytes()
    assert sample(banked, "nominal_ready") == 1
    banked.delete("/v1/banks/caps")
    assert 'bank="caps"' not in banked.get("/metrics").text


# Upkeep


async def once(service: Any, error: Exception | None) -> None:
    """One round of a loop whose work fails or not."""

    async def work() -> None:
        service.life.stopping.set()
        if error is not None:
            raise error

    service.life.stopping.clear()
    await upkeep.every(service, 0.001, "retention", work)


def test_a_failing_sweep_is_told_by_health_until_it_succeeds(client: TestClient) -> None:
    service, portal = service_of(client), client.portal
    assert portal is not None
    jumped = ClockJumped(requirement="a", received="a jump", remedy="c")
    portal.call(once, service, jumped)
    assert "a jump" in client.get("/health").json()["fault_reasons"]["retention"]
    portal.call(once, service, None)
    assert client.get("/health").json()["faults"] == []


def test_health_says_that_the_clock_cannot_be_believed(
    serve: Callable[..., TestClient], settings: Settings
) -> None:
    with open_store(settings, Clock(now=lambda: datetime.now(UTC) + timedelta(days=30))) as store:
        store.time.look()
    client = serve(settings)
    reason = client.get("/health").json()["fault_reasons"]["clock"]
    assert "a clock 30 days behind it" in reason
    assert "nominal store trust-clock" in reason
    service, portal = service_of(client), client.portal
    assert portal is not None
    service.store.time.trust("cli")
    portal.call(upkeep.attempt, service, "clock", partial(upkeep.look_at_clock, service))
    assert client.get("/health").json()["faults"] == []


def test_health_says_that_files_were_lost_until_they_are_back(client: TestClient) -> None:
    store = service_of(client).store
    store.note_lost(3)
    assert "3 stored files were lost" in health_now(client)["fault_reasons"]["files"]
    store.note_lost(0)
    assert health_now(client)["faults"] == []


def test_a_sweep_collects_what_nothing_refers_to_and_nothing_else(
    serve: Callable[..., TestClient], settings: Settings, good: bytes
) -> None:
    client = serve(settings.model_copy(update={"blob_grace_seconds": 1e-6}))
    url = new_bank(client) + "/images"
    kept = client.post(url, content=good).json()["files"][0]["sha256"]
    service, portal = service_of(client), client.portal
    assert portal is not None
    lost = service.store.blobs.put([b"nobody's"], limit=100, media_type="image/png").sha256
    portal.call(upkeep.sweep, service)
    assert service.store.blobs.read(kept) == good
    with pytest.raises(BlobMissing):
        service.store.blobs.read(lost)


def test_every_problem_type_is_explained_at_its_own_address(client: TestClient) -> None:
    for kind in TYPES:
        page = client.get(kind.uri)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert kind.title in page.text
    problem(client.get("/problems/none"), 404, "not-found")


def test_the_server_says_what_runs(client: TestClient) -> None:
    assert client.get("/version").json() == {"nominal": __version__, "api": "v1"}


def test_the_api_is_explained_without_reaching_any_other_server(client: TestClient) -> None:
    page = client.get("/docs").text
    assert re.findall(r"https?://[^\"']+", page) == []
    for path in re.findall(r'(?:src|href)="(/[^"]+)"', page):
        asset = client.get(path)
        assert (asset.status_code, len(asset.content) > 1000) == (200, True), path
    assert client.get("/openapi.json").json()["info"]["title"] == "Nominal"
