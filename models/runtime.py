"""What executes a backbone, behind one call: torch on CPU or CUDA, OpenVINO on CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from models.errors import RuntimeUnavailable
from models.openvino_runtime import OpenVinoRuntime
from models.quantise import Ranges, quantise
from models.source import Source
from models.torch_runtime import TorchCpuRuntime, TorchCudaRuntime

PRECISIONS = ("float32", "bfloat16", "float16", "int8")


@runtime_checkable
class Runtime(Protocol):
    """A loaded network: float32 batch (b, 3, h, w) in, float32 maps (b, c, h, w) out, on its device.

    In memory the maps have the channels last, as patches are made of them. Safe to call from several threads.
    """

    name: str
    precision: str

    def __call__(self, batch: Tensor) -> list[Tensor]: ...


@runtime_checkable
class RuntimeKind(Protocol):
    """How a runtime is opened: its source, one of PRECISIONS, threads or None for all."""

    def __call__(self, source: Source, precision: str, threads: int | None) -> Runtime: ...

    def missing(self, precision: str) -> str | None:
        """What this machine lacks for that precision, or None."""

    def simulates(self, precision: str) -> bool:
        """Whether the processor lacks the arithmetic, so that it is computed in another, slowly."""


RUNTIMES: dict[str, RuntimeKind] = {
    "torch": TorchCpuRuntime,
    "torch-cuda": TorchCudaRuntime,
    "openvino": OpenVinoRuntime,
}


def is_native(runtime: str, precision: str) -> bool:
    """Whether that runtime is there and this machine's arithmetic is of that precision."""
    kind = RUNTIMES[runtime]
    return kind.missing(precision) is None and not kind.simulates(precision)


def open_runtime(source: Source, runtime: str, precision: str, threads: int | None) -> Runtime:
    """Hand a source to the runtime of that name; int8 needs its ranges. Raises RuntimeUnavailable."""
    kind = RUNTIMES.get(runtime)
    if kind is None or precision not in PRECISIONS or (threads is not None and threads < 1):
        raise RuntimeUnavailable(
            requirement=f"A runtime is one of {', '.join(RUNTIMES)}, {'|'.join(PRECISIONS)}, threads above 0",
            received=f"{runtime!r} in {precision!r}, threads {threads}",
            remedy="Choose one of these, or auto.",
        )
    missing = kind.missing(precision)
    if missing is not None:
        raise RuntimeUnavailable(
            requirement=f"The runtime {runtime} must support {precision} on this machine",
            received=missing,
            remedy="Use the runtime torch in float32, which is always available.",
        )
    if precision == "int8":
        if source.ranges is None:
            raise RuntimeUnavailable(
                requirement="int8 needs ranges that were measured for the backbone and its weights",
                received="none",
                remedy="Use resnet50 or efficientnet-lite2 with their published weights, or another precision.",
            )
        source = replace(source, load=partial(_quantised, source.load, source.ranges))
    return kind(source, precision, threads)


def _quantised(load: Callable[[], nn.Module], ranges: Ranges) -> nn.Module:
    return quantise(load(), ranges)
