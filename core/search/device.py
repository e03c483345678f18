"""Exact nearest vectors on a device: a product of rounded vectors proposes, direct differences decide.

For vectors rounded to the product's type, x' and c', | |x - c| - |x' - c'| | is at most how far rounding moved the
two. Whatever the product says lies farther than the k best measured ones, even so, is out; the others are measured
as sum (x - c)^2 in float32. The same code runs on any device torch has, the CPU too.
Letters: n queries, m bank vectors, d dimensions, k neighbours, c contenders.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from core.errors import ShapeError
from core.search.exact import LARGEST_NORM, as_tensor, nearest_of

_PAIRS = 2**26  # of one product, 256 MiB in float32
_MEASURED = 2**24  # floats measured at a time
_UNIT = 2.0**-24  # relative rounding of a float32


class DeviceSearch:
    """Search of one bank on one device. precision: what is multiplied in; sums are float32 always."""

    def __init__(
        self,
        vectors: Float32[np.ndarray, "m d"],
        device: torch.device,
        precision: torch.dtype | None = None,
    ) -> None:
        self._precision = precision or (torch.float32 if device.type == "cpu" else torch.float16)
        self._vectors = as_tensor(vectors).to(device)  # (m, d)
        self._origin = self._vectors.mean(dim=0)
        self._rounded, self._norms, moved = self._round(self._vectors)
        self._moved, self._largest = moved.max(), self._norms.max()

    def nearest(
        self, queries: Float32[Tensor, "n d"], k: int, excluded: Bool[np.ndarray, " m"] | None = None
    ) -> tuple[Float32[np.ndarray, "n k"], Int64[np.ndarray, "n k"]]:
        """The k nearest that are not excluded, nearest first, ties by id: squared distances and ids (n, k).

        At least k vectors must remain. Raises ShapeError for queries that are not finite.
        """
        if len(queries) and not bool((torch.linalg.vector_norm(queries, dim=1) < LARGEST_NORM).all()):
            raise ShapeError(
                requirement=f"queries must be finite and shorter than {LARGEST_NORM:g}",
                received="some that are not",
                remedy="check the weights and the images for values that are not numbers",
            )
        absent = None if excluded is None else torch.from_numpy(excluded).to(queries.device)
        step = max(1, _PAIRS // len(self._vectors))
        found = [self._block(queries[a : a + step], k, absent) for a in range(0, max(1, len(queries)), step)]
        squared, ids = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return squared, ids

    def _block(
        self, queries: Float32[Tensor, "n d"], k: int, absent: Bool[Tensor, " m"] | None
    ) -> tuple[Float32[np.ndarray, "n k"], Int64[np.ndarray, "n k"]]:
        rounded, norms, moved = self._round(queries)
        coarse = (
            _product(rounded, self._rounded).mul_(-2).add_(norms[:, None]).add_(self._norms)
        )  # |x' - c'|^2
        if absent is not None:
            coarse[:, absent] = torch.inf
        best = coarse.topk(k, dim=1, largest=False).indices
        rows = torch.arange(len(queries), device=queries.device).repeat_interleave(k)
        bound = self._measure(queries, rows, best.reshape(-1)).view(-1, k).amax(dim=1).sqrt()
        d = queries.shape[1]
        reach = (bound * (1 + (d + 8) * _UNIT) + (moved + self._moved)) ** 2
        sums = 2 * (d + 32) * _UNIT if torch.get_float32_matmul_precision() == "highest" else 2.0**-5
        slack = sums * (norms.sqrt() + self._largest.sqrt()) ** 2
        rows, ids = torch.nonzero(~(coarse > (reach + slack)[:, None]), as_tuple=True)  # NaN stays in
        if absent is not None:
            kept = ~absent[ids]
            rows, ids = rows[kept], ids[kept]
        squared = self._measure(queries, rows, ids)
        return nearest_of(rows.cpu().numpy(), ids.cpu().numpy(), squared.cpu().numpy(), k)

    def _round(self, vectors: Float32[Tensor, "n d"]) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors from the origin in the product's type, their squared norms, and how far rounding moved them."""
        shift = vectors - self._origin
        rounded = shift.to(self._precision)
        back = rounded.float()
        moved = torch.linalg.vector_norm(shift - back, dim=1) + _UNIT * torch.linalg.vector_norm(
            vectors, dim=1
        )
        return rounded, back.square().sum(dim=1), 1.01 * (moved + _UNIT * self._origin.norm())

    def _measure(
        self, queries: Float32[Tensor, "n d"], rows: Int64[Tensor, " c"], ids: Int64[Tensor, " c"]
    ) -> Float32[Tensor, " c"]:
        """sum (x - c)^2 of pairs, a few at a time."""
        step = max(1, _MEASURED // queries.shape[1])
        squared = torch.empty(len(rows), device=queries.device)
        for a in range(0, len(rows), step):
            some = slice(a, a + step)
            squared[some] = (queries[rows[some]] - self._vectors[ids[some]]).square_().sum(dim=1)
        return squared


def _product(left: Tensor, right: Tensor) -> Float32[Tensor, "n m"]:
    """left @ right.T, summed in float32."""
    if left.device.type == "cuda" and left.dtype != torch.float32:
        return torch.mm(left, right.T, out_dtype=torch.float32)
    return left.float() @ right.float().T
