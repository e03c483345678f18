"""MQTT 3.1.1 and 5: one message of QoS 1 an event, the broker's PUBACK its acknowledgement (OASIS MQTT 5.0, 4.3.2).

Topics follow a template. The will says ``offline`` on the status topic where the connection ends without goodbye;
``online`` is there while it lasts. paho-mqtt, of the extra ``mqtt``, speaks the protocol on a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from app.errors import EventRefused, SinkKindUnavailable, SinkUnreachable
from app.events import Event, Host, Target
from app.events.certificates import Certificate, trusting
from app.store.schema import SinkSecret

if TYPE_CHECKING:
    from paho.mqtt.client import Client

CONNECT_SECONDS = 5.0
ACKNOWLEDGE_SECONDS = 10.0
KEEPALIVE = 30  # seconds after which a silent connection is asked
QOS = 1
FIELDS = ("bank", "kind")
ONLINE, OFFLINE = "online", "offline"


class MqttTarget(Target):
    """A broker, and the topics of events."""

    kind: Literal["mqtt"]
    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: int | None = Field(None, ge=1, le=65535, description="8883 with TLS, else 1883, when null.")
    tls: bool = Field(
        False, description="Whether the connection is encrypted and the broker must prove its name."
    )
    ca: Certificate | None = Field(None, description="Whom to trust with TLS, PEM; the system's when null.")
    username: str | None = Field(None, max_length=255, description="The password is a secret of the sink.")
    version: Literal["3.1.1", "5"] = Field("5", description="Of MQTT.")
    topic: Annotated[str, Field(max_length=500, description="May hold {bank} and {kind}.")] = (
        "nominal/{bank}/{kind}"
    )
    status_topic: Annotated[str, Field(max_length=500)] | None = Field(
        "nominal/status", description="Says online or offline, retained; none when null."
    )

    @field_validator("topic", "status_topic")
    @classmethod
    def _is_a_topic(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        fields = FIELDS if info.field_name == "topic" else ()
        try:
            names = {name for _, name, *_ in string.Formatter().parse(value) if name is not None}
        except ValueError:
            names = {"?"}
        if not value or not value.isprintable() or set("+#") & set(value) or names - {*fields}:
            raise ValueError("must be a topic without + and #; only topic may hold {bank} and {kind}")
        return value


class Mqtt:
    """A broker."""

    def __init__(
        self, target: MqttTarget, passwords: Sequence[SinkSecret], name: str, status: bool = True
    ) -> None:
        """name: the client's, at the broker. status: whether the status topic is kept; a sample does not touch it."""
        self._target, self._name = target, name
        self._password = passwords[0].text if passwords else None
        self._status = target.status_topic if status else None
        self._client: Client | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.lost: str | None = None

    async def open(self) -> None:
        """Connects and signs in. Raises SinkUnreachable, SinkKindUnavailable."""
        self._loop, self.lost = asyncio.get_running_loop(), None
        self._welcome: asyncio.Future[Any] = self._loop.create_future()
        self._client = await asyncio.to_thread(self._prepared)
        try:
            async with asyncio.timeout(2 * CONNECT_SECONDS):
                await asyncio.to_thread(self._connect, self._client)
                said = await self._welcome
        except (OSError, TimeoutError, ValueError) as error:
            raise self._down(f"{type(error).__name__}: {error or 'no answer in time'}"[:300]) from error
        if said is not None:
            raise self._down(f"a connection that was refused: {said}")
        if self._status is not None:
            self._client.publish(self._status, ONLINE, QOS, retain=True)

    async def send(self, event: Event) -> None:
        """Raises SinkUnreachable, EventRefused."""
        if self._client is None or self.lost is not None:
            raise self._down(self.lost or "no connection")
        topic = self._target.topic.format(bank=event.bank, kind=event.kind)
        sent = self._client.publish(topic, event.body.encode(), QOS, properties=self._properties())
        if sent.rc != 0:
            raise self._down(f"no connection ({sent.rc!s})")
        answer = self._waiting[sent.mid] = self._loop.create_future()
        try:
            async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
                refusal = await answer
        except TimeoutError as error:
            raise self._down(f"no acknowledgement within {ACKNOWLEDGE_SECONDS:g} s") from error
        finally:
            self._waiting.pop(sent.mid, None)
        if refusal is not None:
            raise EventRefused(
                requirement=f"the broker {self._target.host} must take messages on the topic {topic}",
                received=str(refusal),
                remedy="Give this client the right to publish there.",
            )

    async def close(self) -> None:
        """Says goodbye where there is a connection."""
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(self._leave, client)

    # On other threads

    def _prepared(self) -> Client:
        try:
            from paho.mqtt import client as paho  # here: it is an extra
            from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
        except ImportError as error:
            raise SinkKindUnavailable(
                requirement="an MQTT sink needs the package paho-mqtt",
                received="an installation without it",
                remedy="Install it: pip install 'nominal-inspection[mqtt]', and start the server again.",
            ) from error
        target = self._target
        version = MQTTProtocolVersion.MQTTv5 if target.version == "5" else MQTTProtocolVersion.MQTTv311
        client = paho.Client(
            CallbackAPIVersion.VERSION2, self._name, protocol=version, reconnect_on_failure=False
        )
        client.connect_timeout = CONNECT_SECONDS
        if target.username is not None:
            client.username_pw_set(target.username, self._password)
        if target.tls:
            client.tls_set_context(trusting(target.ca))
        if self._status is not None:
            client.will_set(self._status, OFFLINE, QOS, retain=True)
        client.on_connect = lambda _c, _u, _f, code, _p: self._hear(self._heard_welcome, code)
        client.on_publish = lambda _c, _u, mid, code, _p: self._hear(self._heard_answer, mid, code)
        client.on_disconnect = lambda _c, _u, _f, code, _p: self._hear(self._heard_end, code)
        client.on_socket_open = _at_once
        return client

    def _connect(self, client: Client) -> None:
        target = self._target
        client.connect(target.host, target.port or (8883 if target.tls else 1883), KEEPALIVE)
        client.loop_start()

    def _leave(self, client: Client) -> None:
        with contextlib.suppress(Exception):  # whatever was wrong with it, it is over
            if self.lost is None and self._status is not None and client.is_connected():
                client.publish(self._status, OFFLINE, QOS, retain=True).wait_for_publish(1.0)
            client.disconnect()
            client.loop_stop()

    def _hear(self, heard: Any, *said: Any) -> None:
        """From paho's thread to the loop, which may have ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(heard, *said)

    # On the loop

    def _heard_welcome(self, code: Any) -> None:
        if not self._welcome.done():
            self._welcome.set_result(code if code.is_failure else None)

    def _heard_answer(self, mid: int, code: Any) -> None:
        if (answer := self._waiting.get(mid)) is not None and not answer.done():
            answer.set_result(code if code.is_failure else None)

    def _heard_end(self, code: Any) -> None:
        """What was on its way may be why: it counts as a try."""
        self.lost = f"a connection that ended: {code}"
        if not self._welcome.done():
            self._welcome.set_result(code)
        for answer in self._waiting.values():
            if not answer.done():
                error = self._down(self.lost)
                error.counts = True
                answer.set_exception(error)

    def _properties(self) -> Any:
        if self._target.version != "5":
            return None
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = "application/cloudevents+json"
        return properties

    def _down(self, received: str) -> SinkUnreachable:
        return SinkUnreachable(
            requirement=f"the broker {self._target.host} must take messages",
            received=received,
            remedy="Check that it runs, its certificate and the password; the event is sent again.",
        )


def _at_once(_client: Any, _userdata: Any, connection: Any) -> None:
    """Small messages go out without waiting for more to join them."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def mqtt(target: MqttTarget, secrets: Sequence[SinkSecret], name: str, _host: Host, sample: bool) -> Mqtt:
    """As ``kinds.py`` makes it: a sample is another client, or the broker would end the relay's connection."""
    return Mqtt(target, secrets, f"nominal-{name}{'-sample' if sample else ''}", status=not sample)
