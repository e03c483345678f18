"""How well similar images are found: mean average precision and precision at 1 (Philbin et al. 2007).

A query's part is left out of what it may find: another exposure of the same defect proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from core.retrieval.ranking import expanded, ranked


@dataclass(frozen=True)
class RetrievalQuality:
    """map and precision_at_1 in [0, 1], over the queries that have anything of their kind to find."""

    map: float
    precision_at_1: float
    queries: int


def retrieval_quality(
    descriptors: Float32[np.ndarray, "n d"], kinds: np.ndarray, parts: np.ndarray, nearest: int = 0
) -> RetrievalQuality:
    """Each descriptor, of unit length, asked against those of other parts.

    kinds (n,): what must match. parts (n,): what must differ. nearest: of how many each query is expanded.
    """
    precisions, firsts = list[float](), list[bool]()
    for row, query in enumerate(descriptors):
        others = np.flatnonzero(parts != parts[row])
        known = descriptors[others]
        order, _ = ranked(expanded(query, known, nearest), known, len(known))
        hits = kinds[others][order] == kinds[row]
        if hits.any():
            precisions.append(_average_precision(hits))
            firsts.append(bool(hits[0]))
    if not firsts:
        return RetrievalQuality(0.0, 0.0, 0)
    return RetrievalQuality(float(np.mean(precisions)), float(np.mean(firsts)), len(firsts))


def _average_precision(hits: np.ndarray) -> float:
    places = np.flatnonzero(hits) + 1
    return float(np.mean(np.arange(1, len(places) + 1) / places))
