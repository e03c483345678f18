"""Inspections as the outputs of the Open Inference Protocol v2, in JSON or after it (binary tensor extension)."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import orjson
from fastapi import Response
from jaxtyping import Float32

from app.http.routes.tensors import HEADER_LENGTH, Inferring, one_size
from app.inspection.inspecting import Answer

Values = Float32[np.ndarray, "..."] | list[str]


def answered(asking: Inferring, answers: list[Answer]) -> Response:
    """The answer: thresholds, and the outputs that are wanted. Raises FieldInvalid for maps of several sizes."""
    first, binary = answers[0], asking.request.wanted()
    parameters = {name: getattr(first.row, name) for name in ("review_threshold", "reject_threshold")}
    if "map" in binary:
        parameters["map_threshold"] = first.map_threshold
    said = {"model_name": first.row.bank, "model_version": str(first.row.version), "parameters": parameters}
    if asking.request.id is not None:
        said["id"] = asking.request.id
    outputs = {name: _output(name, asking.batched, answers) for name in binary}
    body, length = _encoded(said, outputs, binary)
    if length is None:
        return Response(body, media_type="application/json")
    return Response(body, media_type="application/octet-stream", headers={HEADER_LENGTH: str(length)})


def _output(name: str, batched: bool, answers: list[Answer]) -> Values:
    match name:
        case "score":
            return np.array([each.row.score for each in answers], np.float32)
        case "decision":
            return [each.row.decision for each in answers]
        case "inspection":
            return [each.row.id for each in answers]
    maps = [np.load(io.BytesIO(each.picture.data)) for each in answers if each.picture is not None]
    if len({each.shape for each in maps}) > 1:  # metadata turned some upright
        raise one_size([each.shape for each in maps])
    return np.stack(maps) if batched else maps[0]


def _encoded(
    said: dict[str, Any], outputs: dict[str, Values], binary: dict[str, bool]
) -> tuple[bytes, int | None]:
    """(body, bytes of its JSON where tensors follow that) of an answer.

    said: its members beside the outputs. binary: by the outputs' names, whether they follow.
    """
    after: list[bytes] = []
    said["outputs"] = []
    for name, values in outputs.items():
        text = isinstance(values, list)
        tensor: dict[str, Any] = {"name": name, "datatype": "BYTES" if text else "FP32"}
        tensor["shape"] = [len(values)] if isinstance(values, list) else [*values.shape]
        if binary[name]:
            after.append(_bytes(values))
            tensor["parameters"] = {"binary_data_size": len(after[-1])}
        else:
            tensor["data"] = values if isinstance(values, list) else values.ravel()
        said["outputs"].append(tensor)
    head = orjson.dumps(said, option=orjson.OPT_SERIALIZE_NUMPY)
    return b"".join((head, *after)), len(head) if after else None


def _bytes(values: Values) -> bytes:
    if not isinstance(values, list):
        return values.astype("<f4", copy=False).tobytes()
    texts = [each.encode() for each in values]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)
