"""The most similar of many descriptors, by their exact product; a query grown by its nearest ones (Chum et al. 2007).

Letters: n descriptors known, d dimensions, k found. All have unit length: a product is the cosine of their angle.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int64

from core.retrieval.whitening import unit

EXPANDED, ALPHA = 5, 1.0
"""What found most: the query's 5 nearest added to it, each by its similarity (Radenović et al. 2018, section 5.4)."""


def ranked(
    query: Float32[np.ndarray, " d"], known: Float32[np.ndarray, "n d"], most: int
) -> tuple[Int64[np.ndarray, " k"], Float32[np.ndarray, " k"]]:
    """(rows of ``known``, their similarities in [-1, 1]), most similar first; the lower row first where they tie."""
    similar = (known @ query).astype(np.float32)
    most = min(most, len(similar))
    if most < len(similar):
        least = np.partition(similar, len(similar) - most)[len(similar) - most]
        rows = np.flatnonzero(similar >= least)
    else:
        rows = np.arange(len(similar))
    order = rows[np.argsort(-similar[rows], kind="stable")][:most].astype(np.int64)
    return order, similar[order]


def expanded(
    query: Float32[np.ndarray, " d"],
    known: Float32[np.ndarray, "n d"],
    nearest: int = EXPANDED,
    alpha: float = ALPHA,
) -> Float32[np.ndarray, " d"]:
    """The query and its ``nearest`` known ones, each times its similarity to the power ``alpha``; of unit length.

    With none the query as it is. Ones that point away count nothing.
    """
    if nearest <= 0 or not len(known):
        return query
    rows, similar = ranked(query, known, nearest)
    weights = np.maximum(similar, 0) ** np.float32(alpha)
    grown: Float32[np.ndarray, " d"] = unit((query + weights @ known[rows])[None])[0]
    return grown
