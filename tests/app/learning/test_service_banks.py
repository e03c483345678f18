"""Banks and their versions over HTTP: revisions, thresholds, activation, bank files, memory, quarantine."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from banks import tiny_bank
from fakes import random_backbone
from parts import SMALL, build, parts
from service_kit import PNG, health_now, inspect, new_bank, problem, service_of, wait_until
from starlette.testclient import TestClient

from app.settings import Settings
from core.bank import Conformance, bank_bytes
from core.config import DetectorConfig
from core.declared import all_settings
from core.input.mask import mask_text
from models.backbone import Backbone


@pytest.fixture(scope="session")
def other_file(backbone: Backbone) -> bytes:
    """A second version of the same product, with another threshold."""
    return bank_bytes(build(parts(30, seed=2), SMALL, backbone))


def blob(client: TestClient, content: bytes) -> Path:
    """Where the bytes lie."""
    path: Path = service_of(client).store.blobs.files.path(hashlib.sha256(content).hexdigest())  # type: ignore[attr-defined]
    return path


# Banks


def test_a_bank_is_created_read_changed_and_deleted(running: TestClient) -> None:
    made = running.post(
        "/v1/banks", json={"id": "lids", "title": "Lids", "config": {"input": {"size": 320}, "seed": 7}}
    )
    assert (made.status_code, made.headers["location"], made.headers["etag"]) == (
        201,
        "/v1/banks/lids",
        '"1"',
    )
    bank = made.json()
    assert (bank["config"]["input"], bank["config"]["seed"]) == (
        {"size": 320, "fit": "stretch", "crop": None},
        7,
    )
    assert running.get("/v1/banks/lids").json() == bank
    changed = running.patch(
        "/v1/banks/lids", json={"title": "Lids, left", "config": {"input": {"crop": 256}}}
    )
    assert changed.json()["config"]["input"] == {"size": 320, "fit": "stretch", "crop": 256}
    assert (changed.json()["title"], changed.headers["etag"]) == ("Lids, left", '"2"')
    assert running.delete("/v1/banks/lids").status_code == 204
    problem(running.get("/v1/banks/lids"), 404, "not-found")


def test_principal_components_are_set_and_taken_back_like_any_other_setting(running: TestClient) -> None:
    plain = running.post("/v1/banks", json={"id": "seals"}).json()["config"]
    assert "pca" not in plain
    changed = running.patch("/v1/banks/seals", json={"config": {"pca": 64}}).json()["config"]
    assert changed == plain | {"pca": 64}
    assert running.patch("/v1/banks/seals", json={"config": {"pca": None}}).json()["config"] == plain
    problem(running.patch("/v1/banks/seals", json={"config": {"pca": 0}}), 422, "invalid-config")


def test_augmentation_is_changed_by_name_and_taken_back_as_a_whole(running: TestClient) -> None:
    url = new_bank(running)
    plain = running.get(url).json()["config"]
    running.patch(url, json={"config": {"augment": {"flips": True, "rotation": 15}}})
    changed = running.patch(url, json={"config": {"augment": {"flips": False}}}).json()["config"]
    assert changed == plain | {"augment": {"rotation": 15}}
    assert running.patch(url, json={"config": {"augment": None}}).json()["config"] == plain


def test_every_declared_setting_is_set_over_http_and_shown_where_it_is_not_at_its_default(
    running: TestClient,
) -> None:
    values = {"pca": 8, "target_review": 0.5, "input.size": 64, "input.crop": 32, "index.kind": "hnsw"}
    values |= {"min_bank_vectors": 500, "metric": "whitened", "score": "map"}
    values |= {"input.significant_bits": 12, "augment.copies": 8, "input.mask": mask_text(np.eye(64) > 0)}
    values |= {f"augment.{name}": 0.25 for name in ("rotation", "shift", "scale", "light")}
    values |= {"registration.reference": "good.png", "registration.rotation": 30, "registration.scale": 1.2}
    values |= {"registration.side": 640, "registration.min_inliers": 12, "position": 1.5}
    for one in all_settings(DetectorConfig):
        value = values.get(one.key, not one.default if one.type is bool else one.default)
        place = {one.part: {one.name: value}} if one.part else {one.name: value}
        if one.name == "copies":
            place[one.part]["light"] = 0.25
        if one.part == "registration" and one.name != "on":
            place[one.part]["on"] = True
        changed = running.patch(new_bank(running), json={"config": place}).json()["config"]
        assert (changed[one.part] if one.part else changed)[one.name] == value, one.key


def test_reading_never_creates(running: TestClient) -> None:
    for path in (
        "",
        "/images",
        "/versions",
        "/health",
        "/versions/1",
        "/versions/1/bundle",
        "/threshold-changes",
    ):
        problem(running.get(f"/v1/banks/nobody{path}"), 404, "not-found")
    assert "nobody" not in [bank["id"] for bank in running.get("/v1/banks").json()["items"]]


def test_a_stale_change_is_refused_and_changes_nothing(running: TestClient) -> None:
    url = new_bank(running)
    running.patch(url, json={"title": "second"}, headers={"If-Match": '"1"'})
    problem(running.patch(url, json={"title": "third"}, headers={"If-Match": '"1"'}), 412, "stale-revision")
    problem(running.delete(url, headers={"If-Match": '"1"'}), 412, "stale-revision")
    problem(running.patch(url, json={"title": "third"}, headers={"If-Match": "two"}), 422, "invalid-request")
    assert running.get(url).json()["title"] == "second"
    assert running.patch(url, json={"title": "third"}, headers={"If-Match": "*"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        ({"id": "Caps"}, 422, "illegal-id"),
        ({"id": "../etc"}, 422, "illegal-id"),
        ({"id": ""}, 422, "illegal-id"),
        ({"id": "a" * 64}, 422, "illegal-id"),
        ({}, 422, "invalid-request"),
        ({"id": "a", "titel": "x"}, 422, "invalid-request"),
        ({"id": "a", "config": {"coreset_ratio": 2}}, 422, "invalid-config"),
        ({"id": "a", "config": {"seed": 10**400}}, 422, "invalid-config"),
        ({"id": "a", "config": {"input": {"sise": 3}}}, 422, "invalid-request"),
        ({"id": "a", "config": {"augment": {"turns": True}}}, 422, "invalid-request"),
        ({"id": "a", "config": {"augment": {"rotation": 181}}}, 422, "invalid-config"),
        ({"id": "a", "config": {"augment": {"copies": 4}}}, 422, "invalid-config"),
        ({"id": "a", "config": {"score": "map", "reweight": True}}, 422, "invalid-config"),
        ({"id": "a", "title": "nul\0"}, 422, "illegal-value"),
        ({"id": "a", "target_false_reject": 0}, 422, "invalid-request"),
        ({"id": "a", "review_threshold": 3, "reject_threshold": 2}, 422, "invalid-config"),
        ({"id": "a", "target_false_reject": 0.2, "target_review": 0.1}, 422, "invalid-config"),
    ],
)
def test_a_bank_that_cannot_be_is_refused(
    running: TestClient, body: dict[str, Any], status: int, slug: str
) -> None:
    problem(running.post("/v1/banks", json=body), status, slug)


def test_an_id_is_taken_once(running: TestClient) -> None:
    id = new_bank(running).rsplit("/", 1)[-1]
    problem(running.post("/v1/banks", json={"id": id}), 409, "already-exists")


def test_banks_are_listed_by_id_in_pages(client: TestClient) -> None:
    for id in ("c", "a", "b"):
        client.post("/v1/banks", json={"id": id})
    first = client.get("/v1/banks?limit=2").json()
    second = client.get(f"/v1/banks?limit=2&after={first['next']}").json()
    assert [bank["id"] for bank in first["items"] + second["items"]] == ["a", "b", "c"]
    assert second["next"] is None


# Thresholds without a build


def test_a_rate_the_version_does_not_support_is_refused_with_the_images_it_needs(banked: TestClient) -> None:
    refused = problem(
        banked.patch("/v1/banks/caps", json={"target_false_reject": 0.01}), 422, "rate-unsupported"
    )
    assert "99" in refused["requirement"]
    assert banked.get("/v1/banks/caps").json()["target_false_reject"] is None


def test_a_new_rate_counts_from_the_next_inspection_and_is_noted(banked: TestClient, good: bytes) -> None:
    before = inspect(banked, good)["thresholds"]["reject"]
    banked.patch("/v1/banks/caps", json={"target_false_reject": 0.05, "target_review": 0.5})
    thresholds = inspect(banked, good)["thresholds"]
    assert thresholds["review"] < before < thresholds["reject"]
    changes = banked.get("/v1/banks/caps/threshold-changes").json()
    assert [(change["target_false_reject"], change["actor"]) for change in changes] == [(0.05, "local")]


# Versions


def test_activation_swaps_versions_and_back_and_each_answers_as_itself(
    banked: TestClient, other_file: bytes, good: bytes
) -> None:
    first = inspect(banked, good)
    imported = banked.post("/v1/banks/caps/import", content=other_file)
    assert (imported.status_code, imported.json()["number"], imported.json()["active"]) == (201, 2, False)
    assert inspect(banked, good)["version"] == 1
    assert banked.post("/v1/banks/caps/versions/2/activate").json()["active_version"] == 2
    second = inspect(banked, good)
    assert (second["version"], second["score"] != first["score"]) == (2, True)
    banked.post("/v1/banks/caps/versions/1/activate")
    assert inspect(banked, good)["score"] == first["score"]
    problem(banked.delete("/v1/banks/caps/versions/1"), 409, "version-in-use")
    assert banked.delete("/v1/banks/caps/versions/2").status_code == 204
    problem(banked.post("/v1/banks/caps/versions/2/activate"), 404, "not-found")


def test_activation_under_a_stale_etag_is_refused(banked: TestClient) -> None:
    refused = banked.post("/v1/banks/caps/versions/1/activate", headers={"If-Match": '"99"'})
    problem(refused, 412, "stale-revision")


def test_a_version_that_cannot_follow_the_banks_rates_is_not_activated(
    banked: TestClient, backbone: Backbone
) -> None:
    banked.patch("/v1/banks/caps", json={"target_false_reject": 0.05})
    few = bank_bytes(build(parts(6), SMALL, backbone))
    problem(banked.post("/v1/banks/caps/import?activate=true", content=few), 422, "rate-unsupported")
    assert banked.get("/v1/banks/caps").json()["active_version"] == 1


def test_a_bundle_taken_out_and_in_again_is_the_same_and_scores_the_same(
    banked: TestClient, bank_file: bytes, good: bytes
) -> None:
    response = banked.get("/v1/banks/caps/versions/1/bundle")
    assert response.content == bank_file
    digest = base64.b64encode(hashlib.sha256(bank_file).digest()).decode()
    assert response.headers["repr-digest"] == f"sha-256=:{digest}:"
    banked.post("/v1/banks", json={"id": "copy"})
    banked.post("/v1/banks/copy/import?activate=true", content=response.content)
    assert inspect(banked, good, bank="copy")["score"] == inspect(banked, good)["score"]


def test_a_bank_file_that_is_damaged_foreign_or_no_bank_is_not_taken_in(
    banked: TestClient, bank_file: bytes
) -> None:
    url = "/v1/banks/caps/import"
    damaged = bytearray(bank_file)
    damaged[-1] ^= 1
    foreign = bank_bytes(build(parts(6), SMALL, random_backbone(seed=5)))
    for content, status, slug in (
        (b"", 422, "bank-corrupt"),
        (b"PK\x03\x04 a zip", 422, "bank-corrupt"),
        (bank_file[:-10], 422, "bank-corrupt"),
        (bytes(damaged), 422, "bank-corrupt"),
        (foreign, 422, "unknown-backbone"),
        (bank_bytes(tiny_bank()), 422, "unknown-backbone"),
    ):
        problem(banked.post(url, content=content), status, slug)
    assert [version["number"] for version in banked.get("/v1/banks/caps/versions").json()["items"]] == [1]
    problem(banked.post("/v1/banks/none/import", content=bank_file), 404, "not-found")


def test_a_bank_file_that_scores_otherwise_than_recorded_is_not_taken_in(
    banked: TestClient, images: list[Any], backbone: Backbone
) -> None:
    bank = build(images, SMALL, backbone)
    off = replace(bank.conformance, scores=bank.conformance.scores * 2)
    for conformance, status, slug in ((off, 409, "bank-mismatch"), (Conformance(), 422, "version-unproven")):
        content = bank_bytes(replace(bank, conformance=conformance))
        problem(banked.post("/v1/banks/caps/import", content=content), status, slug)


# Memory


def test_banks_leave_the_memory_by_least_recent_use_but_for_pinned_ones(
    serve: Callable[..., TestClient], settings: Settings, bank_file: bytes, good: bytes
) -> None:
    client = serve(settings)
    registry = service_of(client).inspecting.registry
    for id in ("a", "b", "c"):
        client.post("/v1/banks", json={"id": id, "pinned": id == "a"})
        client.post(f"/v1/banks/{id}/import?activate=true", content=bank_file)
        registry.budget_bytes = 2 * registry.loaded()[0].bytes

    def after(id: str) -> list[str]:
        inspect(client, good, bank=id)
        return [loaded.key[0] for loaded in registry.loaded()]

    assert [after(id) for id in ("a", "b", "c")] == [["c", "a"], ["a", "b"], ["a", "c"]]
    assert registry.bytes() <= registry.budget_bytes
    registry.budget_bytes = 1
    assert after("b") == ["a", "b"]  # what is in use stays, whatever the budget


def test_a_pinned_bank_is_loaded_before_the_server_is_ready(
    serve: Callable[..., TestClient], settings: Settings, bank_file: bytes
) -> None:
    first = serve(settings)
    first.post("/v1/banks", json={"id": "caps", "pinned": True})
    first.post("/v1/banks/caps/import?activate=true", content=bank_file)
    second = serve(settings)
    assert second.get("/v1/banks/caps/health").json()["state"] == "ready"


# Quarantine


def test_a_version_whose_bytes_are_damaged_is_quarantined_while_others_serve(
    serve: Callable[..., TestClient], settings: Settings, bank_file: bytes, other_file: bytes, good: bytes
) -> None:
    first = serve(settings)
    for id, content in (("caps", bank_file), ("lids", other_file)):
        first.post("/v1/banks", json={"id": id, "pinned": True})
        first.post(f"/v1/banks/{id}/import?activate=true", content=content)
    path = blob(first, bank_file)
    path.chmod(0o600)
    path.write_bytes(b"rust" + bank_file[4:])
    second = serve(settings)  # becomes ready all the same
    refused = second.post("/v1/banks/caps/inspect", content=good, headers=PNG)
    assert "quarantined" in problem(refused, 409, "version-unusable")["received"]
    assert inspect(second, good, bank="lids")["decision"] == "accept"
    health = second.get("/v1/banks/caps/health").json()
    assert health["state"] == "quarantined"
    assert "digest" in health["reason"]
    assert health_now(second)["status"] == "degraded"
    problem(second.post("/v1/banks/caps/versions/1/activate"), 409, "version-unusable")

    path.write_bytes(bank_file)  # the cause is gone: activating tries again
    assert second.post("/v1/banks/caps/versions/1/activate").status_code == 200
    assert inspect(second, good)["version"] == 1
    assert health_now(second)["status"] == "ok"


@pytest.mark.parametrize("content", [None, b"rust"])
def test_a_lost_or_damaged_bank_file_is_not_downloaded_and_heals_when_it_is_imported_again(
    serve: Callable[..., TestClient], settings: Settings, bank_file: bytes, content: bytes | None
) -> None:
    client = serve(settings)
    client.post("/v1/banks", json={"id": "caps"})
    assert client.post("/v1/banks/caps/import", content=bank_file).status_code == 201
    path = blob(client, bank_file)
    path.unlink()
    if content is not None:
        path.write_bytes(content + bank_file[4:])
    bundle = "/v1/banks/caps/versions/1/bundle"
    assert "nominal store heal" in problem(client.get(bundle), 500, "blob-lost")["remedy"]
    assert client.post("/v1/banks/caps/import", content=bank_file).status_code == 201
    assert client.get(bundle).content == bank_file


def test_a_bank_that_cannot_be_used_in_the_asked_precision_is_used_in_its_own(
    serve: Callable[..., TestClient], settings: Settings, bank_file: bytes, good: bytes
) -> None:
    client = serve(
        settings.model_copy(update={"precision": "int8"})
    )  # no ranges are known of the tiny backbone
    assert client.post("/v1/banks", json={"id": "caps"}).status_code == 201
    assert client.post("/v1/banks/caps/import?activate=true", content=bank_file).status_code == 201
    assert inspect(client, good)["digests"]["precision"] == "float32"
    assert client.get("/v1/banks/caps/health").json()["state"] == "ready"


def test_a_quarantined_version_is_tried_again_when_the_server_starts(
    serve: Callable[..., TestClient], settings: Settings, bank_file: bytes, good: bytes
) -> None:
    first = serve(settings)
    first.post("/v1/banks", json={"id": "caps"})
    first.post("/v1/banks/caps/import?activate=true", content=bank_file)
    service_of(first).store.versions.quarantine("caps", 1, reason="another machine's", actor="server")
    second = serve(settings)
    wait_until(lambda: second.get("/v1/banks/caps/health").json()["state"] == "ready")
    assert inspect(second, good)["version"] == 1


def test_inspections_in_flight_keep_the_version_they_began_with(banked: TestClient, good: bytes) -> None:
    """The queue's work holds its version: dropping it, as activation and eviction do, takes nothing away."""
    service = service_of(banked)
    loaded = service.inspecting.registry.loaded()[0]
    service.inspecting.registry.drop("caps")
    assert service.inspecting.registry.loaded() == []
    assert loaded.engine.inspect(parts(1))[0].score > 0
    assert inspect(banked, good)["version"] == 1
