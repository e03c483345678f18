"""Eight-bit integers in place of float32 in a backbone's convolutions (Jacob et al. 2018), simulated in float32.

Weights take 255 levels per channel, symmetric about 0; inputs take 256 levels per layer, over a range that was
measured once and is stored in ``models/ranges``. The network stays one of torch: torch runs the simulation as it
stands, OpenVINO turns it into integer products, which give the same features up to float rounding between layers.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

Ranges = Mapping[str, tuple[float, float]]
"""Of each convolution in integers, by its name in the module: the least and the largest value of its input."""

FOLDER = Path(__file__).parent / "ranges"
_WEIGHT_LEVEL, _INPUT_LEVEL = 127, 255  # the largest level of each


def ranges_of(name: str, digest: str) -> Ranges | None:
    """The measured ranges of a backbone with these weights, or None where none were measured."""
    file = FOLDER / f"{name}.json"
    if not file.is_file():
        return None
    table = json.loads(file.read_text())
    if table["digest"] != digest:
        return None
    return {layer: (low, high) for layer, (low, high) in table["inputs"].items()}


def measure_ranges(module: nn.Module, batches: Iterable[Tensor]) -> dict[str, tuple[float, float]]:
    """The range of every convolution's input over normalised batches (b, 3, h, w)."""
    found: dict[str, tuple[float, float]] = {}

    def watch(name: str, seen: Tensor) -> None:
        low, high = found.get(name, (0.0, 0.0))
        found[name] = min(low, float(seen.min())), max(high, float(seen.max()))

    hooks = [
        part.register_forward_pre_hook(lambda _, given, name=name: watch(name, given[0]))
        for name, part in module.named_modules()
        if isinstance(part, nn.Conv2d)
    ]
    with torch.inference_mode():
        for batch in batches:
            module(batch)
    for hook in hooks:
        hook.remove()
    return found


def quantise(module: nn.Module, ranges: Ranges) -> nn.Module:
    """A copy of a folded module in eval mode whose convolutions named in ``ranges`` compute in eight bits."""
    module = copy.deepcopy(module)
    for name, (low, high) in ranges.items():
        parent, _, own = name.rpartition(".")
        conv = module.get_submodule(name)
        assert isinstance(conv, nn.Conv2d)
        setattr(module.get_submodule(parent), own, _QuantisedConv2d(conv, low, high))
    return module.eval().requires_grad_(False)


class _QuantisedConv2d(nn.Module):
    """A convolution of any class on quantised input and weights."""

    def __init__(self, conv: nn.Conv2d, low: float, high: float) -> None:
        super().__init__()
        if low >= 0:
            self.scale, self.zero = high / _INPUT_LEVEL, 0
        else:  # symmetric, so that 0 stays 0
            self.scale, self.zero = max(high / 127, -low / 128), 128
        self.conv = conv
        parametrize.register_parametrization(conv, "weight", _QuantisedWeight(conv.weight))

    def forward(self, x: Tensor) -> Tensor:
        rounded = torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero, 0, _INPUT_LEVEL)
        convolved: Tensor = self.conv(rounded)
        return convolved


class _QuantisedWeight(nn.Module):
    """Weights (out, in, h, w) rounded to a grid of their output channel."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        largest = weight.detach().abs().amax(dim=(1, 2, 3)).clamp(min=1e-12)
        self.scale: Tensor
        self.zero: Tensor
        self.register_buffer("scale", largest / _WEIGHT_LEVEL)
        self.register_buffer("zero", torch.zeros(len(weight), dtype=torch.int32))

    def forward(self, weight: Tensor) -> Tensor:
        return torch.fake_quantize_per_channel_affine(
            weight, self.scale, self.zero, 0, -_WEIGHT_LEVEL, _WEIGHT_LEVEL
        )
