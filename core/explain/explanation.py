"""One image explained by one method: its map over the photograph, its faithfulness, the channels behind its score.

Letters: H W original pixels, gh gw patch rows and columns, h w input pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float32
from torch import Tensor

from core.bank import Bank
from core.explain.channels import Shares, shares
from core.explain.faithfulness import Faithfulness, faithfulness
from core.explain.methods import DEFAULT, Explainer, method_named
from core.explain.network import Network
from core.explain.target import Target, target_of
from core.input.views import View
from core.judging.heatmap import heatmap

MEANING = (
    "From 0 to 1, the highest place of this image: shares of no unit, to be compared neither with a threshold nor with "
    "other images."
)
_COARSE = 4  # input pixels each way that a map of pixels is averaged over before it is smoothed


@dataclass(frozen=True, eq=False)
class Explanation:
    """heatmap (H, W): from 0 to 1, placed as an inspection's map. score: s*, the worst patch's Euclidean distance.

    at: the original pixel (y, x) where the worst patch looks. says: what the method shows.
    """

    method: str
    says: str
    heatmap: Float32[np.ndarray, "H W"]
    score: float
    at: tuple[int, int]
    faithfulness: Faithfulness
    shares: Shares


def explain(
    view: View, bank: Bank, network: Network, method: str = DEFAULT, offset: float = 0.0, patches: int = 1
) -> Explanation:
    """Explain a view's s* by a method of the table; deterministic.

    network: the bank's backbone in float32. offset: how many input pixels below and right of its own middle a cell
    looks (BackboneSpec.offset). patches: how many worst patches gradients are of. Raises ConfigError for an unknown
    method, RegistrationError for a part that is not located.
    """
    explainer = method_named(method)
    with network.by(explainer.rule) as held:
        target = target_of(view, bank, held, explainer.pixels)
        raw = explainer(target, patches).detach()
    if explainer.pixels:
        raw = F.adaptive_avg_pool2d(
            raw[None, None], (math.ceil(raw.shape[0] / _COARSE), math.ceil(raw.shape[1] / _COARSE))
        )[0, 0]
    values = (
        _on_cells(raw, target.grid, offset * raw.shape[0] / target.x.shape[2]) if explainer.pixels else raw
    )
    rows = slice(None) if target.cells is None else target.cells.rows
    return Explanation(
        method=method,
        says=explainer.says,
        heatmap=_placed(raw.numpy(), target, explainer, offset),
        score=target.score,
        at=target.placement.at(divmod(int(target.worst()[0]), target.grid[1]), target.grid, offset),
        faithfulness=faithfulness(target.distances[rows], values.numpy().ravel()[rows]),
        shares=shares(target),
    )


def _placed(
    raw: Float32[np.ndarray, "_ _"], target: Target, explainer: Explainer, offset: float
) -> Float32[np.ndarray, "H W"]:
    """Over the photograph as taken, 0 where that is not inspected, its highest place 1."""
    config, placement = target.bank.config, target.placement
    heat = heatmap(raw, placement.frame, config.sigma, 0.0 if explainer.pixels else offset)
    over = placement.original(heat, config.input)
    highest = float(over.max())
    return over / np.float32(highest) if highest > 0 else over


def _on_cells(raw: Tensor, grid: tuple[int, int], offset: float) -> Float32[Tensor, "gh gw"]:
    """The mean of a map of pixels over what each cell looks at."""
    found: Tensor = raw
    for axis, cells in enumerate(grid):
        found = found.movedim(axis, 0)
        places = np.arange(len(found)) - offset
        owner = np.clip(np.floor(places * cells / len(found)), 0, cells - 1).astype(int)
        share = np.zeros((cells, len(found)), np.float32)
        share[owner, np.arange(len(found))] = 1
        share /= np.maximum(share.sum(axis=1, keepdims=True), 1)
        found = (found.new_tensor(share) @ found).movedim(0, axis)
    return found


__all__ = ["MEANING", "Explanation", "explain"]
