"""Scores of parts the bank never saw: each part's photographs against the bank as it would be without that part.

A part's own vectors are left out, and the picks that greedy would have made in their place are put in
(``core.memory.substitutes``): leaving them out only would leave holes, and scores above those of new parts.
Letters: n images, p patches of one, d dimensions, m bank vectors, s substitutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Int, Int64

from core.judging.groups import group_sizes
from core.judging.scoring import image_scores, reweight
from core.search import Index, Queries

CALIBRATION_IMAGES = 4000  # beyond it a sample of parts is scored


@dataclass(frozen=True, eq=False)
class HeldOutBank:
    """A bank without ``own``, rows of its ``index``, and with ``substitutes`` (s, d) in their place."""

    index: Index
    own: Int64[np.ndarray, " e"]
    substitutes: Float32[np.ndarray, "s d"]

    def score(
        self, vectors: Queries, neighbours: int | None, kept: Float32[np.ndarray, " p"] | None = None
    ) -> tuple[float, Float32[np.ndarray, " p"]]:
        """Image score (Eq. 7 over so many ``neighbours``, Eq. 6 for None) and patch distances (p,), both exact.

        kept (p,): distances to the nearest vector that stays, where they are known already; Eq. 7 needs more.
        Raises SearchError where neither a vector nor a substitute is left.
        """
        if neighbours is None and kept is not None and len(self.own) < self.index.size:
            distances = (
                np.minimum(kept, self._put_in.search(vectors)[0][:, 0]) if len(self.substitutes) else kept
            )
            return float(image_scores(distances[None])[0]), distances
        distances, nearest = self._nearest(vectors)
        scores = image_scores(distances[None])
        if neighbours is not None:
            worst = int(distances.argmax())
            patch = np.asarray(
                vectors[worst].cpu() if not isinstance(vectors, np.ndarray) else vectors[worst]
            )
            around = self._around(int(nearest[worst]), neighbours)  # N_b(m*), (k, d)
            scores = reweight(scores, np.linalg.norm(around - patch, axis=1)[None])
        return float(scores[0]), distances

    @cached_property
    def _put_in(self) -> Index:
        return Index.build(self.substitutes)

    def _nearest(self, vectors: Queries) -> tuple[Float32[np.ndarray, " p"], Int64[np.ndarray, " p"]]:
        """Distances and ids; ids from m on are substitutes."""
        if not len(self.substitutes):
            return self.index.nearest_excluding(vectors, self.own)
        distances, ids = (found[:, 0] for found in self._put_in.search(vectors))
        ids = ids + self.index.size
        if len(self.own) < self.index.size:
            kept, rows = self.index.nearest_excluding(vectors, self.own)
            ids = np.where(kept <= distances, rows, ids)
            distances = np.minimum(kept, distances)
        return distances, ids

    def _around(self, centre: int, neighbours: int) -> Float32[np.ndarray, "k d"]:
        """The nearest vectors of one vector in this bank, itself among them."""
        bank = np.concatenate([np.delete(self.index.vectors, self.own, axis=0), self.substitutes])
        m = self.index.size
        vector = self.index.vectors[centre] if centre < m else self.substitutes[centre - m]
        order = np.argsort(np.linalg.norm(bank - vector, axis=1), kind="stable")
        return np.asarray(bank[order[:neighbours]])


def sampled_groups(
    groups: Int[np.ndarray, " n"], seed: int, needed: int, most_images: int | None = None
) -> Int64[np.ndarray, " g"]:
    """The parts to score, ascending: all, or of more than ``most_images`` photographs a seeded sample.

    most_images: CALIBRATION_IMAGES by default. A sample ends with the part that reaches both so many photographs
    and ``needed`` parts.
    """
    most_images = CALIBRATION_IMAGES if most_images is None else most_images
    sizes = group_sizes(groups)
    if sizes.sum() <= most_images:
        return np.arange(len(sizes))
    order = np.random.default_rng(seed).permutation(len(sizes))
    taken = max(int(np.searchsorted(np.cumsum(sizes[order]), most_images)) + 1, needed)
    return np.sort(order[:taken])
