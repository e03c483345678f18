"""Fold every batch norm into the convolution before it: the same function in eval mode, sooner."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """Fold, in place and in float64, wherever a batch norm is defined right after its convolution.

    A norm that carries its own activation (timm's) leaves that activation in its place.
    """
    previous: nn.Module | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and isinstance(previous, nn.Conv2d):
            _fold(previous, child)
            setattr(module, name, getattr(child, "act", nn.Identity()))
        else:
            fold_batch_norms(child)
        previous = child
    return module


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    conv.double()
    norm.double()
    assert norm.running_mean is not None
    assert norm.running_var is not None
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    conv.float()
