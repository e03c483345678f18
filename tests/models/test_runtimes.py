"""Every runtime computes the features of torch in float32, within the precision it states."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from fakes import random_backbone, tiny_spec, tiny_weights
from torch import Tensor

from models.backbone import load_backbone, load_module
from models.errors import RuntimeUnavailable
from models.quantise import measure_ranges
from models.runtime import PRECISIONS, RUNTIMES, Runtime, open_runtime
from models.source import Source
from models.spec import EMBEDDED

ALL = [(name, precision) for name in RUNTIMES for precision in PRECISIONS]
# largest difference, relative to the largest value of a map
TOLERANCE = {"float32": 1e-5, "bfloat16": 0.1, "float16": 0.02, "int8": 0.1}


def images(b: int = 2, h: int = 64, w: int = 64) -> Tensor:
    return torch.randn(b, 3, h, w, generator=torch.Generator().manual_seed(0))


def opened(name: str, precision: str) -> Runtime:
    missing = RUNTIMES[name].missing(precision)
    if missing is not None:
        pytest.skip(f"this machine has {missing}")
    module = load_module(tiny_spec(), tiny_weights())
    return open_runtime(Source(lambda: module, measure_ranges(module, [images()])), name, precision, None)


@pytest.mark.parametrize(("name", "precision"), ALL)
def test_runtime_agrees_with_torch_at_every_size_it_is_asked(name: str, precision: str) -> None:
    runtime = opened(name, precision)
    assert (runtime.name, runtime.precision) == (name, precision)
    for b, h, w in ((1, 64, 64), (3, 64, 64), (2, 48, 80), (1, 33, 47)):
        for got, want in zip(runtime(images(b, h, w)), random_backbone()(images(b, h, w)), strict=True):
            assert got.is_contiguous(memory_format=torch.channels_last)
            assert got.dtype == torch.float32
            torch.testing.assert_close(
                got.cpu(), want, rtol=0, atol=TOLERANCE[precision] * float(want.abs().max())
            )


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_openvino_agrees_with_torch_on_the_embedded_backbone(precision: str, tmp_path: Path) -> None:
    if RUNTIMES["openvino"].missing(precision) is not None:
        pytest.skip("this machine has no openvino of that precision")
    batch = images(2, 64, 96)
    fast = load_backbone(EMBEDDED, runtime="openvino", precision=precision, threads=1)
    plain = load_backbone(EMBEDDED, runtime="torch", precision="float32")
    for got, want in zip(fast(batch), plain(batch), strict=True):
        torch.testing.assert_close(
            got.cpu(), want, rtol=0, atol=TOLERANCE[precision] * float(want.abs().max())
        )


@pytest.mark.parametrize(("name", "precision"), ALL)
def test_threads_that_call_at_once_get_their_own_answers(name: str, precision: str) -> None:
    runtime = opened(name, precision)
    batches = [images(1) + i for i in range(8)]
    expected = [runtime(batch)[1] for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for got, want in zip(pool.map(runtime, batches), expected, strict=True):
            assert torch.equal(got[1], want)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")
def test_one_thread_and_one_image_take_the_same_convolutions_as_many() -> None:
    backbone, threads = load_backbone(EMBEDDED, runtime="torch"), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            backbone(images(1, 128, 128))
    finally:
        torch.set_num_threads(threads)
    ran = {event.key for event in profile.key_averages()}
    assert "aten::mkldnn_convolution" in ran
    assert "aten::_slow_conv2d_forward" not in ran


def test_openvino_is_used_without_its_telemetry() -> None:
    opened("openvino", "float32")(images())
    assert not [name for name, module in sys.modules.items() if "openvino_telemetry" in name and module]


@pytest.mark.parametrize(
    ("name", "precision", "threads"),
    [("abacus", "float32", None), ("torch", "int4", None), ("torch", "float32", 0)],
)
def test_what_no_runtime_offers_is_refused_by_name(name: str, precision: str, threads: int | None) -> None:
    with pytest.raises(RuntimeUnavailable, match="torch, torch-cuda, openvino"):
        open_runtime(Source(lambda: load_module(tiny_spec(), tiny_weights())), name, precision, threads)


def test_runtime_that_the_machine_lacks_is_refused_with_what_it_lacks() -> None:
    missing = RUNTIMES["torch-cuda"].missing("float32")
    if missing is None:
        pytest.skip("this machine has CUDA")
    with pytest.raises(RuntimeUnavailable, match="without a CUDA device"):
        open_runtime(Source(lambda: load_module(tiny_spec(), tiny_weights())), "torch-cuda", "float32", None)
