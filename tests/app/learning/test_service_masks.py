"""A bank's mask over HTTP: set by picture or outlines, shown, removed, learned, and what is refused."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from parts import parts
from PIL import Image
from service_kit import PNG, new_bank, problem

from app.imaging.pictures import encode_png

OUTLINES = {"width": 64, "height": 64, "inspect": [{"rectangle": [0, 0, 32, 64]}]}
QUICK = {"input": {"size": 64}, "min_bank_vectors": 0, "target_false_reject": 0.2}


def upload(client, bank: str, images: list[np.ndarray]) -> None:
    files = [("file", (f"{i}.png", encode_png(image), "image/png")) for i, image in enumerate(images)]
    assert client.post(f"{bank}/images", files=files).status_code in (200, 201)


def outlines(**changes: Any) -> bytes:
    return json.dumps(OUTLINES | changes).encode()


def put(client, bank: str, mask: Any = None, **headers: str) -> Any:
    return client.put(f"{bank}/mask", content=json.dumps(mask or OUTLINES), headers=headers)


def test_a_mask_is_set_by_outlines_or_a_picture_shown_and_removed(running):
    bank = new_bank(running, config=QUICK)
    assert "which has none" in problem(running.get(f"{bank}/mask"), 404, "not-found")["detail"]
    said = put(running, bank)
    assert said.json() == {
        "width": 64, "height": 64, "inspected_share": 0.5, "patches": 64, "inspected_patches": 32,
    }  # fmt: skip
    assert running.get(f"{bank}/mask").json() == said.json()
    picture = running.get(f"{bank}/mask/picture")
    assert picture.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(picture.content)) as shown:
        pixels = np.asarray(shown.convert("L"))
    assert pixels.shape == (64, 64)
    assert (pixels[:, :32] == 255).all()
    assert (pixels[:, 32:] == 0).all()
    again = new_bank(running, config=QUICK)
    assert running.put(f"{again}/mask", content=picture.content, headers=PNG).json() == said.json()
    assert running.delete(f"{bank}/mask").status_code == 204
    assert running.get(f"{bank}/mask").status_code == 404
    assert running.get(bank).json()["config"]["input"].get("mask") is None


def test_a_mask_has_the_banks_revision(running):
    bank = new_bank(running, config=QUICK)
    tag = put(running, bank).headers["etag"]
    assert tag == running.get(bank).headers["etag"] == running.get(f"{bank}/mask").headers["etag"]
    problem(put(running, bank, **{"If-Match": '"999"'}), 412, "stale-revision")
    assert put(running, bank, **{"If-Match": tag}).status_code == 200
    problem(running.delete(f"{bank}/mask", headers={"If-Match": tag}), 412, "stale-revision")


@pytest.mark.parametrize(
    ("mask", "status", "slug", "words"),
    [
        (b"", 422, "image-empty", "byte"),
        (b"\x00\x01", 415, "image-format", "must be"),
        (b"{}", 422, "mask-unusable", "width"),
        (outlines(inspect=[]), 422, "invalid-config", "leave something out"),
        (outlines(inspect=[{"rectangle": [90, 0, 5, 5]}]), 422, "mask-unusable", "touch the photograph"),
        (outlines(inspect=[{"circle": [30, 30, 0.6]}]), 422, "mask-unusable", "patch"),
        (outlines(width=100), 422, "mask-unusable", "among its nominal images"),
    ],
    ids=range(7),
)  # fmt: skip
def test_what_is_no_mask_for_these_photographs_is_refused_and_nothing_changes(
    mask, status, slug, words, running
):
    bank = new_bank(running, config=QUICK)
    upload(running, bank, parts(2))
    before = running.get(bank).json()
    assert words in problem(running.put(f"{bank}/mask", content=mask), status, slug)["detail"]
    assert running.get(bank).json() == before


def test_a_form_is_refused_with_how_to_send_it(running):
    bank = new_bank(running)
    files = {"mask": ("mask.png", encode_png(parts(1)[0]), "image/png")}
    assert (
        "--data-binary"
        in problem(running.put(f"{bank}/mask", files=files), 415, "unsupported-media-type")["detail"]
    )
