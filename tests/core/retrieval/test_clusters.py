"""Groups of descriptors: known ones found, none made up, and the silhouette against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from core.retrieval import grouped, unit
from core.retrieval.clusters import _silhouette


def around(centres: np.ndarray, counts: list[int], spread: float, seed: int = 0) -> np.ndarray:
    made = np.random.default_rng(seed)
    places = np.repeat(centres, counts, axis=0)
    return unit((places + spread * made.standard_normal(places.shape)).astype(np.float32))


def test_groups_that_stand_apart_are_found_the_largest_first() -> None:
    counts = [7, 30, 12]
    found = grouped(around(np.eye(3, 20), counts, 0.05))
    assert found.tolist() == np.repeat([2, 0, 1], counts).tolist()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 200])
def test_descriptors_without_structure_are_one_group(n: int) -> None:
    noise = np.random.default_rng(1).standard_normal((n, 64)).astype(np.float32)
    assert grouped(unit(noise)).tolist() == [0] * n


def test_descriptors_all_alike_are_one_group() -> None:
    assert grouped(np.ones((20, 1), np.float32)).tolist() == [0] * 20


def test_the_silhouette_is_that_of_its_definition() -> None:
    x = around(np.eye(3, 6), [4, 5, 1], 0.4)
    groups, apart = np.repeat([0, 1, 2], [4, 5, 1]), 1 - x @ x.T
    widths = []
    for i in range(10):
        own = [j for j in range(10) if groups[j] == groups[i] and j != i]
        if not own:
            widths.append(0.0)
            continue
        a = np.mean([apart[i, j] for j in own])
        b = min(np.mean(apart[i, groups == other]) for other in {0, 1, 2} - {int(groups[i])})
        widths.append((b - a) / max(a, b))
    assert _silhouette(apart, groups) == pytest.approx(np.mean(widths), abs=1e-5)
