"""MQTT against Debian's mosquitto: both versions, TLS, the will, and every way a broker may fail, by name."""

from __future__ import annotations

import asyncio
import gc
import queue
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from paho.mqtt.client import MQTTMessage
from pydantic import ValidationError

from app.errors import AppError, EventRefused, SinkUnreachable
from app.events import Event, mqtt
from app.events.mqtt import Mqtt, MqttTarget
from app.store.schema import SinkSecret
from bench.broker import Broker, Subscriber, find_mosquitto

pytestmark = pytest.mark.skipif(find_mosquitto() is None, reason="no mosquitto here; Debian's package has it")
EVENT = Event("1.decided", "decided", "caps", '{"id":"1.decided"}')
Heard = queue.SimpleQueue[MQTTMessage]


def sink(port: int, password: str | None = None, name: str = "mes", **given: Any) -> Mqtt:
    target = MqttTarget.model_validate({"kind": "mqtt", "host": "localhost", "port": port, **given})
    return Mqtt(target, [] if password is None else [SinkSecret(id="1", sink=name, text=password)], name)


def using(made: Mqtt, work: Callable[[], Awaitable[object]]) -> None:
    """Opens it, does that, closes it."""

    async def used() -> None:
        try:
            await made.open()
            await work()
        finally:
            await made.close()

    asyncio.run(used())


def sent(made: Mqtt, event: Event = EVENT) -> None:
    using(made, lambda: made.send(event))


def refused(kind: type[AppError], said: str, made: Mqtt) -> None:
    with pytest.raises(kind) as error:
        sent(made)
    assert said in str(error.value), error.value


@pytest.fixture
def heard(broker: Broker) -> Iterator[Heard]:
    """What the broker gives everybody."""
    messages: Heard = queue.SimpleQueue()
    with Subscriber(broker.port, "#", lambda message: None if message.retain else messages.put(message)):
        yield messages


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_an_event_is_acknowledged_and_its_topic_follows_the_template(
    broker: Broker, heard: Heard, version: str
) -> None:
    sent(sink(broker.port, version=version, topic="plant/{kind}/{bank}", status_topic="plant/here"))
    said = [(m.topic, m.payload, m.qos) for m in (heard.get(timeout=5) for _ in range(3))]
    assert ("plant/decided/caps", EVENT.body.encode(), 1) in said
    assert [payload for topic, payload, _ in said if topic == "plant/here"] == [b"online", b"offline"]


def test_the_will_says_offline_where_the_process_dies(broker: Broker, heard: Heard) -> None:
    code = f"""
import asyncio, os
from app.events import Event
from app.events.mqtt import Mqtt, MqttTarget
made = Mqtt(MqttTarget(kind="mqtt", host="127.0.0.1", port={broker.port}, status_topic="will"), [], "dying")
async def die():
    await made.open()
    await made.send({EVENT!r})
    os.kill(os.getpid(), 9)
asyncio.run(die())
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == -9
    said = [(m.topic, m.payload) for m in (heard.get(timeout=5) for _ in range(3))]
    assert [payload for topic, payload in said if topic == "will"] == [b"online", b"offline"]


def test_who_has_not_the_password_or_may_not_publish_is_told_so(tmp_path: Path) -> None:
    program = find_mosquitto()
    assert program is not None
    passwords, rights = tmp_path / "passwords", tmp_path / "rights"
    passwords.write_text("line:secret\n")
    subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
    rights.write_text("user line\ntopic write allowed/#\ntopic write nominal/status\n")
    lines = "allow_anonymous false", f"password_file {passwords}", f"acl_file {rights}"
    with Broker(tmp_path / "broker", *lines) as broker:
        given = {"username": "line", "topic": "allowed/{bank}"}
        sent(sink(broker.port, "secret", **given))
        refused(SinkUnreachable, "Not authorized", sink(broker.port, "other", **given))
        refused(SinkUnreachable, "Not authorized", sink(broker.port))
        refused(EventRefused, "Not authorized", sink(broker.port, "secret", username="line"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_over_tls_the_broker_must_prove_its_name_to_an_authority_that_is_trusted(tmp_path: Path) -> None:
    own, other = Authority("own"), Authority("other")
    certificate, key = own.issued("localhost", tmp_path)
    lines = f"certfile {certificate}", f"keyfile {key}", "allow_anonymous true"
    with Broker(tmp_path / "broker", *lines) as broker:
        sent(sink(broker.port, tls=True, ca=own.pem))
        refused(SinkUnreachable, "CERTIFICATE_VERIFY_FAILED", sink(broker.port, tls=True, ca=other.pem))
        refused(SinkUnreachable, "received", sink(broker.port))
    gc.collect()  # paho-mqtt leaves the socket of a failed handshake to the collector


def test_a_broker_that_is_gone_slow_or_unknown_is_said_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        refused(SinkUnreachable, "Timeout", sink(silent.getsockname()[1], host="127.0.0.1"))
        port = silent.getsockname()[1]
    refused(SinkUnreachable, "ConnectionRefusedError", sink(port, host="127.0.0.1"))
    refused(SinkUnreachable, "gaierror", sink(1, host="no.invalid"))


def test_a_connection_that_ends_is_seen_before_the_next_message(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker", "allow_anonymous true") as broker:
        made = sink(broker.port, status_topic=None)

        async def killed() -> None:
            await made.send(EVENT)
            broker.kill()
            while made.lost is None:
                await asyncio.sleep(0.01)
            assert "a connection that ended" in made.lost
            with pytest.raises(SinkUnreachable) as error:
                await made.send(EVENT)
            assert not error.value.counts

        using(made, killed)


@pytest.mark.parametrize("topic", ["a/+/b", "a/#", "{serial}", "{", "{0}", "", "a\n"])
def test_what_is_no_topic_is_refused(topic: str) -> None:
    with pytest.raises(ValidationError, match="must be a topic"):
        MqttTarget.model_validate({"kind": "mqtt", "host": "x", "topic": topic})
