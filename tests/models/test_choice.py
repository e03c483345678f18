"""What ``auto`` takes: of what is there and near torch in float32, the fastest."""

from __future__ import annotations

import time

import pytest
import torch
from fakes import tiny_module
from torch import Tensor, nn

from models import choice
from models.choice import ALLOWED, PREFERRED, choose, consider, proof_images
from models.errors import RuntimeUnavailable
from models.quantise import measure_ranges
from models.runtime import PRECISIONS, RUNTIMES, Runtime, is_native
from models.torch_runtime import TorchCpuRuntime


class _Paced(TorchCpuRuntime):
    """torch under another name, slowed or wrong as the test wants."""

    wait, error = 0.0, 0.0

    def __init__(self, module: nn.Module, precision: str, threads: int | None) -> None:
        super().__init__(module, precision, threads)
        self.name = "openvino"

    def __call__(self, batch: Tensor) -> list[Tensor]:
        time.sleep(self.wait)
        return [m * (1 + self.error) for m in super().__call__(batch)]


def taken(monkeypatch: pytest.MonkeyPatch, wait: float, error: float, torch_waits: float = 0.0) -> Runtime:
    """What auto takes in float32 where openvino waits and errs so."""
    monkeypatch.setitem(RUNTIMES, "openvino", type("Paced", (_Paced,), {"wait": wait, "error": error}))

    class Slowed(TorchCpuRuntime):
        def __call__(self, batch: Tensor) -> list[Tensor]:
            time.sleep(torch_waits)
            return super().__call__(batch)

    monkeypatch.setitem(RUNTIMES, "torch", Slowed)
    return choose(tiny_module(), "auto", "float32", None)[0]


def test_the_fastest_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert taken(monkeypatch, wait=0.3, error=0).name == "torch"
    assert taken(monkeypatch, wait=0, error=0, torch_waits=0.3).name == "openvino"


def test_the_fastest_is_not_taken_where_its_features_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    assert taken(monkeypatch, wait=0, error=10 * ALLOWED["float32"], torch_waits=0.3).name == "torch"


def test_every_candidate_is_proved_and_timed_or_refused_with_a_reason() -> None:
    module = tiny_module()
    ranges = measure_ranges(module, [proof_images()])
    found = list(consider(module, ranges=ranges))
    assert {(c.runtime, c.precision) for c in found} == {(r, p) for r in RUNTIMES for p in PRECISIONS}
    for each in found:
        if is_native(each.runtime, each.precision):
            assert each.milliseconds is not None
            assert each.difference is not None
            assert each.milliseconds > 0
            assert each.difference <= ALLOWED[each.precision]
            assert each.opened is not None
        else:
            assert each.opened is None
            assert each.refused


def test_auto_says_what_it_considered_and_leaves_int8_to_those_who_ask_for_it() -> None:
    module = tiny_module()
    ranges = measure_ranges(module, [proof_images()])
    runtime, considered = choose(module, "auto", "auto", None, ranges)
    assert "int8" not in {c.precision for c in considered}
    assert any(c.opened is runtime for c in considered)
    assert [c.runtime for c in considered][: len(PREFERRED)] == [*PREFERRED]


def test_what_is_asked_for_is_opened_without_a_choice() -> None:
    runtime, considered = choose(tiny_module(), "torch", "bfloat16", None)
    assert (runtime.name, runtime.precision, considered) == ("torch", "bfloat16", ())


def test_a_precision_that_the_processor_lacks_is_simulated_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choice, "is_native", lambda runtime, precision: False)
    runtime, considered = choose(tiny_module(), "auto", "bfloat16", None)
    assert (runtime.name, runtime.precision) == ("torch", "bfloat16")
    assert all(c.refused for c in considered)


def test_int8_without_ranges_is_refused_by_auto_too() -> None:
    with pytest.raises(RuntimeUnavailable, match="ranges"):
        choose(tiny_module(), "auto", "int8", None)


def test_choosing_leaves_the_module_as_it_was() -> None:
    module, images = tiny_module(), torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before = [m.clone() for m in module(images)]
    choose(module, "auto", "auto", None)
    assert all(torch.equal(a, b) for a, b in zip(module(images), before, strict=True))
    assert type(module.stem[0]) is nn.Conv2d
