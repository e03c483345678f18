"""The console of a bank with registration: where a part lies, that one was not located, places in its own pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from moved_parts import SIZE, moved, part, taken
from parts import scratched
from starlette.testclient import TestClient
from test_console_inspections import inspected, picture, shown

from app.imaging.pictures import encode_png
from app.learning.learn import Hooks, learn
from app.settings import Settings
from core.bank import bank_bytes
from core.config import DetectorConfig
from core.groups import by_photograph
from core.input.photograph import Photograph
from models.backbone import Backbone

CONFIG = DetectorConfig(min_bank_vectors=0, coreset_ratio=0.2).changed(
    {"input": {"size": 128}, "registration": {"on": True}, "target_false_reject": 0.2}
)


def test_an_inspection_says_where_the_part_lies_or_that_it_was_not_located(
    serve: Callable[..., TestClient], settings: Settings, backbone: Backbone
) -> None:
    files = [encode_png(image) for image in taken(8)]
    images = [
        (f"{hashlib.sha256(data).hexdigest()}/{i}.png", lambda image=image: Photograph(image))
        for i, (data, image) in enumerate(zip(files, taken(8), strict=True))
    ]
    made = learn(images, backbone, CONFIG, Hooks(any_rate=True), groups=by_photograph(8)).bank
    client = serve(settings.model_copy(update={"console": True}))
    client.post("/v1/banks", json={"id": "caps"})
    client.post("/v1/banks/caps/images", files=[("file", (f"{i}.png", data)) for i, data in enumerate(files)])
    sent = client.post("/v1/banks/caps/import?activate=true", content=bank_bytes(made))
    assert sent.status_code == 201
    found = inspected(client, encode_png(moved(scratched(part(), 110, 170, 30), 60.0)[0]), "found")
    page = shown(client, f"/inspections/{found['id']}")
    assert "Where the part lies" in page
    assert "degrees" in page
    for kind in ("worst", "nearest"):
        assert picture(client, found["id"], kind).size == (320, 320)
    lost = inspected(client, encode_png(np.full((*SIZE, 3), 60, np.uint8)), "lost")
    page = shown(client, f"/inspections/{lost['id']}")
    assert "The part was not located in this picture" in page
    assert "0 points agree" in page
    assert "1e+31" not in page
    assert "not located" in shown(client, "/inspections")
    assert client.get("/console/banks/caps/thresholds", headers={"Accept": "text/html"}).status_code == 200
    assert "parts brought onto a reference" in shown(client, "/banks/caps/versions/1")
