"""What executes a backbone, behind one call: torch on CPU or CUDA, OpenVINO on CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from models.errors import RuntimeUnavailable
from models.memory import Memory
from models.openvino_runtime import OpenVinoRuntime
from models.quantise import Ranges, quantise
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
    """How a runtime is opened: what makes a folded module in eval mode, one of PRECISIONS, threads or None for all.

    memory: of networks compiled before.
    """

    def __call__(
        self, load: Callable[[], nn.Module], precision: str, threads: int | None, memory: Memory | None
    ) -> Runtime: ...

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


def open_runtime(
    module: nn.Module | Callable[[], nn.Module],
    runtime: str,
    precision: str,
    threads: int | None,
    ranges: Ranges | None = None,
    memory: Memory | None = None,
) -> Runtime:
    """Hand a folded module in eval mode, which may be changed, to the runtime of that name.

    module: or what makes it, which is not called where ``memory`` has the networks it would become. int8 needs the
    module's ranges. Raises RuntimeUnavailable.
    """
    load = (lambda: module) if isinstance(module, nn.Module) else module
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
        if ranges is None:
            raise RuntimeUnavailable(
                requirement="int8 needs ranges that were measured for the backbone and its weights",
                received="none",
                remedy="Use resnet50 or efficientnet-lite2 with their published weights, or another precision.",
            )
        load = partial(_quantised, load, ranges)
    return kind(load, precision, threads, memory)


def _quantised(load: Callable[[], nn.Module], ranges: Ranges) -> nn.Module:
    return quantise(load(), ranges)
