"""A network that is run for its gradients, whose ReLUs pass signals back by a chosen rule.

gradient: what was positive passes (saliency, Simonyan et al. 2014). deconvnet: only positive signals pass, whatever
came forward (Zeiler and Fergus 2014, section 2.1). guided: both (Springenberg et al. 2015, section 3.4). Max pooling
passes each signal to the place of its maximum, which are the switches of the deconvnet.
Letters: h w rows and columns of the input.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, cast

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from core.errors import ConfigError

Rule = Literal["gradient", "guided", "deconvnet"]
_BENT = (nn.Hardswish, nn.SiLU, nn.GELU, nn.LeakyReLU, nn.ELU, nn.PReLU)


class Network:
    """A module in float32, its ReLUs replaced in place by gates. Safe from any thread: one at a time holds it.

    Raises ConfigError for a module with activations that no rule is defined for.
    """

    def __init__(self, module: nn.Module) -> None:
        bent = {type(part).__name__ for part in module.modules() if isinstance(part, _BENT)}
        if bent:
            raise ConfigError(
                requirement="an explained network must have ReLU or ReLU6 as its activations",
                received=", ".join(sorted(bent)),
                remedy="use a backbone of the table",
            )
        self._switch = Switch()
        still = module.to(memory_format=torch.channels_last).requires_grad_(False)  # type: ignore[call-overload]
        self._module = gated(still, self._switch)
        self._turn = threading.Lock()

    @contextmanager
    def by(self, rule: Rule) -> Iterator[Network]:
        """Hold the network while signals go back by this rule."""
        with self._turn, torch.enable_grad():
            self._switch.rule = rule
            yield self

    def __call__(self, batch: Float32[Tensor, "b 3 h w"]) -> Sequence[Float32[Tensor, "b _ _ _"]]:
        """The maps of each layer, finest first; gradients reach back to the batch where it asks for them."""
        maps = cast(Sequence[Tensor], self._module(batch.contiguous(memory_format=torch.channels_last)))
        return maps if batch.requires_grad else [m.requires_grad_() for m in maps]


class Switch:
    """By which rule the gates of one module pass signals back."""

    rule: Rule = "gradient"


class _Gate(nn.Module):
    """A ReLU up to a ceiling: ReLU6 where that is 6."""

    def __init__(self, ceiling: float, switch: Switch) -> None:
        super().__init__()
        self._ceiling, self._switch = ceiling, switch

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, _Passing.apply(x, self._ceiling, self._switch.rule))  # type: ignore[no-untyped-call]


class _Passing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, ceiling: float, rule: Rule) -> Tensor:
        ctx.rule = rule
        ctx.save_for_backward((x > 0) & (x < ceiling))
        return x.clamp(0, None if math.isinf(ceiling) else ceiling)

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor, None, None]:
        (signal,), (came,) = signals, ctx.saved_tensors
        if ctx.rule != "gradient":
            signal = signal.clamp(min=0)
        return signal if ctx.rule == "deconvnet" else signal * came, None, None


def gated(module: nn.Module, switch: Switch) -> nn.Module:
    """The module with a gate in place of each ReLU and ReLU6, which ask the switch."""
    if isinstance(module, nn.ReLU | nn.ReLU6):
        return _Gate(6.0 if isinstance(module, nn.ReLU6) else math.inf, switch)
    for name, child in list(module.named_children()):
        setattr(module, name, gated(child, switch))
    return module
