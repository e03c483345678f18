"""The table of backbones: what it says of each is what its module does."""

from __future__ import annotations

import pytest
import torch

from models.errors import UnknownBackbone
from models.spec import EMBEDDED, REFERENCE, SPECS, BackboneSpec, spec_of

EVERY = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


@EVERY
def test_maps_have_the_channels_and_strides_of_the_table(spec: BackboneSpec) -> None:
    with torch.device("meta"):
        maps = spec.build().eval()(torch.empty(2, 3, 64, 96))
    expected = [(2, c, 64 // s, 96 // s) for c, s in zip(spec.channels, spec.strides, strict=True)]
    assert [tuple(m.shape) for m in maps] == expected
    assert spec.dimension == sum(m.shape[1] for m in maps)


@EVERY
def test_nothing_beyond_the_last_needed_layer_is_built(spec: BackboneSpec) -> None:
    with torch.device("meta"):
        names = spec.build().state_dict()
    assert not [name for name in names if name.startswith(spec.unused)]


@EVERY
def test_licence_and_a_source_are_named(spec: BackboneSpec) -> None:
    assert spec.licence
    assert spec.url is not None or spec.packaged is not None


def test_reference_and_embedded_backbones_pin_the_digest_of_their_content() -> None:
    for name in (REFERENCE, EMBEDDED):
        assert len(spec_of(name).digest or "") == 64


def test_embedded_backbone_needs_no_network() -> None:
    assert spec_of(EMBEDDED).url is None
    packaged = spec_of(EMBEDDED).packaged
    assert packaged is not None
    assert packaged().is_file()


def test_urls_and_prefixes_are_those_of_torchvision() -> None:
    from torchvision.models import get_model_weights

    for spec in SPECS.values():
        if spec.url is not None:
            published = get_model_weights(spec.name)["IMAGENET1K_V1"]
            assert spec.url == published.url
            assert f"{spec.name}-{spec.file_sha256}.pth" == published.url.rsplit("/", 1)[1]
            transforms = published.transforms()
            assert (spec.mean, spec.std) == (tuple(transforms.mean), tuple(transforms.std))


def test_embedded_input_statistics_are_those_of_timm() -> None:
    import timm

    config = timm.get_pretrained_cfg("tf_efficientnet_lite2")
    assert (spec_of(EMBEDDED).mean, spec_of(EMBEDDED).std) == (config.mean, config.std)


def test_unknown_name_is_answered_with_the_names_there_are() -> None:
    with pytest.raises(UnknownBackbone, match="resnet50, wide_resnet50_2, resnet18, efficientnet-lite2"):
        spec_of("vgg16")


def test_entry_whose_lists_differ_in_length_is_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        BackboneSpec(
            "x", ("a", "b"), (1,), (8, 16), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "MIT", torch.nn.Identity
        )
