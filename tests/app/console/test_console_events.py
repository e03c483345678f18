"""The page of events: sinks with what waits and fails, dead events with why; for administrators only."""

from __future__ import annotations

import json
import socket

from service_kit import service_of, wait_until
from starlette.testclient import TestClient
from test_console_access import new_key, sign_in
from test_console_inspections import shown

from app.events import managing
from app.store.envelopes import drift
from app.store.outbox import Refused, emit


def test_the_page_shows_sinks_their_faults_and_dead_events_to_administrators(console: TestClient) -> None:
    assert "No sink yet" in shown(console, "/events")
    service = service_of(console)
    said = managing.target_of({"kind": "webhook", "url": "https://mes.example/secret-path"})
    _, secret = managing.create(service.relay, "mes", said, actor="test", kinds=["drift"], enabled=False)
    store = service.store
    store.sinks.update("mes", {"enabled": True}, actor="test")
    with store.database.write() as session:
        emit(session, lambda: drift("caps", None, "d1", store.clock.now(), {"cause": "focus"}))
    plc = managing.target_of({"kind": "modbus", "address": "192.0.2.1", "units": {"caps": 1}})
    managing.create(service.relay, "plc", plc, actor="test")
    wait_until(lambda: store.sinks.get("plc").error is not None)
    token = store.sinks.claim(store.sinks.get("mes"), "test")
    assert token is not None
    [event] = store.outbox.window("mes", 10)
    store.outbox.settle("mes", token, refused=[Refused(event.seq, "status 422", True)])
    page = shown(console, "/events")
    for words in (
        "Webhook mes.example",
        "Drift",
        "Fails",
        "status 422",
        "Resend all of mes",
        "Send a sample",
        f"Modbus TCP server 192.0.2.1:502 on {socket.gethostname()}",
        "must be free for this sink",
    ):
        assert words in page, words
    assert secret is not None
    assert secret not in page
    assert "secret-path" not in page
    assert json.loads(event.body)["data"]["cause"] == "focus"
    new_key(console)
    reader, _ = new_key(console, "read")
    sign_in(console, reader)
    page = shown(console, "/events")
    assert "Only administrators" in page
    assert "mes.example" not in page
