"""A loaded backbone computes the published network's features, frozen, and refuses what is no batch."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from fakes import random_backbone
from torch import Tensor

from models.backbone import Backbone, load_backbone
from models.errors import InputRefused, RuntimeUnavailable, UnknownBackbone, WeightsNotFound
from models.spec import EMBEDDED, SPECS, spec_of

FILE = "weights/resnet50-imagenet1k_v1-thru-layer3.safetensors"


@pytest.fixture(autouse=True, scope="module")
def _empty_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOMINAL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def embedded() -> Backbone:
    return load_backbone(EMBEDDED, precision="float32")


@pytest.fixture(scope="module")
def reference(shared: Path) -> Backbone:
    if not (shared / FILE).is_file():
        pytest.skip("no trimmed resnet50 file beside this checkout")
    return load_backbone("resnet50", shared / FILE, precision="float32")


def images(b: int = 2, h: int = 64, w: int = 96) -> Tensor:
    return torch.randn(b, 3, h, w, generator=torch.Generator().manual_seed(0))


def assert_same_features(got: list[Tensor], want: list[Tensor], tolerance: float) -> None:
    """Every map within the tolerance, relative to its largest value."""
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance * float(b.abs().max()))


def test_embedded_features_are_those_of_timm(embedded: Backbone) -> None:
    import timm

    spec = spec_of(EMBEDDED)
    assert spec.packaged is not None
    model = timm.create_model("tf_efficientnet_lite2", features_only=True, out_indices=(2, 3)).eval()
    published = torch.load(spec.packaged(), weights_only=True)
    own = model.state_dict()
    model.load_state_dict(dict(zip(own, list(published.values())[: len(own)], strict=True)))
    with torch.no_grad():
        assert_same_features(embedded(images()), model(images()), 1e-4)


def test_reference_features_are_those_of_torchvision(reference: Backbone, shared: Path) -> None:
    from safetensors.torch import load_file
    from torchvision.models import resnet50
    from torchvision.models.feature_extraction import create_feature_extractor

    full = resnet50(weights=None)
    full.load_state_dict(load_file(shared / FILE), strict=False)
    extractor = create_feature_extractor(full.eval(), ["layer2", "layer3"])
    with torch.no_grad():
        assert_same_features(reference(images()), list(extractor(images()).values()), 1e-4)


def test_maps_are_float32_with_the_channels_last_and_ordinary_tensors(embedded: Backbone) -> None:
    for m in embedded(images()):
        assert m.dtype == torch.float32
        assert m.is_contiguous(memory_format=torch.channels_last)
        assert not m.requires_grad
        assert not m.is_inference()


@pytest.mark.parametrize("name", ["embedded", "reference", "tiny"])
def test_one_image_alone_has_the_features_it_has_in_a_batch(
    name: str, request: pytest.FixtureRequest
) -> None:
    backbone = random_backbone() if name == "tiny" else request.getfixturevalue(name)
    batch = images(3)
    together = backbone(batch)
    for i in range(3):
        assert_same_features(backbone(batch[i : i + 1]), [m[i : i + 1] for m in together], 1e-4)


def test_same_batch_twice_gives_the_same_bits(embedded: Backbone) -> None:
    for a, b in zip(embedded(images()), embedded(images()), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "batch",
    [
        torch.zeros(3, 64, 64),
        torch.zeros(0, 3, 64, 64),
        torch.zeros(1, 1, 64, 64),
        torch.zeros(1, 3, 15, 64),
        torch.zeros(1, 3, 64, 64, dtype=torch.uint8),
        torch.zeros(1, 3, 64, 64, dtype=torch.float64),
    ],
    ids=["no batch axis", "empty", "grey", "too small", "uint8", "float64"],
)
def test_what_is_no_batch_is_refused(batch: Tensor) -> None:
    with pytest.raises(InputRefused, match=r"float32 \(b, 3, h, w\)"):
        random_backbone()(batch)


def test_backbone_states_what_it_is(embedded: Backbone) -> None:
    assert (embedded.source, embedded.runtime, embedded.precision) == ("package", "openvino", "float32")
    assert embedded.digest == spec_of(EMBEDDED).digest
    assert embedded.notice is None


def test_auto_without_reference_weights_takes_the_embedded_one_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        backbone = load_backbone("auto", allow_fetch=False)
    assert backbone.spec.name == EMBEDDED
    assert backbone.notice is not None
    assert backbone.notice in caplog.text
    assert "nominal weights import resnet50" in backbone.notice


def test_auto_with_a_file_takes_the_reference(shared: Path) -> None:
    if not (shared / FILE).is_file():
        pytest.skip("no trimmed resnet50 file beside this checkout")
    backbone = load_backbone("auto", shared / FILE)
    assert (backbone.spec.name, backbone.source, backbone.notice) == ("resnet50", "file", None)


def test_auto_with_a_missing_file_does_not_fall_back(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFound):
        load_backbone("auto", tmp_path / "absent.safetensors")


def test_named_backbone_without_weights_is_an_error_not_another_backbone() -> None:
    with pytest.raises(WeightsNotFound, match="nominal weights fetch resnet50"):
        load_backbone("resnet50", allow_fetch=False)


def test_unknown_backbone_and_runtime_are_named_errors() -> None:
    with pytest.raises(UnknownBackbone):
        load_backbone("alexnet")
    with pytest.raises(RuntimeUnavailable):
        load_backbone(EMBEDDED, runtime="abacus")


def test_random_backbone_follows_its_seed() -> None:
    assert random_backbone(1).digest == random_backbone(1).digest != random_backbone(2).digest
    assert torch.equal(random_backbone(1)(images())[1], random_backbone(1)(images())[1])
    assert not torch.equal(random_backbone(1)(images())[1], random_backbone(2)(images())[1])
    assert set(SPECS).isdisjoint({random_backbone().spec.name})


def test_a_second_start_compiles_nothing_and_imports_no_module_of_the_network(tmp_path: Path) -> None:
    start = (
        "import sys, torch; from models.backbone import load_backbone;"
        f"maps = load_backbone({EMBEDDED!r}, runtime='openvino', threads=1)(torch.full((1, 3, 256, 256), 0.5));"
        "print('timm' in sys.modules, *(float(m.sum()) for m in maps))"
    )
    environment = {**os.environ, "NOMINAL_CACHE": str(tmp_path)}
    said = [
        subprocess.run(
            [sys.executable, "-c", start], env=environment, stdout=subprocess.PIPE, check=True, text=True
        ).stdout.split()
        for _ in range(2)
    ]
    assert [each[0] for each in said] == ["True", "False"]
    assert said[0][1:] == said[1][1:]
