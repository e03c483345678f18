"""``nominal eval`` end to end on real images: well above chance, with thresholds from good images alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from bench.datasets import elpv_split

pytest_plugins = ("command_line",)

WEIGHTS = "weights/resnet50-imagenet1k_v1-thru-layer3.safetensors"


def cells(root: Path) -> Path:
    """A few solar cells of elpv-dataset in MVTec form."""
    split = elpv_split()
    chosen = {
        "train/good": split.train[::9],
        "test/good": split.test_good[::10],
        "test/bad": split.defective[::13],
    }
    for folder, files in chosen.items():
        (root / folder).mkdir(parents=True)
        for file in files:
            shutil.copy(file, root / folder)
    return root


def test_solar_cells_are_told_apart_by_the_embedded_backbone(nominal, tmp_path):
    words = (
        "--backbone",
        "efficientnet-lite2",
        "--size",
        96,
        "--coreset-ratio",
        0.02,
        "--min-bank-vectors",
        0,
        "--groups",
        "none",
        "--json",
    )
    found = nominal("eval", cells(tmp_path / "cells"), *words).json
    assert found["image_auroc"] > 0.8
    assert found["image_aupr"] > 0.8
    assert found["detection"]["0.05"]["rate"] > found["false_reject"]["0.05"]["rate"] + 0.2
    assert found["false_reject"]["0.05"]["low"] <= 0.05
    assert found["bank_vectors"] == 116  # 2 % of 40 x 144, rounded up
    assert found["pixel_auroc"] is None
    assert json.dumps(found, allow_nan=False)


def test_nuts_are_told_apart_by_the_reference_backbone(nominal, shared):
    words = (
        "--backbone",
        "resnet50",
        "--weights",
        shared / WEIGHTS,
        "--size",
        128,
        "--coreset-ratio",
        0.02,
        "--json",
    )
    found = nominal("eval", shared / "data" / "hazelnut256", *words).json
    assert found["backbone"] == "resnet50"
    assert found["image_auroc"] > 0.8
    assert found["pixel_auroc"] > 0.9
    assert found["aupro"] > 0.5
