"""Sinks over the API and its client: made, tried, watched, their dead events resent; no secret is given twice."""

from __future__ import annotations

import http.server
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import ModbusTcpClient
from service_kit import health_now, inspect, prepared, problem, service_of, wait_until
from standardwebhooks import Webhook
from starlette.testclient import TestClient

URL = {"kind": "webhook", "url": "https://93.184.216.34/events"}


@pytest.fixture
def site(
    serve: Callable[..., TestClient], tmp_path: Path, empty_database: bytes, bank_file: bytes
) -> TestClient:
    """A server with the bank caps, whose webhooks may reach this machine."""
    settings = prepared(tmp_path, empty_database).model_copy(
        update={"sink_addresses": ["127.0.0.0/8"], "event_tries": 1}
    )
    client = serve(settings)
    assert client.post("/v1/banks", json={"id": "caps"}).status_code == 201
    assert client.post("/v1/banks/caps/import?activate=true", content=bank_file).status_code == 201
    return client


@pytest.fixture
def hook() -> Iterator[tuple[str, list[int], list[tuple[Any, bytes]]]]:
    """(its address, the status of its answers, what came)."""
    status, came = [204], list[tuple[Any, bytes]]()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append((self.headers, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/mes", status, came
        server.shutdown()
        thread.join()


def test_a_decision_leaves_for_the_receiver_is_refused_dead_and_sent_again(
    site: TestClient, hook: tuple[str, list[int], list[tuple[Any, bytes]]], good: bytes
) -> None:
    url, status, came = hook
    body = {"id": "mes", "target": {"kind": "webhook", "url": url}, "kinds": ["decided", "reviewed"]}
    made = site.post("/v1/sinks", json=body)
    assert made.status_code == 201, made.text
    secret = made.json()["secret"]
    assert site.post("/v1/sinks/mes/sample").json()["milliseconds"] > 0
    seen = inspect(site, good)
    wait_until(lambda: len(came) == 2)
    headers, sent = came[1]
    said = Webhook(secret).verify(sent, {name.lower(): value for name, value in headers.items()})
    assert (said["id"], said["data"]["decision"]) == (f"{seen['id']}.decided", seen["decision"])
    status[0] = 422
    assert problem(site.post("/v1/sinks/mes/sample"), 502, "sink-failed")["received"] == "status 422"
    site.post(f"/v1/inspections/{seen['id']}/reviews", json={"verdict": "false_alarm"})
    wait_until(lambda: site.get("/v1/sinks/mes").json()["events"]["dead"] == 1)
    [dead] = site.get("/v1/sinks/mes/events?state=dead").json()["items"]
    assert (dead["body"]["type"], dead["tries"]) == ("nominal.inspection.reviewed", 1)
    assert "status 422" in dead["error"]
    health_now(site)
    assert 'nominal_events_dead{sink="mes"} 1.0' in site.get("/metrics").text
    status[0] = 204
    assert site.post("/v1/sinks/mes/resend", json={"ids": [dead["id"]]}).json() == {"events": 1}
    wait_until(lambda: site.get("/v1/sinks/mes").json()["events"]["delivered"] == 2)
    assert json.loads(came[-1][1])["id"] == dead["id"]
    rotated = site.post("/v1/sinks/mes/rotate", json={"overlap_seconds": 60}).json()["secret"]
    inspect(site, good)
    wait_until(lambda: json.loads(came[-1][1])["type"] == "nominal.inspection.decided")
    headers = {name.lower(): value for name, value in came[-1][0].items()}
    for key in (secret, rotated):
        Webhook(key).verify(came[-1][1], headers)
    everything = [
        site.get(f"/v1/{path}").text for path in ("sinks", "sinks/mes", "sinks/mes/events", "audit")
    ]
    assert not [text for text in everything if secret in text or rotated in text or "whsec_" in text]
    actions = {entry["action"] for entry in site.get("/v1/audit?target=sink:mes").json()["items"]}
    assert actions == {"sink.create", "sink.sample", "sink.resend", "sink.rotate"}
    assert site.delete("/v1/sinks/mes").status_code == 204
    assert site.get("/v1/sinks").json() == {"items": []}


def test_a_controller_reads_what_the_line_decided_and_a_taken_port_is_a_problem(
    site: TestClient, good: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        body = {"id": "plc", "target": {"kind": "modbus", "port": port, "units": {"caps": 7}}}
        made = site.post("/v1/sinks", json=body).json()
        assert (made["banks"], made["secret"]) == (["caps"], None)
        problem(site.post("/v1/sinks/plc/sample"), 503, "sink-cannot-listen")
    wait_until(lambda: site.post("/v1/sinks/plc/sample").status_code == 200)
    assert site.get("/v1/sinks/plc").json()["server"] == socket.gethostname()
    seen = inspect(site, good)
    wait_until(lambda: site.get("/v1/sinks/plc").json()["events"]["delivered"] == 1)
    with ModbusTcpClient("127.0.0.1", port=port) as plc:
        wait_until(lambda: plc.read_coils(3, count=1, device_id=7).bits[0])  # ready
        bits = plc.read_coils(0, count=3, device_id=7).bits[:3]
        words = plc.read_holding_registers(0, count=26, device_id=7).registers
    assert bits == [seen["decision"] == each for each in ("accept", "reject", "review")]
    assert struct.pack(">8H", *words[18:26]).hex() == seen["id"].replace("-", "")
    two = site.patch("/v1/sinks/plc", json={"target": {**body["target"], "units": {"caps": 7, "lids": 8}}})
    assert two.json()["banks"] == ["caps", "lids"]


@pytest.mark.parametrize(
    ("change", "slug"),
    [
        ({"id": "A/B"}, "illegal-id"),
        ({"target": {"kind": "fax"}}, "invalid-request"),
        ({"target": {"kind": "webhook", "url": "file:///etc/passwd"}}, "invalid-request"),
        ({"target": {**URL, "follow_redirects": True}}, "invalid-request"),
        ({"target": {"kind": "mqtt", "host": "x", "topic": "#"}}, "invalid-request"),
        ({"target": {"kind": "mqtt", "host": "x", "port": 70000}}, "invalid-request"),
        ({"target": {**URL, "ca": "-----BEGIN CERTIFICATE-----"}}, "invalid-request"),
        ({"target": {"kind": "opcua"}}, "invalid-request"),
        ({"target": {"kind": "modbus", "units": {}}}, "invalid-request"),
        ({"target": {"kind": "modbus", "units": {"caps": 1}}, "password": "x"}, "illegal-value"),
        ({"kinds": []}, "invalid-request"),
        ({"kinds": ["sneezed"]}, "invalid-request"),
        ({"password": "x"}, "illegal-value"),
    ],
)
def test_what_cannot_be_a_sink_is_refused_by_name(
    client: TestClient, change: dict[str, Any], slug: str
) -> None:
    problem(client.post("/v1/sinks", json={"id": "mes", "target": URL, **change}), 422, slug)


def test_changes_keep_what_they_leave_out_and_a_password_is_never_answered(client: TestClient) -> None:
    target = {"kind": "mqtt", "host": "broker.example", "username": "line"}
    body = {
        "id": "plant",
        "target": target,
        "password": "very secret",
        "decisions": ["reject"],
        "enabled": False,
    }
    made = client.post("/v1/sinks", json=body).json()
    assert (made["secret"], made["target"]["topic"]) == (None, "nominal/{bank}/{kind}")
    changed = client.patch("/v1/sinks/plant", json={"banks": ["caps"]}).json()
    assert (changed["banks"], changed["decisions"], changed["enabled"]) == (["caps"], ["reject"], False)
    assert client.patch("/v1/sinks/plant", json={"decisions": None}).json()["decisions"] is None
    store = service_of(client).store
    assert [each.text for each in store.sinks.secrets("plant")] == ["very secret"]
    client.patch("/v1/sinks/plant", json={"password": None})
    assert store.sinks.secrets("plant") == []
    assert "very secret" not in client.get("/v1/sinks").text + client.get("/v1/audit").text
    problem(client.patch("/v1/sinks/plant", json={"target": URL}), 422, "illegal-value")
    problem(client.post("/v1/sinks/plant/rotate"), 422, "illegal-value")
    problem(client.post("/v1/sinks", json=body), 409, "already-exists")
    problem(client.get("/v1/sinks/none"), 404, "not-found")
    problem(client.post("/v1/sinks/plant/resend", json={"ids": ["x"]}), 404, "not-found")
