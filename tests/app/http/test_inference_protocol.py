"""The Open Inference Protocol v2 on the server: JSON and the binary tensor extension, spoken by hand.

``tests/app/generated`` has the same from NVIDIA's own client, tritonclient.
"""

from __future__ import annotations

import base64
import io
import json
import struct
from typing import Any

import numpy as np
import pytest
from parts import parts
from service_kit import inspect, service_of
from starlette.testclient import TestClient

from app.http.routes.tensors import MOST_IMAGES, MOST_NUMBERS
from app.imaging.decode import decode_image
from app.imaging.pictures import encode_png

LENGTH = "Inference-Header-Content-Length"


@pytest.fixture(scope="module")
def caps(running: TestClient, bank_file: bytes) -> TestClient:
    """A server whose bank ``caps`` has an active version 2 and an older one."""
    assert running.post("/v1/banks", json={"id": "caps"}).status_code == 201
    for _ in range(2):
        sent = running.post("/v1/banks/caps/import?activate=true", content=bank_file)
        assert sent.status_code == 201
    return running


def in_base64(*images: bytes) -> dict[str, Any]:
    data = [base64.b64encode(each).decode() for each in images]
    return {"name": "image", "datatype": "BYTES", "shape": [len(images)], "data": data}


def elements(*values: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(each)) + each for each in values)


def infer(client: TestClient, said: dict[str, Any], *tensors: bytes, version: str = "") -> Any:
    head, headers = json.dumps(said).encode(), {}
    if tensors:
        headers[LENGTH] = str(len(head))
    path = f"/v2/models/caps{version}/infer"
    return client.post(path, content=b"".join((head, *tensors)), headers=headers)


def outputs_of(response: Any) -> dict[str, Any]:
    """Values by name, out of the JSON or of what follows it."""
    assert response.status_code == 200, response.text
    length = int(response.headers.get(LENGTH, len(response.content)))
    said, rest, found = json.loads(response.content[:length]), io.BytesIO(response.content[length:]), {}
    for tensor in said["outputs"]:
        if "data" in tensor:
            assert "parameters" not in tensor
            values = tensor["data"]
        else:
            values = taken(tensor["datatype"], rest.read(tensor["parameters"]["binary_data_size"]))
        kind = {"BYTES": object, "FP32": np.float32}[tensor["datatype"]]
        found[tensor["name"]] = np.array(values, kind).reshape(tensor["shape"])
    assert not rest.read()
    return found


def taken(datatype: str, data: bytes) -> list[Any]:
    if datatype == "FP32":
        return np.frombuffer(data, "<f4").tolist()
    found = []
    while data:
        (size,) = struct.unpack_from("<I", data)
        found.append(data[4 : 4 + size].decode())
        data = data[4 + size :]
    return found


def refused(response: Any, status: int, *words: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert [*response.json()] == ["error"]
    for word in words:
        assert word in response.json()["error"]


def test_the_server_and_the_bank_say_what_they_are(caps: TestClient) -> None:
    assert caps.get("/v2/health/live").json() == {"live": True}
    assert caps.get("/v2/health/ready").json() == {"ready": True}
    assert caps.head("/v2/health/ready").status_code == 200
    server = caps.get("/v2").json()
    assert (server["name"], server["extensions"]) == ("nominal", ["binary_tensor_data"])
    model = caps.get("/v2/models/caps").json()
    assert (model["name"], model["versions"]) == ("caps", ["2"])
    assert [each["name"] for each in model["inputs"]] == ["image", "pixels"]
    assert caps.get("/v2/models/caps/versions/2").json() == model
    assert caps.get("/v2/models/caps/versions/2/ready").json() == {"name": "caps", "ready": True}


def test_a_bank_that_cannot_inspect_is_not_ready_and_says_why(caps: TestClient) -> None:
    caps.post("/v1/banks", json={"id": "new"})
    ready = caps.get("/v2/models/new/ready")
    assert (ready.status_code, ready.json()["ready"]) == (400, False)
    assert "no active version" in ready.json()["error"]
    assert caps.get("/v2/models/new").json()["versions"] == []
    refused(caps.get("/v2/models/absent/ready"), 404, "absent")
    refused(caps.post("/v2/models/absent/infer", json={"inputs": [in_base64(encode_png(parts(1)[0]))]}), 404)


def test_a_file_in_json_is_inspected_as_the_other_route_does(
    caps: TestClient, good: bytes, bad: bytes
) -> None:
    known = [inspect(caps, image) for image in (good, bad)]
    asked = {
        "id": "part-7",
        "parameters": {"serial": "S-7", "station": "west"},
        "inputs": [in_base64(good, bad)],
        "outputs": [{"name": "score"}, {"name": "decision"}, {"name": "inspection"}],
    }
    response = infer(caps, asked)
    found, said = outputs_of(response), response.json()
    assert (said["id"], said["model_name"], said["model_version"]) == ("part-7", "caps", "2")
    assert said["parameters"] == {
        f"{name}_threshold": value for name, value in known[0]["thresholds"].items()
    }
    assert found["score"] == pytest.approx([each["score"] for each in known], rel=1e-5)
    assert found["decision"].tolist() == [each["decision"] for each in known] == ["accept", "reject"]
    rows = [caps.get(f"/v1/inspections/{id}").json() for id in found["inspection"]]
    assert {(row["serial"], row["station"]) for row in rows} == {("S-7", "west")}
    assert rows[1]["image_sha256"] == known[1]["image_sha256"] is not None


def test_samples_give_what_their_file_gives_and_a_map_comes_in_binary(caps: TestClient, bad: bytes) -> None:
    pixels = decode_image(bad)
    known = inspect(caps, bad, "?heatmap=raw")
    raw = np.load(io.BytesIO(base64.b64decode(known["heatmap"]["data"])))
    given = {
        "name": "pixels",
        "datatype": "UINT8",
        "shape": [*pixels.shape],
        "parameters": {"binary_data_size": pixels.nbytes},
    }
    binary = {"binary_data": True}
    wanted = [
        {"name": "map", "parameters": binary},
        {"name": "score"},
        {"name": "decision", "parameters": binary},
    ]
    response = infer(caps, {"inputs": [given], "outputs": wanted}, pixels.tobytes())
    found = outputs_of(response)
    assert response.headers["content-type"] == "application/octet-stream"
    assert found["score"] == pytest.approx([known["score"]], rel=1e-5)
    assert found["decision"].tolist() == ["reject"]
    np.testing.assert_allclose(found["map"], raw, rtol=1e-4)
    several = {**given, "shape": [2, *pixels.shape], "parameters": {"binary_data_size": 2 * pixels.nbytes}}
    both = outputs_of(infer(caps, {"inputs": [several], "outputs": wanted}, pixels.tobytes() * 2))
    assert both["map"].shape == (2, *pixels.shape[:2])
    in_json = {**given, "shape": [1, *pixels.shape], "data": pixels.tolist(), "parameters": None}
    one = outputs_of(infer(caps, {"inputs": [in_json], "outputs": [{"name": "map"}]}))
    np.testing.assert_allclose(one["map"], raw[None], rtol=1e-4)


def test_a_bare_file_and_files_in_binary_are_inspected(caps: TestClient, good: bytes, bad: bytes) -> None:
    bare = caps.post("/v2/models/caps/infer", content=bad, headers={LENGTH: "0"})
    assert outputs_of(bare)["decision"].tolist() == ["reject"]
    packed = elements(good, bad)
    given = {
        "name": "image",
        "datatype": "BYTES",
        "shape": [2, 1],
        "parameters": {"binary_data_size": len(packed)},
    }
    asked = {"inputs": [given], "parameters": {"binary_data_output": True}}
    assert outputs_of(infer(caps, asked, packed))["decision"].tolist() == ["accept", "reject"]


def test_only_the_active_version_infers_and_thresholds_may_be_given(caps: TestClient, bad: bytes) -> None:
    loose = {"inputs": [in_base64(bad)], "parameters": {"review_threshold": 1e6, "reject_threshold": 1e6}}
    response = infer(caps, loose, version="/versions/2")
    assert outputs_of(response)["decision"].tolist() == ["accept"]
    assert response.json()["parameters"]["reject_threshold"] == 1e6
    refused(infer(caps, loose, version="/versions/1"), 409, "version 1, while version 2 is active")
    refused(caps.get("/v2/models/caps/versions/1"), 409, "must be the active one")
    refused(caps.get("/v2/models/caps/versions/9/ready"), 404)


def test_what_cannot_be_read_is_refused_by_name(caps: TestClient, good: bytes) -> None:
    image = in_base64(good)
    pixels = {"name": "pixels", "datatype": "UINT8", "shape": [16, 16, 3]}
    many = {"name": "pixels", "datatype": "UINT8", "shape": [1, 1, 3], "data": [0] * (MOST_NUMBERS + 5000)}
    sizes = in_base64(good, encode_png(np.zeros((32, 64, 3), np.uint8)))
    of_json = [
        ({"inputs": [{**image, "data": ["Ü%"]}]}, 422, "base64"),
        ({"inputs": [{**image, "shape": [2]}]}, 422, "must hold 2 images"),
        ({"inputs": [{**image, "shape": [MOST_IMAGES + 1]}]}, 422, f"may hold {MOST_IMAGES}"),
        ({"inputs": [{**image, "datatype": "UINT8"}]}, 422, "pixels, UINT8 [h, w, 3]"),
        ({"inputs": [{**image, "name": "photo"}]}, 422, "#/inputs/0/name"),
        ({"inputs": [image, image]}, 422, "#/inputs"),
        ({"inputs": [image], "outputs": [{"name": "heat"}]}, 422, "#/outputs/0/name"),
        ({"inputs": [image], "parameters": {"sreial": "1"}}, 422, "#/parameters/sreial"),
        ({"inputs": [{**pixels, "data": [0] * 767 + [256]}]}, 422, "from 0 to 255"),
        ({"inputs": [{**pixels, "data": [0.5] * 768}]}, 422, "from 0 to 255"),
        ({"inputs": [{**pixels, "data": [0] * 767}]}, 422, "must hold 768 samples"),
        ({"inputs": [{**pixels, "shape": [4, 64, 3], "data": [0] * 768}]}, 422, "16 pixels"),
        ({"inputs": [many]}, 422, "in JSON must be at most"),
        ({"inputs": [pixels]}, 422, "no data"),
        ({"inputs": [in_base64(good, b"GIF89a")]}, 415, "image 1 (from 0)"),
        ({"inputs": [sizes], "outputs": [{"name": "map"}]}, 422, "one size"),
    ]
    for said, status, word in of_json:
        refused(infer(caps, said), status, word)
    short = {**pixels, "parameters": {"binary_data_size": 768}}
    refused(infer(caps, {"inputs": [short]}, b"\0" * 767), 422, "767 bytes after the JSON")
    torn = {"name": "image", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 6}}
    refused(infer(caps, {"inputs": [torn]}, b"\xff\0\0\0ab"), 422, "must follow its length")
    post = caps.post
    refused(post("/v2/models/caps/infer", content=b"{]"), 422, "must be JSON")
    refused(post("/v2/models/caps/infer", content=b"{}", headers={LENGTH: "x"}), 422, LENGTH)
    refused(post("/v2/models/caps/infer", content=b"{}", headers={"Content-Encoding": "gzip"}), 415, "gzip")
    refused(caps.get("/v2/nothing"), 404)
    refused(caps.get("/v2/models/caps/infer"), 405)


def test_a_request_that_is_refused_leaves_no_row(caps: TestClient, good: bytes) -> None:
    before = len(caps.get("/v1/inspections?bank=caps&limit=1000").json()["items"])
    infer(caps, {"inputs": [in_base64(good, good[:50])]})
    assert len(caps.get("/v1/inspections?bank=caps&limit=1000").json()["items"]) == before


def test_a_late_answer_is_refused_in_the_protocols_form(caps: TestClient, good: bytes) -> None:
    late = infer(caps, {"inputs": [in_base64(good)], "parameters": {"timeout": 1}})
    refused(late, 503, "deadline")
    assert late.headers["Retry-After"] == "1"


def test_keys_count_as_everywhere(client: TestClient, bank_file: bytes, good: bytes) -> None:
    client.post("/v1/banks", json={"id": "caps"})
    client.post("/v1/banks/caps/import?activate=true", content=bank_file)
    admin = client.post("/v1/keys", json={"name": "admin", "role": "admin"}).json()["key"]
    made = {"name": "reader", "role": "read"}
    reader = client.post("/v1/keys", json=made, headers={"X-API-Key": admin}).json()["key"]
    body = {"inputs": [in_base64(good)]}
    path = "/v2/models/caps/infer"
    refused(client.post(path, json=body), 401, "API key")
    refused(client.post(path, json=body, headers={"X-API-Key": reader}), 403)
    assert client.get("/v2/models/caps", headers={"X-API-Key": reader}).status_code == 200
    response = client.post(path, json=body, headers={"Authorization": f"Bearer {admin}"})
    assert outputs_of(response)["decision"].tolist() == ["accept"]
    assert client.get("/v2").status_code == client.get("/v2/health/ready").status_code == 200
    assert service_of(client).inspecting.gate.requests == 0
