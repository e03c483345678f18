"""Which bank vectors can be among a query's k nearest: the best by a product are measured, and bound the others.

Letters: n queries, m bank vectors, d dimensions, k neighbours, c contenders, g groups of s bank vectors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64, Shaped
from torch import Tensor

from core.search.bounds import UNIT, Rounded, Rounding, product
from core.search.measure import measure
from core.search.sketch import Sketch

_ROWS, _PAIRS = 1024, 2**23  # queries and pairs of one product, 32 MiB of gains
_DEVICE_PAIRS = 2**26
_GROUP = 16  # bank vectors of which the best gain is looked at first


class Contenders(NamedTuple):
    """Pairs (row of a query, id), rows ascending, that hold the k nearest of each query that is not crowded."""

    rows: Int64[Tensor, " c"]
    ids: Int64[Tensor, " c"]
    crowded: Bool[Tensor, " n"]


class Product:
    """The bank's side of one product. sketch: None to multiply vectors as they are, which copies none of them.

    crowd: a query with more than this share of groups to look into is crowded. Group i of g consists of the ids
    i + g j, so that the best of all groups is found in one pass over the gains.
    """

    def __init__(
        self,
        vectors: Float32[Tensor, "m d"],
        sketch: Sketch | None,
        rounding: Rounding,
        crowd: float = math.inf,
    ) -> None:
        m, d = vectors.shape
        self._vectors, self._sketch, self._rounding, self._crowd = vectors, sketch, rounding, crowd
        self._relative = 1 + (d + 8) * UNIT  # what measuring may round
        step = _ROWS if sketch else m
        parts = [self._round(vectors[a : a + step]) for a in range(0, m, step)]
        whole = Rounded(*map(torch.cat, zip(*parts, strict=True))) if sketch else parts[0]
        self._largest, self._moved = float(whole.squared.max()), float(whole.moved.max())
        self._values, self._halves = whole.values, rounding.halves(whole.squared)
        if sketch and (spare := -m % _GROUP):  # columns that fill the groups
            self._values = torch.cat([self._values, self._values.new_zeros(spare, self._values.shape[1])])
            self._halves = torch.cat([self._halves, self._halves.new_full((spare,), -rounding.never)])

    def contenders(
        self, queries: Float32[Tensor, "n d"], k: int, absent: Int64[Tensor, " e"] | None = None
    ) -> Iterator[tuple[slice, Contenders]]:
        """Everything that can be among the k nearest, less the absent, for one block of queries at a time."""
        host, columns = queries.device.type == "cpu", len(self._halves)
        step = max(1, min(_ROWS, _PAIRS // columns) if host else _DEVICE_PAIRS // columns)
        room = torch.empty(min(step, len(queries)), columns, dtype=self._halves.dtype) if host else None
        for a in range(0, len(queries), step):
            some = queries[a : a + step]
            part = self._round(some)
            gains = product(part.values, self._values, None if room is None else room[: len(some)])
            gains.sub_(self._halves)
            if absent is not None:
                gains.index_fill_(1, absent, self._rounding.never)
            yield slice(a, a + len(some)), self._of_block(some, k, gains, part)

    def _of_block(
        self, queries: Float32[Tensor, "n d"], k: int, gains: Shaped[Tensor, "n c"], part: Rounded
    ) -> Contenders:
        n, columns = gains.shape
        grouped = columns % _GROUP == 0 and k <= columns // _GROUP
        members = gains.view(n, _GROUP if grouped else 1, -1)
        best, g = members.amax(dim=1), members.shape[2]  # (n, g)
        least = self._least(self._bound(queries, k, members, best), part)
        hits = best >= least[:, None]
        crowded = hits.count_nonzero(dim=1) > self._crowd * g + 4 * k
        hits[crowded] = False
        rows, groups = _where(hits)
        which, member = _where(members[rows, :, groups] >= least[rows, None])
        return Contenders(rows[which], groups[which] + g * member, crowded)

    def _bound(
        self,
        queries: Float32[Tensor, "n d"],
        k: int,
        members: Shaped[Tensor, "n s g"],
        best: Shaped[Tensor, "n g"],
    ) -> Float64[Tensor, " n"]:
        """What the k nearest lie within: the k-th of the best of as many groups; inf where they are fewer."""
        n, s, g = members.shape
        groups = _largest(best)[:, None] if k == 1 else best.topk(k, dim=1).indices  # (n, k)
        ids = groups + g * members.gather(2, groups[:, None].expand(n, s, k)).argmax(dim=1)
        rows = torch.arange(n, device=ids.device).repeat_interleave(k)
        nearest = ids.clamp_(max=len(self._vectors) - 1).ravel()  # columns beyond them gain nothing
        squared = measure(queries, rows, self._vectors, nearest).view(n, k).amax(dim=1)
        fewer = best.gather(1, groups).amin(dim=1) <= self._rounding.never
        return squared.double().sqrt_().masked_fill_(fewer, math.inf)

    def _least(self, bound: Float64[Tensor, " n"], part: Rounded) -> Shaped[Tensor, " n"]:
        """The least gain of a vector that measures no farther than ``bound``."""
        least, _ = self._rounding.least(bound * self._relative, part, self._largest, self._moved)
        return self._rounding.down(least)

    def _round(self, vectors: Float32[Tensor, "n d"]) -> Rounded:
        return self._rounding.round(*self._sketch(vectors) if self._sketch else (vectors,))


def _largest(values: Shaped[Tensor, "n g"]) -> Int64[Tensor, " n"]:
    """Where each row is largest; on the CPU numpy is several times as quick as torch here and below."""
    host = values.device.type == "cpu"
    return torch.from_numpy(values.numpy().argmax(axis=1)) if host else values.argmax(dim=1)


def _where(hits: Bool[Tensor, "n g"]) -> tuple[Int64[Tensor, " c"], Int64[Tensor, " c"]]:
    """Rows and columns of what is true."""
    if hits.device.type == "cpu":
        rows, columns = map(torch.from_numpy, np.divmod(np.flatnonzero(hits.numpy()), hits.shape[1]))
    else:
        rows, columns = hits.nonzero(as_tuple=True)
    return rows, columns
