"""Seeded photographs of imaginary parts, and a bank of them with the tiny backbone: no file, no network."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fakes import random_backbone

from app.inspection.backbones import backbone_ref
from core.bank import Bank
from core.build import Build
from core.config import DetectorConfig, InputConfig
from models.backbone import Backbone

TESTS = Path(__file__).resolve().parent
SMALL = DetectorConfig(
    input=InputConfig(size=64), coreset_ratio=0.1, min_bank_vectors=0, target_false_reject=0.2
)


def parts(n: int, shape: tuple[int, int] = (64, 64), seed: int = 0) -> list[np.ndarray]:
    """n uint8 images of one striped part, each with its own noise and light."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    base = 120 + 60 * np.sin(x / 5) * np.cos(y / 9)
    images = base[None, :, :, None] + rng.normal(0, 4, (n, *shape, 3)) + rng.normal(0, 1, (n, 1, 1, 3))
    return list(images.clip(0, 255).astype(np.uint8))


def scratched(image: np.ndarray, y: int, x: int, side: int = 10) -> np.ndarray:
    """The image with a black square whose middle is (y, x)."""
    found = image.copy()
    found[max(0, y - side // 2) : y + side // 2, max(0, x - side // 2) : x + side // 2] = 0
    return found


def build(
    images: Sequence[np.ndarray],
    config: DetectorConfig = SMALL,
    backbone: Backbone | None = None,
    groups: Sequence[int] | None = None,
    **options: Any,
) -> Bank:
    """A bank of these images under the names 000.png, 001.png and so on."""
    backbone = backbone or random_backbone()
    named = [(f"{i:03d}.png", image) for i, image in enumerate(images)]
    return Build(backbone, backbone_ref(backbone), config, **options).run(
        named, len(named), None if groups is None else np.asarray(groups)
    )


def sha256_elsewhere(bank: str) -> str:
    """Of a bank's bytes, made by another process on two threads from an expression of ``build`` and ``parts``."""
    program = (
        f"import hashlib, sys, torch; torch.set_num_threads(2); sys.path[:0] = [{str(TESTS)!r}]; "
        "from dataclasses import replace; from parts import SMALL, build, parts; from core.bank import bank_bytes; "
        f"print(hashlib.sha256(bank_bytes({bank})).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=TESTS.parent, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
