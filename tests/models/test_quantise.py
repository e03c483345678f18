"""int8: weights and inputs on their grids, the same in torch's simulation and in OpenVINO's integers."""

from __future__ import annotations

import pytest
import torch
from fakes import tiny_module, tiny_spec, tiny_weights
from torch import Tensor, nn

from models.backbone import load_backbone, load_module
from models.errors import RuntimeUnavailable
from models.openvino_runtime import OpenVinoRuntime
from models.quantise import measure_ranges, quantise, ranges_of
from models.runtime import open_runtime
from models.source import Source
from models.spec import EMBEDDED, REFERENCE, spec_of

needs_integers = pytest.mark.skipif(
    OpenVinoRuntime.missing("int8") is not None, reason="no openvino, or no processor with integer products"
)


def images(b: int = 4, side: int = 64) -> Tensor:
    return torch.randn(b, 3, side, side, generator=torch.Generator().manual_seed(1))


def difference(got: Tensor, want: Tensor) -> float:
    return float((got - want).norm() / want.norm())


def test_ranges_hold_every_input_and_always_0() -> None:
    module, seen = load_module(tiny_spec(), tiny_weights()), images() + 9
    ranges = measure_ranges(module, seen.split(2))
    assert set(ranges) == {"stem.0", "fine.0", "deep.0"}
    assert ranges["stem.0"] == (0.0, float(seen.max()))
    assert ranges["deep.0"] == (0.0, float(module(seen)[0].max()))


def test_weights_and_inputs_lie_on_grids_of_eight_bits() -> None:
    module = tiny_module().requires_grad_(False)
    quantised = quantise(module, {"deep.0": (-1.0, 2.0)})
    conv = quantised.get_submodule("deep.0.conv")
    largest = module.deep[0].weight.abs().amax((1, 2, 3), keepdim=True)
    levels = conv.weight / largest * 127
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-3)
    assert float((conv.weight - module.deep[0].weight).abs().max()) <= float(largest.max()) / 127 / 2 * 1.001
    inputs: list[Tensor] = []
    conv.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    quantised(images())
    levels = inputs[0] / (2.0 / 127)
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-3)
    assert float(levels.max()) <= 127


def test_module_given_stays_in_float32() -> None:
    module = tiny_module()
    before = [m.clone() for m in module(images())]
    quantise(module, measure_ranges(module, [images()]))
    assert all(torch.equal(a, b) for a, b in zip(module(images()), before, strict=True))


def test_quantised_features_are_near_those_of_float32_and_not_them() -> None:
    module = load_module(tiny_spec(), tiny_weights())
    ranges = measure_ranges(module, [images()])
    runtime = open_runtime(Source(lambda: module, ranges), "torch", "int8", None)
    assert (runtime.name, runtime.precision) == ("torch", "int8")
    for got, want in zip(runtime(images()), module(images()), strict=True):
        assert 0 < difference(got, want) < 0.05


def test_int8_without_ranges_is_refused() -> None:
    with pytest.raises(RuntimeUnavailable, match="ranges"):
        open_runtime(Source(lambda: load_module(tiny_spec(), tiny_weights())), "torch", "int8", None)


@pytest.mark.parametrize("name", [REFERENCE, EMBEDDED])
def test_shipped_ranges_are_of_the_published_weights_and_name_convolutions(name: str) -> None:
    spec = spec_of(name)
    assert spec.digest is not None
    ranges = ranges_of(name, spec.digest)
    assert ranges is not None
    with torch.device("meta"):
        module = spec.build()
    convolutions = {n for n, part in module.named_modules() if isinstance(part, nn.Conv2d)}
    assert len(convolutions) - 3 <= len(ranges) < len(convolutions)
    assert set(ranges) < convolutions
    assert all(low <= 0 < high for low, high in ranges.values())
    assert ranges_of(name, "0" * 64) is None


@needs_integers
def test_openvino_computes_the_simulated_features_in_integers() -> None:
    batch = images(2, 96)
    fast = load_backbone(EMBEDDED, runtime="openvino", precision="int8")
    simulated = load_backbone(EMBEDDED, runtime="torch", precision="int8")
    plain = load_backbone(EMBEDDED, runtime="torch", precision="float32")
    for got, want, exact in zip(fast(batch), simulated(batch), plain(batch), strict=True):
        assert (
            difference(got, want) < 0.08
        )  # a value beside a grid's step may fall to either side, layer after layer
        assert difference(got, want) < difference(want, exact)
    assert isinstance(fast.engine, OpenVinoRuntime)
    network = fast.engine._network(96, 96).get_runtime_model()
    kernels = [
        str(node.get_rt_info()["primitiveType"].astype(str))
        for node in network.get_ordered_ops()
        if str(node.get_rt_info()["layerType"].astype(str)) == "Convolution"
    ]
    integer = [
        kernel for kernel in kernels if kernel.upper().endswith("I8")
    ]  # AMX's name some in small letters
    assert len(integer) == len(kernels) - 3
