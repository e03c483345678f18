"""A version is its digest: a deleted bank neither inspects nor draws under its namesake, on any server of a store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from parts import build, parts, scratched
from service_kit import inspect, problem, service_of
from starlette.testclient import TestClient

from app.errors import PictureUnavailable
from app.imaging.decode import decode_image
from app.insight import exploring, places
from app.settings import Settings
from core.bank import bank_bytes
from models.backbone import Backbone

CAPS = "/v1/banks/caps"


@pytest.fixture(scope="session")
def other_file(backbone: Backbone) -> bytes:
    """A bank of another product: the scratched parts are its good ones."""
    return bank_bytes(build([scratched(image, 30, 40) for image in parts(24, seed=3)], backbone=backbone))


@pytest.fixture
def both(banked: TestClient, serve: Callable[..., TestClient], settings: Settings) -> list[TestClient]:
    """Two servers of one store, where the bank ``caps`` inspects with version 1."""
    return [banked, serve(settings)]


def replace_bank(client: TestClient, file: bytes) -> None:
    """Delete ``caps`` and create a bank of another product under its name."""
    assert client.delete(CAPS).status_code == 204
    assert client.post("/v1/banks", json={"id": "caps"}).status_code == 201
    assert client.post(f"{CAPS}/import?activate=true", content=file).status_code == 201


def test_every_server_of_a_store_inspects_with_the_namesakes_own_version(
    both: list[TestClient], other_file: bytes, bad: bytes
) -> None:
    before = [inspect(client, bad) for client in both]
    assert [(found["version"], found["decision"]) for found in before] == [(1, "reject")] * 2
    replace_bank(both[0], other_file)
    after = [inspect(client, bad) for client in both]
    file = both[0].get(f"{CAPS}/versions/2").json()["sha256"]
    assert [(found["version"], found["digests"]["bank"]) for found in after] == [(2, file)] * 2
    assert after[0]["score"] == pytest.approx(after[1]["score"]) != pytest.approx(before[0]["score"])
    assert [client.get(f"{CAPS}/health").json()["state"] for client in both] == ["ready"] * 2


def test_a_version_whose_number_names_another_file_is_not_served_from_memory(
    both: list[TestClient], other_file: bytes, bad: bytes
) -> None:
    """As after a restore into the store of a server that runs on: the same name and number, another digest."""
    for client in both:
        inspect(client, bad)
    replace_bank(both[0], other_file)
    with service_of(both[0]).store.database.write() as session:
        connection = session.connection()
        connection.exec_driver_sql("UPDATE versions SET number = 1")
        connection.exec_driver_sql("UPDATE banks SET active_version = 1, last_version = 1")
    file = both[0].get(f"{CAPS}/versions/1").json()["sha256"]
    assert [inspect(client, bad)["digests"]["bank"] for client in both] == [file] * 2


def test_the_map_of_an_old_inspection_is_drawn_by_its_own_version_or_refused(
    both: list[TestClient], other_file: bytes, bad: bytes
) -> None:
    deleting, holding = both
    old = inspect(holding, bad)
    drawn = holding.get(old["links"]["overlay"]).content
    replace_bank(deleting, other_file)
    refused = problem(deleting.get(old["links"]["overlay"]), 404, "picture-unavailable")
    assert "version 1 of caps is gone" in refused["detail"]
    assert holding.get(old["links"]["overlay"]).content == drawn  # it has that very version in memory
    service_of(holding).inspecting.registry.drop("caps")
    problem(holding.get(old["links"]["overlay"]), 404, "picture-unavailable")


def test_a_row_that_names_another_digest_under_its_number_is_not_drawn_nor_explored(
    both: list[TestClient], other_file: bytes, bad: bytes
) -> None:
    """As stores of earlier releases hold them: their numbers began again with each namesake."""
    old = inspect(both[0], bad)
    replace_bank(both[0], other_file)
    new = inspect(both[0], bad)
    service = service_of(both[0])
    with service.store.database.write() as session:
        session.connection().exec_driver_sql("UPDATE inspections SET version = 2")
    for client in both:
        problem(client.get(old["links"]["overlay"]), 404, "picture-unavailable")
    explored = exploring.subject(service.inspecting, "caps")
    assert [row.id for row in explored.recorded.rows] == [new["id"]]


def test_versions_are_compared_over_inspections_of_this_bank_and_not_of_its_namesake(
    both: list[TestClient], other_file: bytes, bank_file: bytes, bad: bytes
) -> None:
    inspect(both[0], bad)
    replace_bank(both[0], bank_file)
    mine = inspect(both[0], bad)
    assert both[0].post(f"{CAPS}/import", content=other_file).json()["number"] == 3
    kept = service_of(both[1]).store.inspections.kept("caps", 10)
    assert [row.id for row in kept] == [mine["id"]]


def test_a_change_meant_for_the_deleted_bank_does_not_reach_its_namesake(
    banked: TestClient, other_file: bytes
) -> None:
    etag = banked.get(CAPS).headers["ETag"]
    replace_bank(banked, other_file)
    stale = {"If-Match": etag}
    problem(banked.patch(CAPS, json={"title": "old"}, headers=stale), 412, "stale-revision")
    problem(banked.delete(CAPS, headers=stale), 412, "stale-revision")


def test_the_place_least_like_a_good_part_is_cut_by_the_version_that_found_it(
    banked: TestClient, other_file: bytes, bad: bytes
) -> None:
    service, id = service_of(banked), inspect(banked, bad)["id"]
    row = service.store.inspections.get(id)
    assert banked.portal is not None
    cut = banked.portal.call(places.worst, service.inspecting, row, bad)
    assert decode_image(cut).shape == (places.PICTURE, places.PICTURE, 3)
    replace_bank(banked, other_file)
    for looked in (
        partial(places.worst, service.inspecting, row, bad),
        partial(places.nominal, service.inspecting, row),
    ):
        with pytest.raises(PictureUnavailable, match="version 1 of caps, which is gone"):
            banked.portal.call(looked)
