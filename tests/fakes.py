"""Working stand-ins for tests: a tiny backbone with seeded random weights, no file and no network needed."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from models.backbone import Backbone, load_module
from models.checkpoint import Weights, content_digest
from models.runtime import open_runtime
from models.spec import BackboneSpec


class TinyNet(nn.Module):
    """Three convolutions; the maps of the last two, at strides 8 and 16."""

    def __init__(self, channels: tuple[int, int] = (12, 20)) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.fine = nn.Sequential(nn.Conv2d(8, channels[0], 3, stride=2, padding=1), nn.ReLU())
        self.deep = nn.Sequential(nn.Conv2d(channels[0], channels[1], 3, stride=2, padding=1), nn.ReLU())

    def forward(self, x: Tensor) -> list[Tensor]:
        fine = self.fine(self.stem(x))
        return [fine, self.deep(fine)]


def tiny_spec(name: str = "tiny", channels: tuple[int, int] = (12, 20)) -> BackboneSpec:
    """The table entry of a TinyNet."""
    return BackboneSpec(
        name=name,
        layers=("fine", "deep"),
        channels=channels,
        strides=(8, 16),
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        licence="Apache-2.0",
        build=lambda: TinyNet(channels),
        unused=("head.",),
    )


def tiny_module(seed: int = 0, channels: tuple[int, int] = (12, 20)) -> TinyNet:
    """A TinyNet in eval mode whose every tensor is drawn from the seed, batch-norm statistics too."""
    generator = torch.Generator().manual_seed(seed)
    module = TinyNet(channels).eval()
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0, generator=generator)
        elif tensor.is_floating_point():
            tensor.normal_(0.0, 0.3, generator=generator)
    return module


def tiny_weights(seed: int = 0, channels: tuple[int, int] = (12, 20)) -> Weights:
    """The tensors of tiny_module as a verified weights file would give them."""
    state = tiny_module(seed, channels).state_dict()
    tensors = {name: t for name, t in state.items() if t.is_floating_point()}
    return Weights(tensors, content_digest(tensors))


def random_backbone(seed: int = 0, channels: tuple[int, int] = (12, 20)) -> Backbone:
    """A Backbone on TinyNet: the same features for the same seed; another seed gives another digest too.

    Maps (b, channels[0], h/8, w/8) and (b, channels[1], h/16, w/16).
    """
    spec, weights = tiny_spec(channels=channels), tiny_weights(seed, channels)
    engine = open_runtime(load_module(spec, weights), "torch", "float32", None)
    return Backbone(spec, weights.digest, "file", Path("tiny.safetensors"), None, engine)
