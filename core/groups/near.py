"""Photographs of one part, found among near-duplicates: candidates, confirmation, connected components.

Two photographs are linked if their whitened descriptors have a cosine above COSINE, or their textures correlate above
PEAK within 20 of 160 pixels. Distinct rigid parts posed alike can link too, which makes groups too large rather than
too many: fit to be held out together, never a reason to delete.
Letters: n images, k distinct ones, m pairs, d dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int32

from core.groups.describe import Described
from core.groups.groups import Groups, numbered
from core.groups.linking import link
from core.groups.pairs import Pairs, nearest_pairs, products
from core.groups.texture import coarse, peaks, whitened
from core.groups.whiten import chance, whiten

COSINE = 0.6  # joins .992 of the true pairs of mtd, .7 only .97; 99 of 100 distinct solar cells stay below it
PEAK = 0.84  # shots of one part reach more, bar one pair in 20; distinct castings posed alike at most .8
LARGEST = 12  # photographs of one part found; more are cut, for chains of parts that look alike would join whole sets
CYCLES = 6  # frequencies, per side, by which textures are looked for


def by_likeness(described: Described, seed: int = 0, check: Callable[[], None] = lambda: None) -> Groups:
    """Groups of at most LARGEST photographs that resemble each other, exact copies always together.

    The same images and seed give the same labels, on any threads. check: called many times; what it raises ends the
    work. Raises ShapeError for descriptors that are not finite.
    """
    same = numbered(described.digests)
    kinds, firsts = np.unique(same, return_index=True)  # copies are searched for as one
    copies = tuple((int(firsts[kind]), i) for i, kind in enumerate(same) if firsts[kind] != i)
    pairs, strength = _linked(described, firsts, seed, check)
    found = link(len(kinds), pairs, strength, LARGEST, np.bincount(same).astype(np.int32))
    labels = numbered(found.labels[same].tolist())
    return Groups(labels, "auto", duplicates=copies, cut=found.cut)


def exact_duplicates(described: Described) -> list[Int32[np.ndarray, " _"]]:
    """Sets of two and more images with the same input, bit for bit, in order of first appearance."""
    members = Groups(numbered(described.digests), "auto").members()
    return [each for each in members if len(each) > 1]


class Confirmed(NamedTuple):
    """Candidate pairs with the cosine of their whitened descriptors and the peak of their textures' correlation."""

    pairs: Pairs
    cosines: Float32[np.ndarray, " m"]
    peaks: Float32[np.ndarray, " m"]
    cosine: float  # above which this set's pairs are linked

    @property
    def linked(self) -> Bool[np.ndarray, " m"]:
        return (self.cosines > self.cosine) | (self.peaks > PEAK)

    @property
    def strength(self) -> Float32[np.ndarray, " m"]:
        """How surely a pair shows one part, at most 1: what neither the descriptor nor, squared, the texture denies."""
        doubt: Float32[np.ndarray, " m"] = (1 - self.cosines) * (1 - self.peaks) ** 2
        return 1 - doubt


def confirm(
    described: Described, rows: np.ndarray, seed: int, check: Callable[[], None] = lambda: None
) -> Confirmed:
    """The candidate pairs among some images, as places in ``rows``, and what speaks for each."""
    descriptors = whiten(described.sketches[rows], check)
    textures = whitened(described.spectra(rows))
    pairs = nearest_pairs(np.concatenate([descriptors, coarse(textures, CYCLES)], axis=1), seed, check)
    cosines = products(descriptors, pairs)
    bar = max(COSINE, chance(descriptors.shape[1], len(rows)))
    return Confirmed(pairs, cosines, peaks(textures, *pairs), bar)


def _linked(
    described: Described, rows: np.ndarray, seed: int, check: Callable[[], None]
) -> tuple[Pairs, Float32[np.ndarray, " m"]]:
    if len(rows) < 2:
        nothing = np.empty(0, np.int64)
        return Pairs(nothing, nothing), np.empty(0, np.float32)
    found = confirm(described, rows, seed, check)
    kept = found.linked
    return Pairs(found.pairs.first[kept], found.pairs.second[kept]), found.strength[kept]
