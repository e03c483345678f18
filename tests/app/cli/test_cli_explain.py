"""``nominal explain``: figures, a picture, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import random_backbone
from parts import build, parts, scratched
from PIL import Image

from app.imaging.pictures import encode_png
from core.bank import Bank, save_bank
from core.explain import METHODS

pytest_plugins = ("command_line",)


@pytest.fixture(scope="module")
def learnt() -> Bank:
    return build(parts(12))


@pytest.fixture
def files(tmp_path: Path, learnt: Bank) -> tuple[Path, Path]:
    """A bank, and a photograph with a scratch."""
    bank, image = tmp_path / "part.bank", tmp_path / "scratched.png"
    save_bank(learnt, bank)
    image.write_bytes(encode_png(scratched(parts(1, seed=4)[0], 30, 40)))
    return bank, image


def test_each_method_is_told_with_its_faithfulness(nominal, tiny, files):
    options = tiny[2:4]
    for method in METHODS:
        found = nominal("explain", *files, "--method", method, *options, "--json").json
        assert (found["method"], found["decides"]) == (method, method == "patch-map")
        assert found["faithfulness"]["patch_map_deletion"] <= found["faithfulness"]["deletion"]
        assert sum(found["layers"].values()) == pytest.approx(1)


def test_the_picture_is_of_the_photographs_size_and_the_figures_are_read(nominal, tiny, files, tmp_path):
    ended = nominal("explain", *files, *tiny[2:4], "--out", tmp_path / "why.png")
    assert ended.status == 0, ended.err
    assert "deletion" in ended.out
    assert "than nominal" in ended.out
    with Image.open(tmp_path / "why.png") as picture:
        colours = np.asarray(picture).astype(int)
    assert picture.size == (64, 64)
    coloured = np.ptp(colours, axis=2)
    assert coloured[25:36, 35:46].mean() > 2 * coloured[:, :16].mean(), "the scratch, and a place far from it"


def test_a_bank_of_int8_is_explained_in_float32_and_that_is_said(nominal, tiny, files, learnt, tmp_path):
    save_bank(replace(learnt, backbone=replace(learnt.backbone, precision="int8")), tmp_path / "int8.bank")
    ended = nominal("explain", tmp_path / "int8.bank", files[1], *tiny[2:4])
    assert ended.status == 0
    assert "decided in int8" in ended.err


def test_what_cannot_be_explained_is_refused(nominal, tiny, files, tmp_path):
    refused = nominal("explain", *files, "--method", "lime", *tiny[2:4])
    assert (refused.status, "'lime'" in refused.err, "grad-cam++" in refused.err) == (1, True, True)
    other = build(parts(12), backbone=random_backbone(seed=3))
    save_bank(other, tmp_path / "other.bank")
    refused = nominal("explain", tmp_path / "other.bank", files[1], *tiny[2:4])
    assert (refused.status, "BankMismatch" in refused.err) == (1, True)
    (tmp_path / "no.png").write_bytes(b"no image")
    assert nominal("explain", files[0], tmp_path / "no.png", *tiny[2:4]).status == 1
