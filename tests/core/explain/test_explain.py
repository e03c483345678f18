"""Explanations of s*: known values of each method, gradients against finite differences, faithfulness, channels."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from banks import tiny_bank
from torch import Tensor, nn

from core.bank import Bank
from core.config import DetectorConfig, InputConfig
from core.errors import ConfigError, ShapeError
from core.explain import METHODS, Network, explain, faithfulness, shares
from core.explain.methods import grad_cam, grad_cam_plus_plus, layer_cam
from core.explain.network import Switch, gated
from core.explain.target import target_of
from core.features.position import Position
from core.input.mask import mask_text
from core.input.views import View, view_of
from core.judging.heatmap import heatmap
from core.search import Index

SIDE = 64


class Layers(nn.Module):
    """Convolutions with ReLUs and a max pooling: maps of 3 channels at stride 8 and of 5 at stride 16."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(8, 3, 3, 2, 1)
        )
        self.deep = nn.Sequential(nn.ReLU6(), nn.Conv2d(3, 5, 3, 2, 1), nn.ReLU())

    def forward(self, x: Tensor) -> list[Tensor]:
        fine = self.stem(x)
        return [fine, self.deep(fine)]


def image_of(seed: int) -> np.ndarray:
    """Smooth noise, so that gradients differ from place to place."""
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return noise.repeat(12, axis=0).repeat(10, axis=1)


def bank_of(pca: int | None = None, **config: object) -> Bank:
    """A bank of seeded vectors close to what the network's maps hold."""
    made = tiny_bank(pca=pca)
    values = DetectorConfig(
        input=InputConfig(size=SIDE, fit="stretch"), target_false_reject=0.2, pca=pca, **config
    )
    vectors = (made.vectors / 40).astype(np.float32)
    return replace(made, config=values, index=Index.build(vectors))


@pytest.fixture
def network() -> Network:
    return Network(Layers().eval())


@pytest.fixture
def bank() -> Bank:
    return bank_of()


@pytest.fixture
def view(bank: Bank) -> View:
    return view_of(image_of(1), bank.config, bank.backbone.mean, None)


def signal(module: nn.Module, x: torch.Tensor, rule: str, back: torch.Tensor) -> torch.Tensor:
    """What a network passes back to its input."""
    whole = gated(module.requires_grad_(False), switch := Switch())
    switch.rule = rule
    x = x.clone().requires_grad_()
    return torch.autograd.grad(whole(x), x, back)[0]


def test_deconvnet_without_pooling_and_relu_is_the_transposed_convolution() -> None:
    torch.manual_seed(1)
    convolution, x = nn.Conv2d(3, 4, 3, 2, 1, bias=False), torch.randn(1, 3, 15, 15)
    back = torch.randn(1, 4, 8, 8)
    expected = F.conv_transpose2d(back, convolution.weight, stride=2, padding=1)
    assert torch.allclose(signal(nn.Sequential(convolution), x, "deconvnet", back), expected, atol=1e-6)


def test_deconvnet_unpools_by_the_switches_of_max_pooling() -> None:
    x, back = torch.randn(1, 2, 8, 8), torch.randn(1, 2, 4, 4)
    _, switches = F.max_pool2d(x, 2, return_indices=True)
    found = signal(nn.Sequential(nn.MaxPool2d(2)), x, "deconvnet", back)
    assert torch.equal(found, F.max_unpool2d(back, switches, 2))


def test_relus_pass_back_by_the_rule() -> None:
    x, back = torch.tensor([-1.0, 1.0, 7.0, 2.0]), torch.tensor([3.0, 4.0, 5.0, -6.0])
    expected = {"gradient": [0, 4, 0, -6], "deconvnet": [3, 4, 5, 0], "guided": [0, 4, 0, 0]}
    for rule, values in expected.items():
        assert signal(nn.ReLU6(), x, rule, back).tolist() == values
    assert signal(nn.ReLU(), x, "gradient", back).tolist() == [0, 4, 5, -6]


def test_guided_is_saliency_where_all_gates_pass(bank: Bank, view: View) -> None:
    module = Layers().eval()
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            part.weight.data = part.weight.data.abs() / 20
            part.bias.data[:] = 2.0  # nothing is negative, nothing reaches 6
    far = replace(bank, index=Index.build(np.full_like(bank.vectors, -9)))  # every residual is positive
    network = Network(module)
    guided, saliency = (explain(view, far, network, name).heatmap for name in ("guided", "saliency"))
    assert guided.max() == 1
    assert np.array_equal(guided, saliency)


def test_grad_cam_of_a_linear_head_is_cam() -> None:
    """Of a head on the mean of each channel, gradients are its weights over the number of places."""
    torch.manual_seed(2)
    maps, weights = torch.rand(6, 4, 5, requires_grad=True), torch.randn(6)
    (gradients,) = torch.autograd.grad(maps.mean(dim=(1, 2)) @ weights, maps)
    cam = (maps * weights[:, None, None]).sum(dim=0).clamp(min=0).detach()
    assert torch.allclose(grad_cam(maps.detach(), gradients) * 20, cam, rtol=1e-5, atol=1e-6)


def test_grad_cam_plus_plus_and_layer_cam_of_one_place() -> None:
    maps, gradients = torch.tensor([[[2.0, 1.0]], [[3.0, 0.0]]]), torch.tensor([[[1.0, 0.0]], [[-1.0, 0.0]]])
    alpha = 1 / (2 + 3 * 1)  # g^2 / (2 g^2 + sum A g^3)
    assert torch.allclose(grad_cam_plus_plus(maps, gradients), torch.tensor([[2 * alpha, 1 * alpha]]))
    assert torch.equal(layer_cam(maps, gradients), torch.tensor([[2.0, 0.0]]))


@pytest.mark.parametrize("pca", [None, 4])
def test_the_gradient_at_the_input_is_that_of_finite_differences(pca: int | None) -> None:
    bank = bank_of(pca)
    noise = np.random.default_rng(4).integers(
        0, 256, (SIDE, SIDE, 3), np.uint8
    )  # no two pixels pooled are alike
    view = view_of(noise, bank.config, bank.backbone.mean, None)
    with Network(Layers().eval()).by("gradient") as network:
        target = target_of(view, bank, network)
        (found,) = target.gradients([target.x])
    towards = found / found.norm()
    ends = []
    for step in (1e-3, -1e-3):
        moved = _moved(view, step * towards[0].numpy())
        with Network(Layers().eval()).by("gradient") as network:
            ends.append(target_of(moved, bank, network).score)
    assert (ends[0] - ends[1]) / 2e-3 == pytest.approx(float(found.norm()), rel=0.02)


class _Moved(View):
    """A view whose input is moved by so much."""

    by: np.ndarray

    def tensor(self, *args, **kwargs):
        return super().tensor(*args, **kwargs) + torch.from_numpy(self.by)


def _moved(view: View, by: np.ndarray) -> View:
    moved = _Moved(view.photograph, view.picture, view.placement, view.location)
    object.__setattr__(moved, "by", by)
    return moved


@pytest.mark.parametrize("method", METHODS)
def test_every_method_draws_a_map_of_the_photograph_from_0_to_1_twice_alike(
    method: str, network: Network, bank: Bank, view: View
) -> None:
    found, again = (explain(view, bank, network, method) for _ in range(2))
    assert found.heatmap.shape == view.photograph.shape
    assert found.heatmap.min() >= 0
    assert found.heatmap.max() == pytest.approx(1)
    assert np.array_equal(found.heatmap, again.heatmap)
    assert found.faithfulness.deletion.area >= found.faithfulness.best[0]
    assert found.faithfulness.insertion.area <= found.faithfulness.best[1]


def test_methods_differ(network: Network, bank: Bank, view: View) -> None:
    maps = {name: explain(view, bank, network, name).heatmap for name in METHODS}
    for a, b in itertools.combinations(maps, 2):
        assert not np.allclose(maps[a], maps[b], atol=1e-3), (a, b)


def test_the_patch_map_is_the_heatmap_of_the_inspection(network: Network, bank: Bank, view: View) -> None:
    with network.by("gradient") as held:
        target = target_of(view, bank, held)
    drawn = heatmap(target.distances.reshape(target.grid), view.placement.frame, bank.config.sigma)
    found = explain(view, bank, network)
    assert np.allclose(found.heatmap * drawn.max(), drawn, rtol=1e-5)
    assert found.score == target.distances.max()


def test_the_cam_of_the_worst_patch_is_its_distance(network: Network, bank: Bank, view: View) -> None:
    with network.by("gradient") as held:
        target = target_of(view, bank, held)
        cam = METHODS["cam"](target)
    assert float(cam.ravel()[target.worst()[0]]) == pytest.approx(target.score, rel=1e-5)


def test_patches_that_a_mask_leaves_out_explain_nothing(network: Network, view: View) -> None:
    bank = bank_of()
    mask = np.zeros((96, 80), bool)
    mask[:, 40:] = True
    masked = replace(
        bank, config=replace(bank.config, input=replace(bank.config.input, mask=mask_text(mask)))
    )
    seen = view_of(image_of(1), masked.config, masked.backbone.mean, None)
    for method in METHODS:
        found = explain(seen, masked, network, method)
        assert found.at[1] >= 40
        assert not found.heatmap[:, :40].any()


def test_a_part_that_the_bank_holds_is_explained_by_nothing(network: Network, bank: Bank, view: View) -> None:
    with network.by("gradient") as held:
        target = target_of(view, bank, held)
    own = replace(bank, index=Index.build(np.resize(target.vectors.numpy(), bank.vectors.shape)))
    for method in METHODS:
        found = explain(view, own, network, method)
        assert found.score == 0
        assert found.faithfulness.deletion.area == 0
        assert found.shares.half == 0
        assert np.isfinite(found.heatmap).all()


def test_random_faithfulness_is_the_mean_over_all_orders() -> None:
    distances = np.array([3.0, 0.5, 2.0, 1.0, 0.25], np.float32)
    areas = [faithfulness(distances, np.array(order, float)) for order in itertools.permutations(range(5))]
    assert areas[0].random == pytest.approx(np.mean([each.deletion.area for each in areas]))
    assert areas[0].random == pytest.approx(np.mean([each.insertion.area for each in areas]))


def test_deletion_leaves_the_largest_distance_that_is_left() -> None:
    found = faithfulness(np.array([1.0, 4.0, 2.0], np.float32), np.array([9.0, 5.0, 1.0]))
    assert found.deletion.shares.tolist() == [1, 1, 0.5, 0]
    assert found.insertion.shares.tolist() == [0, 0.25, 1, 1]
    assert found.deletion.area == pytest.approx((1 / 2 + 1 + 0.5) / 3)
    assert found.best == (pytest.approx((1 / 2 + 0.5 + 0.25) / 3), pytest.approx((1 + 1 + 1 / 2) / 3))


def test_a_map_of_other_cells_is_refused() -> None:
    with pytest.raises(ShapeError, match="one value for each"):
        faithfulness(np.ones(3, np.float32), np.ones(4))


def test_shares_of_channels_are_those_of_the_squared_residual(
    network: Network, bank: Bank, view: View
) -> None:
    with network.by("gradient") as held:
        target = target_of(view, bank, held)
    residual = target.residuals(target.worst())[0].double().numpy()
    expected = residual**2 / (residual**2).sum()
    found = shares(target)
    assert sum(found.layers.values()) == pytest.approx(1)
    assert found.layers["layer2"] == pytest.approx(expected[:3].sum())
    first = found.channels[0]
    assert first.share == pytest.approx(expected.max())
    assert first.channel + {"layer2": 0, "layer3": 3}[first.layer] == expected.argmax()
    assert first.more == (residual[expected.argmax()] > 0)
    held_by = np.cumsum(np.sort(expected)[::-1])
    assert found.half == np.flatnonzero(held_by >= 0.5)[0] + 1


def test_shares_are_whole_with_components_and_with_places(network: Network, bank: Bank, view: View) -> None:
    places = np.zeros((len(bank.vectors), 2), np.float32)
    placed = replace(
        bank,
        config=replace(bank.config, position=1.0),
        position=Position(0.5),
        index=Index.build(np.hstack([bank.vectors, places])),
    )
    for each in (bank_of(4), placed):
        found = explain(view, each, network).shares
        assert sum(found.layers.values()) + found.place == pytest.approx(1)
    assert found.place > 0


def test_an_unknown_method_and_other_activations_are_refused_by_name(
    network: Network, bank: Bank, view: View
) -> None:
    with pytest.raises(ConfigError, match="'lime'"):
        explain(view, bank, network, "lime")
    with pytest.raises(ConfigError, match="SiLU"):
        Network(nn.Sequential(nn.SiLU()))
