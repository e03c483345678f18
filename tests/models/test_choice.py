"""What ``auto`` takes: of what is there and near torch in float32, the fastest."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch
from fakes import tiny_module
from torch import Tensor, nn

from models import choice
from models import memory as kept_by
from models.choice import ALLOWED, PREFERRED, Candidate, choose, consider, fastest, proof_images
from models.errors import RuntimeUnavailable
from models.memory import Memory
from models.quantise import measure_ranges
from models.runtime import PRECISIONS, RUNTIMES, Runtime, is_native, open_runtime
from models.source import Source
from models.torch_runtime import TorchCpuRuntime


class _Paced(TorchCpuRuntime):
    """torch under another name, slowed or wrong as the test wants."""

    wait, error = 0.0, 0.0

    def __init__(self, source: Source, precision: str, threads: int | None) -> None:
        super().__init__(source, precision, threads)
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
    return choose(Source(tiny_module), "auto", "float32", None)[0]


def test_the_fastest_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert taken(monkeypatch, wait=0.3, error=0).name == "torch"
    assert taken(monkeypatch, wait=0, error=0, torch_waits=0.3).name == "openvino"


def test_the_fastest_is_not_taken_where_its_features_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    assert taken(monkeypatch, wait=0, error=10 * ALLOWED["float32"], torch_waits=0.3).name == "torch"


def test_every_candidate_is_proved_and_timed_or_refused_with_a_reason() -> None:
    module = tiny_module()
    ranges = measure_ranges(module, [proof_images()])
    found = list(consider(Source(lambda: module, ranges)))
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
    runtime, considered = choose(Source(lambda: module, ranges), "auto", "auto", None)
    assert "int8" not in {c.precision for c in considered}
    assert any(c.opened is runtime for c in considered)
    assert [c.runtime for c in considered][: len(PREFERRED)] == [*PREFERRED]


def test_auto_takes_only_precisions_of_which_accuracy_showed_no_loss() -> None:
    _, considered = choose(Source(tiny_module), "auto", "auto", None)
    assert {c.precision for c in considered} == {"float32"}
    _, considered = choose(Source(tiny_module, precisions=("float32", "bfloat16")), "auto", "auto", None)
    assert {c.precision for c in considered} == {"float32", "bfloat16"}


def test_a_choice_of_an_earlier_release_that_costs_accuracy_is_made_anew(tmp_path: Path) -> None:
    memory = Memory(tmp_path, {})
    memory.keep("choice auto auto", json.dumps([timed("torch", "bfloat16", 1.0).said()]).encode())
    runtime, _ = choose(Source(tiny_module, memory=memory), "auto", "auto", None)
    assert runtime.precision == "float32"
    kept = memory.read("choice auto auto")
    assert kept is not None
    assert json.loads(kept)[0]["precision"] == "float32"


def test_what_is_asked_for_is_opened_without_a_choice() -> None:
    runtime, considered = choose(Source(tiny_module), "torch", "bfloat16", None)
    assert (runtime.name, runtime.precision, considered) == ("torch", "bfloat16", ())


def test_a_precision_that_the_processor_lacks_is_simulated_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choice, "is_native", lambda runtime, precision: False)
    runtime, considered = choose(Source(tiny_module), "auto", "bfloat16", None)
    assert (runtime.name, runtime.precision) == ("torch", "bfloat16")
    assert all(c.refused for c in considered)


def test_int8_without_ranges_is_refused_by_auto_too() -> None:
    with pytest.raises(RuntimeUnavailable, match="ranges"):
        choose(Source(tiny_module), "auto", "int8", None)


def test_choosing_leaves_the_module_as_it_was() -> None:
    module, images = tiny_module(), torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before = [m.clone() for m in module(images)]
    choose(Source(lambda: module), "auto", "auto", None)
    assert all(torch.equal(a, b) for a, b in zip(module(images), before, strict=True))
    assert type(module.stem[0]) is nn.Conv2d


def timed(runtime: str, precision: str, milliseconds: float) -> Candidate:
    return Candidate(runtime, precision, milliseconds, 0.0)


def test_another_precision_than_float32_is_taken_only_for_a_clear_gain() -> None:
    exact = timed("openvino", "float32", 10.0)
    assert fastest([exact, timed("openvino", "bfloat16", 8.0)]) is exact
    assert fastest([exact, half := timed("openvino", "bfloat16", 7.0)]) is half
    assert fastest([exact, sooner := timed("torch", "float32", 8.0)]) is sooner
    assert fastest([exact, timed("torch", "float32", 9.5)]) is exact


def test_a_machine_chooses_once_and_makes_no_module_again(tmp_path: Path) -> None:
    made = []

    def load() -> nn.Module:
        made.append(1)
        return tiny_module()

    memory = Memory(tmp_path, {"weights": "a"})
    runtime, considered = choose(Source(load, memory=memory), "openvino", "auto", None)
    expected = runtime(proof_images())
    assert made
    made.clear()
    again, known = choose(Source(load, memory=Memory(tmp_path, {"weights": "a"})), "openvino", "auto", None)
    assert (again.name, again.precision) == (runtime.name, runtime.precision)
    assert {c.runtime: c.milliseconds for c in known} == {c.runtime: c.milliseconds for c in considered}
    assert all(torch.equal(f, e) for f, e in zip(again(proof_images()), expected, strict=True))
    assert made == [], "its network was compiled before"
    again(torch.zeros(1, 3, 64, 96))
    assert made == [1], "another size is compiled"
    choose(Source(load, memory=Memory(tmp_path, {"weights": "b"})), "openvino", "auto", None)
    assert len(made) > 1, "other weights are measured"


def test_what_is_not_whole_or_cannot_be_written_is_found_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Memory(tmp_path / "kept", {})
    assert memory.read("a") is None
    memory.keep("a", b"content")
    assert memory.read("a") == b"content"
    (file,) = (tmp_path / "kept").iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    assert memory.read("a") is None
    memory.keep("a", b"again")
    memory.forget("a")
    assert memory.read("a") is None
    monkeypatch.setattr(kept_by, "MOST_BYTES", 3 * 1000)
    memory.keep("choice", b"small")
    for number in range(5):
        memory.keep(f"network {number}", bytes(900))
    assert [memory.read(f"network {number}") is None for number in range(5)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert memory.read("choice") == b"small"
    assert not list((tmp_path / "kept").glob("*.partial"))
    (tmp_path / "file").touch()
    nowhere = Memory(tmp_path / "file" / "x", {})
    nowhere.keep("a", b"content")
    nowhere.forget("a")
    assert nowhere.read("a") is None


def test_a_network_that_is_kept_and_not_one_is_compiled_again(tmp_path: Path) -> None:
    memory = Memory(tmp_path, {})
    runtime = open_runtime(Source(tiny_module, memory=memory), "openvino", "float32", None)
    memory.keep("network openvino float32 256 x 256", b"no network")
    expected = open_runtime(Source(tiny_module), "openvino", "float32", None)(proof_images())
    assert all(torch.equal(f, e) for f, e in zip(runtime(proof_images()), expected, strict=True))
    assert memory.read("network openvino float32 256 x 256") != b"no network"
