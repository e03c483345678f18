"""Shared fixtures: seeded generators and the folder of real images, where it is present."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

TESTS = Path(__file__).resolve().parent
LONG = {"bench", "docker", "test_operator_guide.py", "test_browser_teach.py"}
SHARED = TESTS.parents[1] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no process waits for one at the end; the order within a file stays."""
    items.sort(key=lambda item: LONG.isdisjoint(item.path.relative_to(TESTS).parts))


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
