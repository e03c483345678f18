"""Which channels of the backbone carry s*: the squared residual of the worst patch, channel by channel.

Letters: d dimensions compared, c channels of all layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from core.bank import Bank
from core.explain.target import Target

MOST = 8  # channels by name


@dataclass(frozen=True)
class ChannelShare:
    """share: of s* squared. channel: its number within its layer. more: whether the patch has more of it than m*."""

    layer: str
    channel: int
    share: float
    more: bool


@dataclass(frozen=True)
class Shares:
    """What of s* squared each layer and its largest channels carry; layers and place together are 1, or all 0.

    place: of the two dimensions that say where a patch lies, where these count. half: the fewest channels that carry
    half of what all channels do.
    """

    layers: dict[str, float]
    channels: tuple[ChannelShare, ...]
    place: float
    half: int


def shares(target: Target, most: int = MOST) -> Shares:
    """Of the worst patch.

    With principal components the residual is the shortest one of the channels that has these coordinates, and a channel
    carries its part of the product that s* squared is; with a whitened metric a share can be slightly below 0.
    """
    bank, residual = target.bank, target.residuals(target.worst())[0].double()
    square = max(float(residual @ residual), torch.finfo(torch.float64).tiny)
    own, place = residual, 0.0
    if bank.position is not None:
        own, place = residual[:-2], float(residual[-2:] @ residual[-2:]) / square
    shortest = own if bank.pca is None else _undone(own, bank)
    back = own if bank.pca is None else own @ bank.pca.components.double()
    share = shortest * back / square  # (c,)
    of_layers = torch.split(share, [*bank.backbone.channels])
    layers = {name: float(part.sum()) for name, part in zip(bank.backbone.layers, of_layers, strict=True)}
    largest = share.argsort(descending=True, stable=True)
    names = [(name, i) for name, count in zip(bank.backbone.layers, bank.backbone.channels, strict=True)
             for i in range(count)]  # fmt: skip
    named = tuple(
        ChannelShare(names[i][0], names[i][1], float(share[i]), bool(shortest[i] > 0))
        for i in largest[:most].tolist()
    )
    reached = share[largest].cumsum(0) < share.sum() / 2
    return Shares(layers, named, place, min(int(reached.sum()) + 1, len(share)) if share.sum() > 0 else 0)


def _undone(coordinates: torch.Tensor, bank: Bank) -> torch.Tensor:
    """The shortest residual (c,) with these coordinates; components are perpendicular, some shorter than 1."""
    assert bank.pca is not None
    components = bank.pca.components.double()
    return (coordinates / components.square().sum(dim=1)) @ components
