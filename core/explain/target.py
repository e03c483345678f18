"""What is explained: s*, an image's worst patch's distance to its nearest nominal vector (Roth et al. 2022, Eq. 6).

A patch vector is linear in the feature maps, so the gradient of a distance at the maps is that of one product.
Letters: p patches, d dimensions compared, c channels of all layers, k explained patches, h w input pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from core.bank import Bank
from core.detector import compared, judge
from core.errors import RegistrationError
from core.explain.network import Network
from core.features.patches import layer_patches
from core.input.cells import Cells
from core.input.views import Placement, View


@dataclass(frozen=True, eq=False)
class Target:
    """An image run forward for its gradients, and what its score comes from.

    x (1, 3, h, w) and maps, finest first, are of one graph, or x of none. vectors (p, d): of its patches, as compared.
    distances (p,), ids (p,): to the nearest bank vector, and its row; 0 where a mask leaves out. cells: those that
    count; None: all.
    """

    bank: Bank
    placement: Placement
    x: Tensor
    maps: Sequence[Tensor]
    vectors: Float32[Tensor, "p d"]
    distances: Float32[np.ndarray, " p"]
    ids: Int64[np.ndarray, " p"]
    grid: tuple[int, int]
    cells: Cells | None

    @property
    def score(self) -> float:
        """s*: Euclidean, not squared; larger is more anomalous."""
        return float(self.distances.max())

    def worst(self, k: int = 1) -> Int64[np.ndarray, " k"]:
        """The k patches farthest from the bank among those that count, the farthest first."""
        counted = np.arange(len(self.distances)) if self.cells is None else self.cells.rows
        return counted[np.argsort(-self.distances[counted], kind="stable")[:k]]

    def residuals(self, patches: Int64[np.ndarray, " k"]) -> Float32[Tensor, "k d"]:
        """Each of these patches less its nearest nominal vector."""
        return self.vectors[torch.from_numpy(patches)] - self.nominal(patches)

    def nominal(self, patches: Int64[np.ndarray, " k"]) -> Float32[Tensor, "k d"]:
        """The nearest nominal vector of each of these patches."""
        return torch.from_numpy(self.bank.vectors[self.ids[patches]])

    def directions(self, patches: Int64[np.ndarray, " k"]) -> Float32[Tensor, "k d"]:
        """The residuals at length 1; 0 where there is none."""
        residuals = self.residuals(patches)
        lengths: Tensor = residuals.norm(dim=1, keepdim=True)
        return residuals / lengths.clamp(min=torch.finfo(torch.float32).tiny)

    def gradients(self, of: Sequence[Tensor], patches: int = 1) -> list[Tensor]:
        """Of the mean distance of the worst patches at tensors of the graph, nearest vectors held."""
        places = self.worst(patches)
        weights = whole(self.directions(places) / len(places), self.bank)  # (k, c)
        product, fine = torch.zeros(()), tuple(self.maps[0].shape[2:])
        parts = torch.split(weights, [*self.bank.backbone.channels], dim=1)
        for maps, part in zip(self.maps, parts, strict=True):
            every = layer_patches(maps, fine, self.bank.config.patch)[0].flatten(1)  # (c of the layer, p)
            product = product + (every[:, torch.from_numpy(places)].T * part).sum()
        return list(torch.autograd.grad(product, of))


def whole(directions: Float32[Tensor, "k d"], bank: Bank) -> Float32[Tensor, "k c"]:
    """Directions of the compared space as those of the backbone's channels: places dropped, components undone."""
    own = directions if bank.position is None else directions[:, :-2]
    return own if bank.pca is None else own @ bank.pca.components


def target_of(view: View, bank: Bank, network: Network, pixels: bool = True) -> Target:
    """Run a view forward as an inspection does. Raises RegistrationError for a part that is not located.

    pixels: whether gradients reach back to the input, or only to the maps.
    """
    if not view.located:
        raise RegistrationError(
            requirement="an explanation needs a part that is located",
            received="one that is not" if view.location is None else str(view.location.refusal),
            remedy="look at the photograph: its score says nothing of the part",
        )
    config, ref = bank.config, bank.backbone
    x = view.tensor(config.input, ref.mean, ref.std)[None].requires_grad_(pixels)
    maps = network(x)
    vectors, grid = compared([m.detach() for m in maps], bank)
    found = judge(vectors, grid, (x.shape[2], x.shape[3]), bank, [view.placement])
    cells = view.placement.cells(config.input, grid)
    return Target(bank, view.placement, x, maps, vectors[0], found.distances[0], found.ids[0], grid, cells)
