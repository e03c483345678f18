"""Pairs of photographs worth a closer look: each with its nearest by cosine, exactly or by LSH (Charikar 2002).

Random hyperplanes: a vector's bits say on which side of each it is; two vectors at an angle of theta agree in a bit
with probability 1 - theta / pi. A term is r bits; a pair that agrees in all bits of one of T terms is a candidate,
with probability 1 - (1 - p^r)^T. Sorted by a term, candidates are next to each other.
Letters: n vectors, d dimensions, m pairs, t terms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt32

from core.parallel import run_parts

NEAREST = 10  # of each photograph: a burst of more is joined through those in common
ALL = 100  # vectors up to which every pair is looked at
EXACT = 100_000  # vectors up to which all products are computed: 1.2 s of one core per 1,000
BLOCK = 256  # rows of products at a time: 102 MB per thread at EXACT
TERMS, BITS = (
    64,
    16,
)  # find 997 of 1,000 pairs of cosine .9 and 460 of those of .7, which is why EXACT is high
GATHERED = 4096  # pairs whose vectors are brought together at a time
WINDOW = 16  # vectors of the same term that each is paired with: a term that all share costs no square


class Pairs(NamedTuple):
    """m pairs, ``first`` below ``second``, ascending, each once."""

    first: Int64[np.ndarray, " m"]
    second: Int64[np.ndarray, " m"]

    @classmethod
    def of(cls, a: Int64[np.ndarray, " _"], b: Int64[np.ndarray, " _"], n: int) -> Pairs:
        """From pairs of any order, with repeats, of indices below n."""
        keys = np.unique(np.minimum(a, b) * n + np.maximum(a, b))
        return cls(keys // n, keys % n)


def nearest_pairs(
    vectors: Float32[np.ndarray, "n d"], seed: int, check: Callable[[], None] = lambda: None
) -> Pairs:
    """Each vector with its NEAREST by inner product: all of them up to EXACT vectors, beyond by LSH.

    check: called between steps; what it raises ends the work.
    """
    if len(vectors) <= EXACT:
        return exact_pairs(vectors, check)
    return lsh_pairs(vectors, seed, check=check)


def exact_pairs(vectors: Float32[np.ndarray, "n d"], check: Callable[[], None] = lambda: None) -> Pairs:
    """Each vector with its NEAREST others by inner product; up to ALL vectors, every pair."""
    n, rows = len(vectors), torch.from_numpy(vectors)
    k = n - 1 if n <= ALL else NEAREST

    def block(start: int) -> Int64[np.ndarray, "_ k"]:
        near = rows[start : start + BLOCK] @ rows.T
        own = torch.arange(len(near))
        near[own, own + start] = -torch.inf
        nearest: Int64[np.ndarray, "_ k"] = near.topk(k, dim=1).indices.numpy()
        return nearest

    found = np.concatenate(run_parts(block, range(0, n, BLOCK), check))
    return Pairs.of(np.repeat(np.arange(n), k), found.ravel(), n)


def lsh_pairs(
    vectors: Float32[np.ndarray, "n d"],
    seed: int,
    terms: int = TERMS,
    bits: int = BITS,
    check: Callable[[], None] = lambda: None,
) -> Pairs:
    """Each vector with the NEAREST, by inner product, of those that share a term of ``bits`` bits with it.

    Of pairs at one angle a share of 1 - (1 - p^bits)^terms is found, p = 1 - theta / pi, or fewer where more than
    WINDOW vectors share a term.
    """
    n = len(vectors)
    codes = term_codes(vectors, seed, terms, bits)
    keys = np.empty(0, np.int64)
    for term in range(terms):
        check()
        keys = np.union1d(keys, _sharing(codes[:, term]))
    pairs = Pairs(keys // n, keys % n)
    return _best(pairs, products(vectors, pairs), n)


def term_codes(
    vectors: Float32[np.ndarray, "n d"], seed: int, terms: int, bits: int
) -> UInt32[np.ndarray, "n t"]:
    """The terms of each vector: ``bits`` bits, at most 32, each 1 on one side of a random hyperplane."""
    rng = np.random.default_rng(seed)
    rows = torch.from_numpy(vectors)
    planes = torch.from_numpy(rng.standard_normal((vectors.shape[1], terms * bits), np.float32))

    def block(start: int) -> UInt32[np.ndarray, "_ t"]:
        sides = rows[start : start + BLOCK] @ planes > 0
        ones = sides.numpy().reshape(-1, terms, bits).astype(np.uint32)
        codes: UInt32[np.ndarray, "_ t"] = np.bitwise_or.reduce(
            ones << np.arange(bits, dtype=np.uint32), axis=2
        )
        return codes

    return np.concatenate(run_parts(block, range(0, len(rows), BLOCK)))


def _sharing(codes: UInt32[np.ndarray, " n"]) -> Int64[np.ndarray, " _"]:
    """Pairs that share a code, as first * n + second, each vector with up to WINDOW that follow it."""
    n = len(codes)
    order = np.argsort(codes, kind="stable")  # ascending within a code
    ranked, found = codes[order], []
    for step in range(1, min(WINDOW, n - 1) + 1):
        same = np.flatnonzero(ranked[:-step] == ranked[step:])
        if not len(same):
            break
        found.append(order[same] * n + order[same + step])
    return np.concatenate([np.empty(0, np.int64), *found])


def products(vectors: Float32[np.ndarray, "n d"], pairs: Pairs) -> Float32[np.ndarray, " m"]:
    """The inner product of each pair."""
    found = [np.empty(0, np.float32)]
    for start in range(0, len(pairs.first), GATHERED):
        first, second = (rows[start : start + GATHERED] for rows in pairs)
        found.append(np.einsum("md,md->m", vectors[first], vectors[second]))
    return np.concatenate(found)


def _best(pairs: Pairs, near: Float32[np.ndarray, " m"], n: int) -> Pairs:
    """Those pairs that are among the NEAREST of either of their two."""
    owner = np.concatenate([pairs.first, pairs.second])
    other = np.concatenate([pairs.second, pairs.first])
    order = np.lexsort((other, -np.concatenate([near, near]), owner))
    ranked = owner[order]
    starts = np.searchsorted(ranked, ranked, side="left")
    kept = order[np.arange(len(order)) - starts < NEAREST]
    return Pairs.of(owner[kept], other[kept], n)
