"""Folding batch norms must not change the function."""

from __future__ import annotations

import torch
from fakes import tiny_module
from torch import nn

from models.backbone import fold_batch_norms, load_module
from models.spec import EMBEDDED, spec_of
from models.weights import find_weights


def test_folded_module_computes_what_the_unfolded_one_did() -> None:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = tiny_module()(images)
        folded = fold_batch_norms(tiny_module())
        for got, want in zip(folded(images), expected, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)


def test_no_batch_norm_is_left_in_a_loaded_backbone() -> None:
    spec = spec_of(EMBEDDED)
    module = load_module(spec, find_weights(spec).weights)
    assert not [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    assert not [p for p in module.parameters() if p.requires_grad]
    assert not module.training


def test_batch_norm_that_follows_no_convolution_stays() -> None:
    module = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1)).eval()
    assert isinstance(fold_batch_norms(module)[1], nn.BatchNorm2d)
