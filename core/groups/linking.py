"""Pairs of photographs -> sets of at most so many, strongest pairs first (single linkage, cut where a set is full).

Letters: n photographs, m pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int32

from core.groups.pairs import Pairs


class Linked(NamedTuple):
    """labels (n,): the set of each photograph, in any numbering. cut: components that were too large."""

    labels: Int32[np.ndarray, " n"]
    cut: int


def link(
    n: int, pairs: Pairs, strength: Float[np.ndarray, " m"], largest: int, weights: Int32[np.ndarray, " n"]
) -> Linked:
    """The connected components of the pairs; those above ``largest`` are cut by raising the threshold inside them.

    weights (n,): how many photographs each stands for. The cut is greedy: pairs join two sets in falling strength
    unless the set would pass ``largest``, so a pair is left apart only where stronger ones have filled its set. Pairs
    of equal strength come in ascending order.
    """
    _, labels = components(n, pairs)
    sizes = np.bincount(labels, weights)
    full = sizes > largest
    inside = np.flatnonzero(full[labels[pairs.first]])
    if not len(inside):
        return Linked(labels, 0)
    first, second = pairs.first[inside], pairs.second[inside]
    order = np.lexsort((second, first, -strength[inside]))
    joined = _joined(n, first[order].tolist(), second[order].tolist(), largest, weights.tolist())
    cut = np.where(full[labels], len(sizes) + joined, labels)
    return Linked(cut.astype(np.int32), int(full.sum()))


def components(n: int, pairs: Pairs) -> tuple[int, Int32[np.ndarray, " n"]]:
    """How many connected components the pairs give, and each photograph's."""
    # here: the two take a quarter of a second that no server's start should pay
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs.first), bool), pairs), shape=(n, n))
    count, labels = connected_components(graph, directed=False)
    return int(count), labels.astype(np.int32)


def _joined(
    n: int, first: list[int], second: list[int], largest: int, size: list[int]
) -> Int32[np.ndarray, " n"]:
    """Kruskal's algorithm with a bound on the size of a tree: the root of each photograph's."""
    parent = list(range(n))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in zip(first, second, strict=True):
        above, below = sorted((root(a), root(b)))
        if above != below and size[above] + size[below] <= largest:
            parent[below] = above
            size[above] += size[below]
    return np.array([root(i) for i in range(n)], np.int32)
