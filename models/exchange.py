"""A traced torch module as a file that other programs run: ONNX, or OpenVINO's pair of .xml and .bin.

Both are made from one trace, in float32. torch's exporter by trace is used for ONNX, which needs no package but onnx.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.errors import RuntimeUnavailable
from models.openvino_runtime import import_openvino

OPSET = 18  # of ONNX, which onnxruntime has read since 1.14
LARGEST_ONNX = (1 << 31) - (1 << 24)  # bytes; protobuf ends a file at 2 GiB

Run = Callable[[np.ndarray], list[np.ndarray]]
"""One input -> the outputs, in the order of their names."""


@dataclass(frozen=True, eq=False)
class Traced:
    """A module to write: called with ``example``, one tensor called ``input``, it gives tensors called ``outputs``.

    free: dimensions of the input that may change, by number and name; of the outputs, those of the same names.
    facts: written into the file as text.
    """

    module: nn.Module
    example: Tensor
    input: str
    outputs: tuple[str, ...]
    free: Mapping[str, Mapping[int, str]]
    facts: Mapping[str, str]


@dataclass(frozen=True)
class FileFormat:
    """How a kind of file is written and run. packages: that this needs. suffixes: of its files, the named one first."""

    name: str
    packages: tuple[str, ...]
    suffixes: tuple[str, ...]
    write: Callable[[Traced, Path], None]
    open: Callable[[Path, int | None], Run]

    def check(self) -> None:
        """Raises RuntimeUnavailable where a package is not installed."""
        if missing := [name for name in self.packages if find_spec(name) is None]:
            raise RuntimeUnavailable(
                requirement=f"Export to {self.name} needs the packages {' and '.join(self.packages)}",
                received=f"no {' and no '.join(missing)}",
                remedy="Install nominal-inspection[export], or choose another format.",
            )


def _write_onnx(traced: Traced, path: Path) -> None:
    size = sum(each.nbytes for each in traced.module.state_dict().values())
    if size > LARGEST_ONNX:
        raise RuntimeUnavailable(
            requirement=f"An ONNX file must hold at most {LARGEST_ONNX:,} bytes of weights and vectors",
            received=f"{size:,}",
            remedy="Export to openvino, or build the bank with fewer vectors (--max-bank-vectors) or --pca.",
        )
    with _quiet():
        torch.onnx.export(
            traced.module,
            (traced.example,),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=[traced.input],
            output_names=list(traced.outputs),
            dynamic_axes={name: dict(axes) for name, axes in traced.free.items()},
        )
    onnx = import_module("onnx")
    model = onnx.load(path)
    onnx.helper.set_model_props(model, dict(traced.facts))
    onnx.save(model, path)


def _open_onnx(path: Path, threads: int | None) -> Run:
    runtime = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda given: list(session.run(None, {name: given}))


def _write_openvino(traced: Traced, path: Path) -> None:
    shape: Sequence[int] = traced.example.shape
    free = traced.free.get(traced.input, {})
    openvino = import_openvino()
    with _quiet():
        model = openvino.convert_model(
            traced.module,
            example_input=traced.example,
            input=[-1 if i in free else side for i, side in enumerate(shape)],
        )
    model.inputs[0].set_names({traced.input})
    for output, name in zip(model.outputs, traced.outputs, strict=True):
        output.set_names({name})
    for name, text in traced.facts.items():
        model.set_rt_info(text, name)
    openvino.save_model(model, path, compress_to_fp16=False)


def _open_openvino(path: Path, threads: int | None) -> Run:
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = threads
    network = import_openvino().Core().compile_model(path, "CPU", options)
    return lambda given: [found.copy() for found in network([given]).values()]


FORMATS = {
    each.name: each
    for each in (
        FileFormat("openvino", ("openvino",), (".xml", ".bin"), _write_openvino, _open_openvino),
        FileFormat("onnx", ("onnx", "onnxruntime"), (".onnx",), _write_onnx, _open_onnx),
    )
}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what a trace warns of: Python numbers in it are meant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
