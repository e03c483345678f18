"""The methods that draw a map of s*: the patch map, gradients at the input, and class activation maps.

Saliency (Simonyan et al. 2014), guided backpropagation (Springenberg et al. 2015), deconvnet (Zeiler and Fergus 2014),
CAM (Zhou et al. 2016), Grad-CAM (Selvaraju et al. 2017, Eq. 1-2), Grad-CAM++ (Chattopadhay et al. 2018, Eq. 19),
LayerCAM (Jiang et al. 2021, Eq. 6-7). Every map is from 0; larger is more of what the method shows.
Letters: c channels of a layer, h w its rows and columns, gh gw patch rows and columns, H W input pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float32
from torch import Tensor

from core.errors import ConfigError
from core.explain.network import Rule
from core.explain.target import Target
from core.features.patches import layer_patches
from core.input.cells import drawn

DEFAULT = "patch-map"


@runtime_checkable
class Explainer(Protocol):
    """Draws one map of an image. rule: by which ReLUs pass signals back. says: what it shows, one sentence.

    pixels: whether the map is of input pixels (H, W), or of patches (gh, gw).
    """

    @property
    def name(self) -> str: ...
    @property
    def says(self) -> str: ...
    @property
    def rule(self) -> Rule: ...
    @property
    def pixels(self) -> bool: ...

    def __call__(self, target: Target, patches: int = 1) -> Float32[Tensor, "_ _"]:
        """The map of the mean distance of so many worst patches: of s* itself for one."""


@dataclass(frozen=True)
class Method:
    """One of the table."""

    name: str
    says: str
    draw: Callable[[Target, int], Tensor]
    rule: Rule = "gradient"
    pixels: bool = False

    def __call__(self, target: Target, patches: int = 1) -> Float32[Tensor, "_ _"]:
        return self.draw(target, patches)


def method_named(name: str) -> Explainer:
    """One of the table. Raises ConfigError with the names there are."""
    if name not in METHODS:
        raise ConfigError(
            requirement=f"a method of explanation is one of {', '.join(METHODS)}",
            received=repr(name),
            remedy=f"choose one of these; {DEFAULT} is what decisions rest on",
        )
    return METHODS[name]


def grad_cam(maps: Float32[Tensor, "c h w"], gradients: Float32[Tensor, "c h w"]) -> Float32[Tensor, "h w"]:
    """Grad-CAM, Eq. 1 and 2: channels weighted by their mean gradient."""
    return cam(maps, gradients.mean(dim=(1, 2)))


def cam(maps: Float32[Tensor, "c h w"], weights: Float32[Tensor, " c"]) -> Float32[Tensor, "h w"]:
    """CAM of a linear head of these weights; only what speaks for it."""
    return torch.einsum("chw,c->hw", maps, weights).clamp(min=0)


def grad_cam_plus_plus(
    maps: Float32[Tensor, "c h w"], gradients: Float32[Tensor, "c h w"]
) -> Float32[Tensor, "h w"]:
    """Grad-CAM++, Eq. 19 with exp(s*) as the paper's last layer: channels weighted by places of positive gradient."""
    squares, cubes = gradients**2, gradients**3
    under = 2 * squares + maps.sum(dim=(1, 2), keepdim=True) * cubes
    shares = torch.where(
        under != 0, squares / torch.where(under != 0, under, torch.ones(())), torch.zeros(())
    )
    return cam(maps, (shares * gradients.clamp(min=0)).sum(dim=(1, 2)))


def layer_cam(maps: Float32[Tensor, "c h w"], gradients: Float32[Tensor, "c h w"]) -> Float32[Tensor, "h w"]:
    """LayerCAM, Eq. 6 and 7: every value weighted by its own positive gradient."""
    return (maps * gradients.clamp(min=0)).sum(dim=0).clamp(min=0)


def _patch_map(target: Target, patches: int) -> Tensor:
    return torch.from_numpy(drawn(target.cells, target.distances)).reshape(target.grid)


def _at_input(target: Target, patches: int) -> Tensor:
    """The largest absolute signal of the three colours."""
    (signal,) = target.gradients([target.x], patches)
    return signal[0].abs().amax(dim=0)


def _residual_cam(target: Target, patches: int) -> Tensor:
    """The head is the direction from the nearest nominal vector to the worst patch; its own value there is s*."""
    places = target.worst(patches)
    heads, origins = target.directions(places), target.nominal(places)
    along = target.vectors @ heads.T - (heads * origins).sum(dim=1)  # (p, k)
    return along.clamp(min=0).mean(dim=1).reshape(target.grid)


def _of_layer(formula: Callable[[Tensor, Tensor], Tensor], layer: int) -> Callable[[Target, int], Tensor]:
    def draw(target: Target, patches: int) -> Tensor:
        (gradients,) = target.gradients([target.maps[layer]], patches)
        found = formula(target.maps[layer].detach()[0], gradients[0])
        one = replace(target.bank.config.patch, size=1)
        return layer_patches(found[None, None], tuple(target.maps[0].shape[2:]), one)[0, 0]

    return draw


METHODS: dict[str, Explainer] = {
    each.name: each
    for each in (
        Method(
            DEFAULT,
            "Distance of every patch to its nearest nominal one: what the decision rests on.",
            _patch_map,
        ),
        Method(
            "saliency",
            "How strongly each input pixel would change the score if it changed a little.",
            _at_input,
            pixels=True,
        ),
        Method(
            "guided",
            "Input pixels whose detail feeds the score through active units; sharp edges, no evidence of a defect.",
            _at_input,
            "guided",
            pixels=True,
        ),
        Method(
            "deconvnet",
            "What the units that carry the score react to, projected back to the input; no evidence of a defect.",
            _at_input,
            "deconvnet",
            pixels=True,
        ),
        Method(
            "cam",
            "How far every patch lies in the direction in which the worst patch leaves its nearest nominal one.",
            _residual_cam,
        ),
        Method(
            "grad-cam",
            "Where the deepest layer's channels are active, weighted by their mean effect on the score; coarse.",
            _of_layer(grad_cam, -1),
        ),
        Method(
            "grad-cam++",
            "The same, weighted only by the places where a channel raises the score; coarse.",
            _of_layer(grad_cam_plus_plus, -1),
        ),
        Method(
            "layer-cam",
            "Values of the finest layer, each weighted by its own effect on the score.",
            _of_layer(layer_cam, 0),
        ),
    )
}
