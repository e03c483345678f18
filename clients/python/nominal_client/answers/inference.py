"""The Open Inference Protocol v2 (REST): the server, a bank as a model, and what it infers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from nominal_client.answers import Answer

Datatype = Literal["BYTES", "UINT8", "FP32"]


class ServerLive(Answer):
    """The process answers."""

    live: bool = True


class ServerReady(Answer):
    """Whether the server can inspect; status 400 where it cannot."""

    ready: bool


class ServerMetadata(Answer):
    """What runs, and which extensions of the protocol it has."""

    name: str = "nominal"
    version: str
    extensions: tuple[str, ...] = ("binary_tensor_data",)


class ModelReady(Answer):
    """Whether a bank can inspect; status 400 and the reason where it cannot."""

    name: str
    ready: bool
    error: str | None = None


class TensorMetadata(Answer):
    """A tensor of one image; -1 for any length. Several images add a dimension before these."""

    name: str
    datatype: Datatype
    shape: list[int]


class ModelMetadata(Answer):
    """A bank as a model. versions: the active one, which alone infers."""

    name: str
    versions: list[str]
    platform: str = "nominal_patchcore"
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class InferenceTensor(Answer):
    """An output: its values in row-major order, or ``parameters.binary_data_size`` bytes after the JSON."""

    name: str
    datatype: Datatype
    shape: list[int]
    parameters: dict[str, int] | None = None
    data: list[Any] | None = None


class Inference(Answer):
    """What was inferred. parameters: the thresholds that decided, and the map's where it was asked for."""

    model_name: str
    model_version: str
    id: str | None = None
    parameters: dict[str, float] = Field(description="review_threshold, reject_threshold, map_threshold.")
    outputs: list[InferenceTensor]
