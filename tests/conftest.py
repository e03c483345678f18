"""Shared fixtures: seeded generators and the folder of real images, where it is present."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator seeded alike in every test."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real inspection images and weights beside the checkout; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the folder of shared images and weights lies not beside this checkout")
    return SHARED
