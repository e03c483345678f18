"""What executes a backbone: torch on CPU or CUDA, or OpenVINO on CPU, behind one call."""

from __future__ import annotations

from typing import Literal, Protocol, get_args

import torch
from torch import Tensor, nn

from models.errors import RuntimeUnavailable

RuntimeName = Literal["torch", "torch-cuda", "openvino"]
Precision = Literal["float32", "bfloat16"]
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Runtime(Protocol):
    """A loaded network: float32 batch (b, 3, h, w) in, float32 maps (b, c, h, w) out, contiguous, on CPU."""

    @property
    def name(self) -> str: ...
    @property
    def precision(self) -> str: ...
    def __call__(self, batch: Tensor) -> list[Tensor]: ...


class TorchRuntime:
    """Eager torch, channels last: its convolutions run faster so."""

    def __init__(self, module: nn.Module, device: str, precision: Precision, threads: int | None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.name = "torch" if device == "cpu" else f"torch-{device}"
        self.precision = precision
        self._target = (torch.device(device), _DTYPES[precision])
        self._module = module.to(*self._target, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, batch: Tensor) -> list[Tensor]:
        with torch.inference_mode():
            x = batch.to(*self._target, memory_format=torch.channels_last)
            maps: list[Tensor] = self._module(x)
        # outside inference mode, so that callers get ordinary tensors
        return [m.to("cpu", torch.float32).contiguous() for m in maps]


def open_runtime(module: nn.Module, runtime: str, precision: str, threads: int | None) -> Runtime:
    """Hand a folded module in eval mode to the runtime of that name. Raises RuntimeUnavailable.

    ``auto`` is torch on the CPU in float32: the same scores on every machine before any speed.
    """
    if runtime == "auto":
        runtime = "torch"
    if precision not in _DTYPES or runtime not in get_args(RuntimeName):
        raise RuntimeUnavailable(
            requirement=f"A runtime is one of {get_args(RuntimeName)}, its precision one of {tuple(_DTYPES)}",
            received=f"{runtime!r}, {precision!r}",
            remedy="Choose one of these, or auto.",
        )
    if runtime == "torch-cuda" and not torch.cuda.is_available():
        raise RuntimeUnavailable(
            requirement="The runtime torch-cuda needs a CUDA device and a torch built for it",
            received=f"torch {torch.__version__} without one",
            remedy="Use the runtime torch.",
        )
    return TorchRuntime(module, "cuda" if runtime == "torch-cuda" else "cpu", precision, threads)  # type: ignore[arg-type]
