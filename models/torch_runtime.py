"""Eager torch on CPU or CUDA, channels last, because its convolutions run faster so."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.processor import BFLOAT16_PRODUCTS, features
from models.source import Source

_DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.float32,  # simulated
}


class TorchCpuRuntime:
    """torch on the CPU. ``threads`` bounds torch's threads in the whole process."""

    name = "torch"

    def __init__(self, source: Source, precision: str, threads: int | None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.precision = precision
        self._dtype = _DTYPES[precision]
        self._module = _place(source.load(), torch.device("cpu"), self._dtype)
        if precision == "float32" and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            _always_onednn(self._module)

    def __call__(self, batch: Tensor) -> list[Tensor]:
        with torch.inference_mode():
            maps = self._module(batch.to(self._dtype, memory_format=torch.channels_last))
        return [_ordinary(m) for m in maps]

    @staticmethod
    def missing(precision: str) -> str | None:
        """float16, slow on processors. bfloat16 is slow where it is emulated, int8 is simulated, but both run."""
        return "a processor, on which float16 is not offered" if precision == "float16" else None

    @staticmethod
    def simulates(precision: str) -> bool:
        """int8 always, bfloat16 where the processor does not multiply it."""
        return precision == "int8" or (precision == "bfloat16" and not features() & BFLOAT16_PRODUCTS)


class _OneDnnConv2d(nn.Conv2d):
    """A convolution that oneDNN runs whatever the batch and the threads.

    Left to choose, torch runs many of them by another algorithm, slower and with other rounding, where there
    is one thread and fewer than 16 images.
    """

    def forward(self, input: Tensor) -> Tensor:
        assert not isinstance(self.padding, str)
        return torch.mkldnn_convolution(
            input, self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups
        )


def _always_onednn(module: nn.Module) -> None:
    for part in module.modules():
        # subclasses pad in their own way and keep it
        if type(part) is nn.Conv2d and part.padding_mode == "zeros" and not isinstance(part.padding, str):
            part.__class__ = _OneDnnConv2d


class TorchCudaRuntime:
    """torch on the current CUDA device; float32 is true float32: TF32 is put off in the whole process."""

    name = "torch-cuda"

    def __init__(self, source: Source, precision: str, threads: int | None) -> None:
        torch.backends.cudnn.allow_tf32 = False
        self.precision = precision
        self._dtype = _DTYPES[precision]
        self._module = _place(source.load(), torch.device("cuda"), self._dtype)

    def __call__(self, batch: Tensor) -> list[Tensor]:
        with torch.inference_mode():
            maps = self._module(batch.to("cuda", self._dtype, memory_format=torch.channels_last))
        return [_ordinary(m) for m in maps]

    @staticmethod
    def missing(precision: str) -> str | None:
        """A CUDA device, or a torch built for one, where either is not there."""
        return None if torch.cuda.is_available() else f"torch {torch.__version__} without a CUDA device"

    @staticmethod
    def simulates(precision: str) -> bool:
        """Only int8."""
        return precision == "int8"


def _ordinary(maps: Tensor) -> Tensor:
    """A copy made outside inference mode, so that callers may do with it what they like."""
    return maps.to(torch.float32, memory_format=torch.channels_last, copy=True)


def _place(module: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    return module.to(device, dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
