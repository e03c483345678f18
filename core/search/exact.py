"""Exact nearest vectors on one device: a product leaves few contenders, direct differences decide among them.

A query's answer depends neither on its batch nor on how its contenders were found. The CPU multiplies sketches first,
and whole vectors for the few queries that many are about equally near to; a device multiplies whole vectors at once.
Letters: n queries, m bank vectors, d dimensions, k neighbours, c contenders.
"""

from __future__ import annotations

import functools
import math
import re
import warnings

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from core.search.bounds import Rounding, quickest
from core.search.contenders import Product
from core.search.measure import check_norms, measure, nearest_of
from core.search.sketch import Sketch

HOST = torch.device("cpu")
_CROWD = 0.6  # a query with more than this share of groups to look into is left to a product of whole vectors
_READ_ONLY = "The given NumPy array is not writable"
_QUIET = ("ignore", re.compile(_READ_ONLY, re.I), Warning, None, 0)  # as warnings.filterwarnings stores it

Found = tuple[Float32[np.ndarray, "_ k"], Int64[np.ndarray, "_ k"]]
"""Squared distances, nearest first, and ids, of some queries; ties by id."""


class ExactSearch:
    """Brute-force search of one bank; the CPU's copies no vectors. kind: the type that is multiplied in first.

    By default that is the quickest of the CPU's, and float16 of a device.
    """

    def __init__(
        self,
        vectors: Float32[np.ndarray, "m d"],
        device: torch.device = HOST,
        kind: torch.dtype | None = None,
        sketched: bool | None = None,
    ) -> None:
        self._vectors = as_tensor(vectors).to(device)
        check_norms(self._vectors, "bank vectors")
        self._kind, self._sketched = kind, device == HOST if sketched is None else sketched

    def nearest(
        self, queries: Float32[Tensor, "n d"], k: int, excluded: Bool[np.ndarray, " m"] | None = None
    ) -> Found:
        """The k nearest that are not excluded. At least k vectors must remain. Raises ShapeError as ``check_norms``."""
        check_norms(queries, "queries")
        absent = None if excluded is None else torch.from_numpy(np.flatnonzero(excluded)).to(queries.device)
        return self._nearest(queries, k, absent, self.product)

    def measure(
        self, queries: Float32[Tensor, "n d"], rows: Int64[Tensor, " c"], ids: Int64[Tensor, " c"], k: int
    ) -> Found:
        """Measure the pairs (row, id) and keep each row's k nearest; rows ascend, each at least k times."""
        squared = measure(queries, rows, self._vectors, ids)
        return nearest_of(rows.cpu().numpy(), ids.cpu().numpy(), squared.cpu().numpy(), k)

    @functools.cached_property
    def product(self) -> Product:
        """The first: of sketches, which may leave queries crowded, or of vectors rounded around their mean."""
        sketch = Sketch(self._vectors, turned=self._sketched)
        quick = quickest(sketch.turned, sketch.width) if self._vectors.device == HOST else torch.float16
        rounding = Rounding(self._kind or quick, sketch.width, sketch.spread)
        return Product(self._vectors, sketch, rounding, _CROWD if self._sketched else math.inf)

    @functools.cached_property
    def _whole(self) -> Product:
        return Product(self._vectors, None, Rounding(torch.float32, self._vectors.shape[1]))

    def _nearest(
        self, queries: Float32[Tensor, "n d"], k: int, absent: Int64[Tensor, " e"] | None, product: Product
    ) -> Found:
        n = len(queries)
        squared, ids, crowded = np.empty((n, k), np.float32), np.empty((n, k), np.int64), np.zeros(n, bool)
        for block, found in product.contenders(queries, k, absent):
            crowded[block] = found.crowded.cpu().numpy()
            settled = block.start + np.flatnonzero(~crowded[block])
            squared[settled], ids[settled] = self.measure(queries[block], found.rows, found.ids, k)
        if len(left := np.flatnonzero(crowded)):
            rest = queries[torch.from_numpy(left).to(queries.device)]
            squared[left], ids[left] = self._nearest(rest, k, absent, self._whole)
        return squared, ids


def as_tensor(vectors: Float32[np.ndarray, "n d"]) -> Float32[Tensor, "n d"]:
    """The same memory, only to be read: a bank's arrays are often read-only, which torch would warn of.

    A filter that stays: ``catch_warnings`` sets back those of other threads.
    """
    if _QUIET not in warnings.filters:
        warnings.filterwarnings("ignore", message=_READ_ONLY)
    return torch.from_numpy(vectors)
