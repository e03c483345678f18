"""The Open Inference Protocol v2: what a request holds in JSON, as pydantic models, and a bank as a model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from app.http.requests import Request, Score
from app.store.schema import LONGEST_TEXT, Bank
from nominal_client.answers import inference as schema

Side = Annotated[int, Field(ge=1, le=2**31 - 1)]
Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
IMAGE = schema.TensorMetadata(name="image", datatype="BYTES", shape=[1])
PIXELS = schema.TensorMetadata(name="pixels", datatype="UINT8", shape=[-1, -1, 3])
OUTPUTS = [
    schema.TensorMetadata(name="score", datatype="FP32", shape=[1]),
    schema.TensorMetadata(name="decision", datatype="BYTES", shape=[1]),
    schema.TensorMetadata(name="map", datatype="FP32", shape=[-1, -1]),
    schema.TensorMetadata(name="inspection", datatype="BYTES", shape=[1]),
]


class InputParameters(Request):
    """How an input comes."""

    binary_data_size: int | None = Field(None, ge=0, description="Bytes of it after the JSON.")
    content_type: str | None = Field(None, max_length=100, description="Such as base64; not needed.")


class InferenceInput(Request):
    """One image or several: `image` holds files (BYTES), `pixels` RGB samples (UINT8)."""

    name: Literal["image", "pixels"]
    datatype: Literal["BYTES", "UINT8"]
    shape: list[Side] = Field(
        min_length=1, max_length=4, description="[n] for image; [h, w, 3] or [n, h, w, 3] for pixels."
    )
    parameters: InputParameters | None = None
    data: list[Any] | None = Field(None, description="Base64 of each file, or samples in row-major order.")


class OutputParameters(Request):
    """How an output is to be answered."""

    binary_data: bool | None = Field(default=None, description="After the JSON, not in it.")


class InferenceOutput(Request):
    """One output that is wanted."""

    name: Literal["score", "decision", "map", "inspection"]
    parameters: OutputParameters | None = None


class InferenceParameters(Request):
    """What else is said of the images; thresholds override the bank's for this request."""

    serial: Text | None = None
    station: Text | None = None
    review_threshold: Score | None = None
    reject_threshold: Score | None = None
    timeout: int | None = Field(None, ge=1, description="Microseconds within which the answer must come.")
    binary_data_output: bool = Field(False, description="Outputs come in binary where they do not say.")


class InferenceRequest(Request):
    """An inference: one input, and the outputs wanted; score and decision where none is named."""

    id: Text | None = Field(None, description="Comes back in the answer.")
    parameters: InferenceParameters = Field(default_factory=lambda: InferenceParameters.model_validate({}))
    inputs: list[InferenceInput] = Field(min_length=1, max_length=1)
    outputs: list[InferenceOutput] | None = Field(None, min_length=1, max_length=4)

    def wanted(self) -> dict[str, bool]:
        """Each output's name, and whether it comes in binary."""
        usual = self.parameters.binary_data_output
        if self.outputs is None:
            return {"score": usual, "decision": usual}
        said = {each.name: (each.parameters or OutputParameters()).binary_data for each in self.outputs}
        return {name: usual if binary is None else binary for name, binary in said.items()}


def described(row: Bank) -> schema.ModelMetadata:
    """A bank as a model: its active version, and tensors as they are for one image."""
    versions = [] if row.active_version is None else [str(row.active_version)]
    return schema.ModelMetadata(name=row.id, versions=versions, inputs=[IMAGE, PIXELS], outputs=OUTPUTS)
