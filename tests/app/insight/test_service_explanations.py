"""Explanations over HTTP: what they hold, whom they refuse, one at a time."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from service_kit import inspect, problem, service_of
from starlette.testclient import TestClient

from app.errors import QueueFull
from app.insight.explaining import document, note_of
from app.inspection.explainers import WAITING, Explainers
from app.settings import Settings
from core.bank import load_bank
from core.explain import METHODS, Network, explain
from core.input.views import view_of
from models.backbone import Backbone
from nominal_client.answers.explanations import Explanation


def at(id: str, query: str = "") -> str:
    return f"/v1/inspections/{id}/explanation{query}"


def test_every_method_explains_the_distance_that_decided(banked: TestClient, bad: bytes) -> None:
    found = inspect(banked, bad)
    for method in METHODS:
        answer = banked.get(at(found["id"]), params={"method": method})
        assert answer.status_code == 200, answer.text
        told = Explanation.model_validate(answer.json())
        assert (told.inspection, told.method, told.decides) == (found["id"], method, method == "patch-map")
        assert told.distance == pytest.approx(found["nearest"]["distance"], rel=1e-4)
        assert (told.at_x, told.at_y) == (found["nearest"]["at_x"], found["nearest"]["at_y"])
        assert (told.precision, told.note) == ("float32", None)
        assert sum(told.layers.values()) == pytest.approx(1)
        best, faithful = told.faithfulness.patch_map_deletion, told.faithfulness.deletion
        assert 0 < best <= faithful <= 1
        assert told.faithfulness.deletion_curve[0] == 1
        assert told.faithfulness.insertion_curve[-1] == 1


def test_the_map_is_a_picture_of_the_photograph(banked: TestClient, bad: bytes) -> None:
    id = inspect(banked, bad)["id"]
    pictures = [
        banked.get(at(id), params={"method": m, "format": "png"}) for m in ("patch-map", "guided", "guided")
    ]
    assert [p.headers["content-type"] for p in pictures] == ["image/png"] * 3
    assert Image.open(io.BytesIO(pictures[0].content)).size == (64, 64)
    assert pictures[0].content != pictures[1].content == pictures[2].content


def test_it_is_the_explanation_of_the_core(
    banked: TestClient, bad: bytes, bank_file: bytes, backbone: Backbone, tmp_path: Path
) -> None:
    (tmp_path / "caps.bank").write_bytes(bank_file)
    bank = load_bank(tmp_path / "caps.bank")
    with Image.open(io.BytesIO(bad)) as image:
        view = view_of(np.asarray(image.convert("RGB")), bank.config, bank.backbone.mean, None)
    told = document(explain(view, bank, Network(backbone.module()), "layer-cam"), "float32")
    answer: dict[str, Any] = banked.get(at(inspect(banked, bad)["id"], "?method=layer-cam")).json()
    assert answer["faithfulness"]["deletion"] == pytest.approx(told["faithfulness"]["deletion"], rel=1e-5)
    assert [each["channel"] for each in answer["channels"]] == [each["channel"] for each in told["channels"]]


def test_what_cannot_be_explained_is_refused_by_name(
    serve: Callable[..., TestClient], settings: Settings, bank_file: bytes, bad: bytes
) -> None:
    client = serve(settings.model_copy(update={"image_keep": "none"}))
    client.post("/v1/banks", json={"id": "caps"})
    client.post("/v1/banks/caps/import?activate=true", content=bank_file)
    id = inspect(client, bad)["id"]
    said = problem(client.get(at(id)), 404, "picture-unavailable")
    assert "no image was kept" in said["detail"]
    said = problem(client.get(at(id, "?method=lime")), 422, "invalid-request")
    assert "grad-cam++" in said["detail"]
    problem(client.get(at("0" * 26)), 404, "not-found")


def test_a_version_that_is_gone_explains_nothing(banked: TestClient, bad: bytes) -> None:
    id = inspect(banked, bad)["id"]
    assert banked.delete("/v1/banks/caps").status_code == 204
    said = problem(banked.get(at(id)), 404, "picture-unavailable")
    assert "version 1 of caps, which is gone" in said["detail"]


def test_explanations_are_made_one_at_a_time_and_refused_beyond_a_few() -> None:
    async def scene() -> None:
        explainers, running, most = Explainers(), 0, 0
        free = asyncio.Event()

        async def work() -> int:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await free.wait()
            running -= 1
            return most

        asked = [asyncio.create_task(explainers.in_turn(work)) for _ in range(WAITING)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(QueueFull) as refused:
            await explainers.in_turn(work)
        assert refused.value.retry_after >= 1
        asked[0].cancel()  # its caller went: it keeps its turn
        free.set()
        assert await asyncio.gather(*asked[1:]) == [1] * (WAITING - 1)
        assert await explainers.in_turn(work) == 1

    asyncio.run(scene())


def test_a_full_queue_says_when_to_ask_again(banked: TestClient, bad: bytes) -> None:
    id = inspect(banked, bad)["id"]
    explainers, portal = service_of(banked).inspecting.explainers, banked.portal
    assert portal is not None
    gate = asyncio.Event()

    async def fill() -> list[Any]:
        held = [asyncio.create_task(explainers.in_turn(gate.wait)) for _ in range(WAITING)]
        await asyncio.sleep(0)
        return held

    held = portal.call(fill)
    refused = banked.get(at(id))
    problem(refused, 503, "queue-full")
    assert int(refused.headers["retry-after"]) >= 1
    portal.call(_set, gate)
    portal.call(_all, held)
    assert banked.get(at(id)).status_code == 200


async def _set(gate: asyncio.Event) -> None:
    gate.set()


async def _all(tasks: list[Any]) -> None:
    await asyncio.gather(*tasks)


def test_another_precision_is_said() -> None:
    assert note_of("float32") is None
    assert "int8" in str(note_of("int8"))
