"""Working stand-ins for tests: a tiny backbone with seeded random weights, no network needed."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from models.backbone import Backbone, load_module
from models.checkpoint import Weights, content_digest
from models.runtime import open_runtime
from models.source import Source
from models.spec import SPECS, BackboneSpec


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
    engine = open_runtime(Source(lambda: load_module(spec, weights)), "torch", "float32", None)
    return Backbone(spec, weights.digest, "file", _file(seed, channels), None, engine)


@cache
def _file(seed: int, channels: tuple[int, int]) -> Path:
    """The weights in a file of this process."""
    path = _folder() / f"tiny-{seed}-{channels[0]}-{channels[1]}.safetensors"
    save_file(dict(tiny_weights(seed, channels).tensors), path)
    return path


@cache
def _folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="nominal-tiny-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


class EvenlyPadded(nn.Module):
    """Strided convolutions padded evenly, as a ResNet's: cell i of stride s sees pixel s i and no other."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("a", "b", "fine", "deep"):
            self.add_module(name, nn.Conv2d(3, 3, 3, stride=2, padding=1, bias=False))

    def forward(self, x: Tensor) -> list[Tensor]:
        fine = self.fine(self.b(self.a(x)))
        return [fine, self.deep(fine)]


def evenly_padded_backbone() -> Backbone:
    """A Backbone whose maps are every eighth and every sixteenth pixel, with the offset of a ResNet."""
    spec = replace(tiny_spec("even", (3, 3)), build=EvenlyPadded, offset=SPECS["resnet50"].offset)
    middle = torch.zeros(3, 3, 3, 3)
    middle[range(3), range(3), 1, 1] = 1
    tensors = {f"{name}.weight": middle.clone() for name in ("a", "b", "fine", "deep")}
    weights = Weights(tensors, content_digest(tensors))
    engine = open_runtime(Source(lambda: load_module(spec, weights)), "torch", "float32", None)
    return Backbone(spec, weights.digest, "file", Path("even.safetensors"), None, engine)
