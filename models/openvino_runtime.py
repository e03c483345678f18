"""OpenVINO on the CPU, where it is installed; its bfloat16 and int8 are the fast paths where the processor has them."""

from __future__ import annotations

import io
import re
import sys
import threading
import warnings
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from models.processor import INTEGER_PRODUCTS, features
from models.source import Source

_HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}  # of what is not in integers
_TRACING = ".*torch.jit"
_QUIET = ("ignore", re.compile(_TRACING, re.I), DeprecationWarning, None, 0)  # as filterwarnings stores it
_SIZES_KEPT = 8  # one compiled network for each input size in use


class OpenVinoRuntime:
    """One compiled network for each input size, compiled when this machine first sees the size.

    The module is made only where there is something to compile.
    """

    name = "openvino"

    def __init__(self, source: Source, precision: str, threads: int | None) -> None:
        self.precision = precision
        self._source = source
        self._module: nn.Module | None = None
        self._options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
        }
        if threads is not None:
            self._options["INFERENCE_NUM_THREADS"] = threads
        self._networks: dict[tuple[int, int], Any] = {}
        self._compiling = threading.Lock()  # apart from the other, so that known sizes go on meanwhile
        self._lock = threading.Lock()  # a compiled network answers one request at a time

    def __call__(self, batch: Tensor) -> list[Tensor]:
        network = self._network(batch.shape[2], batch.shape[3])
        with self._lock:
            maps = network([batch.contiguous().numpy()])
            return [torch.from_numpy(m.copy()).permute(0, 3, 1, 2) for m in maps.values()]

    def _network(self, height: int, width: int) -> Any:
        """The network for a size, compiled once; the oldest makes way for one too many."""
        size = height, width
        if (known := self._networks.get(size)) is not None:
            return known
        with self._compiling:
            if size not in self._networks:
                self._networks[size] = self._compile(height, width)
            network = self._networks[size]
            if len(self._networks) > _SIZES_KEPT:
                del self._networks[next(iter(self._networks))]
            return network

    def _compile(self, height: int, width: int) -> Any:
        """The network, from the memory where it is there: it takes a fiftieth of the time."""
        name = f"network openvino {self.precision} {height} x {width}"
        memory = self._source.memory
        kept = memory.read(name) if memory else None
        if kept is not None:
            with suppress(RuntimeError):  # a network of another build of the library
                return import_openvino().Core().import_model(io.BytesIO(kept), "CPU", self._options)
        network = self._compiled(height, width)
        if memory is not None:
            memory.keep(name, network.export_model().getvalue())
        return network

    def _compiled(self, height: int, width: int) -> Any:
        if self._module is None:
            self._module = self._source.load()
        example = torch.zeros(1, 3, height, width)
        if (
            _QUIET not in warnings.filters
        ):  # stays: ``catch_warnings`` would set back the filters of other threads
            warnings.filterwarnings("ignore", message=_TRACING, category=DeprecationWarning)
        network = import_openvino().convert_model(
            self._module, example_input=example, input=[-1, 3, height, width]
        )
        return import_openvino().Core().compile_model(_channels_last(network), "CPU", self._options)

    @staticmethod
    def missing(precision: str) -> str | None:
        """The package, or the processor's bfloat16 or integer products, where either is not there."""
        if find_spec("openvino") is None:
            return "no package openvino"
        if precision not in _HINTS:
            return f"OpenVINO, which supports only {' and '.join(_HINTS)}"
        abilities = import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bfloat16" and "BF16" not in abilities:
            return f"a processor with only {', '.join(abilities)}"
        if precision == "int8" and not features() & INTEGER_PRODUCTS:
            return f"a processor without {', '.join(sorted(INTEGER_PRODUCTS))}"
        return None

    @staticmethod
    def simulates(precision: str) -> bool:
        """Never: what the processor lacks is missing."""
        return False


def _channels_last(network: Any) -> Any:
    """The network with (b, h, w, c) outputs: written so they cost nothing, turned later milliseconds."""
    changed = import_module("openvino.preprocess").PrePostProcessor(network)
    for i in range(len(network.outputs)):
        changed.output(i).model().set_layout(import_openvino().Layout("NCHW"))
        changed.output(i).tensor().set_layout(import_openvino().Layout("NHWC"))
    return changed.build()


def import_openvino() -> ModuleType:
    """The package, told that its telemetry is not installed: or the mere import reports over the network."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return import_module("openvino")
