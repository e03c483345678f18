"""A program of somebody who has NVIDIA's tritonclient: health, metadata, and inferences of every form.

Prints what it found as JSON. Arguments: the server's address without its scheme, a bank, a flawed image, its samples
as a NumPy file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

address, bank, flawed, samples = sys.argv[1], sys.argv[2], Path(sys.argv[3]), np.load(sys.argv[4])
client = triton.InferenceServerClient(address)
file = np.array([flawed.read_bytes()], dtype=np.object_)


def given(name: str, datatype: str, values: np.ndarray) -> list[triton.InferInput]:
    tensor = triton.InferInput(name, [*values.shape], datatype)
    tensor.set_data_from_numpy(values, binary_data=True)
    return [tensor]


def wanted(*names: str, binary: bool) -> list[triton.InferRequestedOutput]:
    return [triton.InferRequestedOutput(name, binary_data=binary) for name in names]


in_binary = client.infer(
    bank,
    given("pixels", "UINT8", samples),
    outputs=wanted("score", "decision", "map", binary=True),
    request_id="part-7",
    parameters={"serial": "S-1"},
)
in_json = client.infer(
    bank, given("image", "BYTES", file), outputs=wanted("score", "decision", "map", binary=False)
)
batch = client.infer(bank, given("pixels", "UINT8", np.stack([samples, samples])))
try:
    client.infer(bank, given("image", "BYTES", np.array([b"words"], dtype=np.object_)))
except InferenceServerException as error:
    refused = error.message()
try:
    client.infer(bank, given("image", "BYTES", file), model_version="9")
except InferenceServerException as error:
    other = [error.status(), error.message()]

print(
    json.dumps(
        {
            "health": [client.is_server_live(), client.is_server_ready(), client.is_model_ready(bank)],
            "absent": client.is_model_ready("absent"),
            "server": client.get_server_metadata()["name"],
            "versions": client.get_model_metadata(bank)["versions"],
            "id": in_binary.get_response()["id"],
            "scores": [each.as_numpy("score").tolist() for each in (in_binary, in_json, batch)],
            "decisions": [
                [
                    str(value, "utf-8") if isinstance(value, bytes) else value
                    for value in each.as_numpy("decision")
                ]
                for each in (in_binary, in_json, batch)
            ],
            "maps": [each.as_numpy("map").tolist() for each in (in_binary, in_json)],
            "refused": refused,
            "other": other,
        }
    )
)
