"""A frozen feature extractor: normalised images in, the feature maps of its spec's layers out."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float32
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from models.checkpoint import Weights, read_weights
from models.choice import Candidate, choose, consider, forget_choices
from models.errors import InputRefused, WeightsNotFound, WeightsNotWritten
from models.memory import Memory
from models.quantise import ranges_of
from models.runtime import Runtime
from models.source import Source
from models.spec import EMBEDDED, REFERENCE, BackboneSpec, spec_of
from models.weights import Found, find_weights

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Backbone:
    """One backbone with verified weights in a runtime.

    ``digest`` is the content digest of its weights, ``source`` where they came from (file, cache, package or
    download), ``notice`` a sentence the user must see, or None, ``considered`` what ``auto`` chose from.
    """

    spec: BackboneSpec
    digest: str
    source: str
    path: Path
    notice: str | None
    engine: Runtime = field(repr=False)
    considered: tuple[Candidate, ...] = field(default=(), repr=False)

    @property
    def runtime(self) -> str:
        """What executes it: torch, torch-cuda or openvino."""
        return self.engine.name

    @property
    def precision(self) -> str:
        """float32, bfloat16, int8 or, on CUDA, float16."""
        return self.engine.precision

    def __call__(self, batch: Tensor) -> list[Float32[Tensor, "b _ _ _"]]:
        """Maps (b, c, h / stride, w / stride) in spec order of a float32 batch (b, 3, h, w).

        The batch is RGB, normalised by the spec's mean and std; the maps are float32 with the channels last in
        memory, on the device that computed them.
        Raises InputRefused.
        """
        side = max(self.spec.strides)
        rgb = batch.ndim == 4 and batch.shape[1] == 3 and batch.dtype == torch.float32
        if not (rgb and len(batch) > 0 and min(batch.shape[2:]) >= side):
            raise InputRefused(
                requirement=f"A batch is float32 (b, 3, h, w) with b at least 1, h and w at least {side}",
                received=f"{batch.dtype} of shape {tuple(batch.shape)}",
                remedy="Prepare images with core.input.preprocess.to_tensor and stack them.",
            )
        return self.engine(batch)

    def module(self) -> nn.Module:
        """The network in torch, folded, in float32 whatever the precision; read again from its file."""
        return load_module(self.spec, read_weights(self.path, self.spec, self.digest))


def load_backbone(
    name: str = "auto",
    weights: Path | None = None,
    allow_fetch: bool = True,
    runtime: str = "auto",
    threads: int | None = None,
    precision: str = "auto",
    accept_digest: str | None = None,
) -> Backbone:
    """Find, verify and load a backbone of the table, frozen and folded.

    ``auto`` is the reference, resnet50, where its weights are at hand, given or can be fetched, else the
    embedded one, and then the notice says so. ``auto`` for runtime or precision is what models/choice.py measures
    to be the fastest here. ``threads`` bounds the runtime's threads; None leaves them as
    they are. ``accept_digest`` vouches for weights other than the published ones by their sha256.
    Raises UnknownBackbone, WeightsNotFound, WeightsRefused, WeightsNotWritten, RuntimeUnavailable.
    """
    spec, found, notice = _found(name, weights, allow_fetch, accept_digest)
    if notice is not None:
        log.warning(notice)
    engine, considered = choose(_source(spec, found, threads), runtime, precision, threads)
    return Backbone(spec, found.weights.digest, found.source, found.path, notice, engine, considered)


def compare_runtimes(name: str = "auto", threads: int | None = None) -> tuple[str, tuple[Candidate, ...]]:
    """Every runtime in every precision, proved and timed with a backbone at hand; also the backbone's name.

    What ``auto`` has chosen before is forgotten, so that the next start measures, too. Raises as load_backbone does.
    """
    spec, found, _ = _found(name, None, False, None)
    source = _source(spec, found, threads)
    forget_choices(source)
    return spec.name, tuple(consider(replace(source, memory=None), threads=threads))


def _source(spec: BackboneSpec, found: Found, threads: int | None) -> Source:
    """Of its weights, with what this machine remembers of them."""
    digest = found.weights.digest
    ranges = ranges_of(spec.name, digest)
    memory = Memory.of(weights=digest, threads=threads, ranges=ranges)
    return Source(partial(load_module, spec, found.weights), ranges, memory, spec.precisions)


def load_module(spec: BackboneSpec, weights: Weights) -> nn.Module:
    """The spec's module with these weights in it, in eval mode, its batch norms folded, without gradients."""
    with torch.device("meta"):
        module = spec.build()
    module.load_state_dict(weights.tensors, strict=False, assign=True)  # read_weights was strict
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.num_batches_tracked = None  # no file holds it, nothing reads it
    return fold_batch_norms(module.eval()).requires_grad_(False)


def _found(
    name: str, weights: Path | None, allow_fetch: bool, accept_digest: str | None
) -> tuple[BackboneSpec, Found, str | None]:
    notice = None
    spec = spec_of(REFERENCE if name == "auto" else name)
    try:
        found = find_weights(spec, weights, allow_fetch, accept_digest)
    except (WeightsNotFound, WeightsNotWritten) as error:
        if name != "auto" or weights is not None:
            raise
        spec = spec_of(EMBEDDED)
        found = find_weights(spec)
        notice = f"Using the embedded backbone {EMBEDDED} in place of {REFERENCE}: {error}"
    return spec, found, notice or _unpublished(spec, found)


def _unpublished(spec: BackboneSpec, found: Found) -> str | None:
    if spec.digest in (None, found.weights.digest):
        return None
    return f"The weights of {spec.name} are not the published ones: their digest is {found.weights.digest}."


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """Fold every batch norm into the convolution before it: the same function in eval mode, sooner.

    In place and in float64, wherever a batch norm is defined right after its convolution.

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
