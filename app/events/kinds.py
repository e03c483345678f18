"""The kinds of sinks by name: what each is reached by, what its secret is, and how one is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from app.events import Host, Sink, Target
from app.events.modbus import ModbusTarget, modbus
from app.events.mqtt import MqttTarget, mqtt
from app.events.opcua import OpcUaTarget, opcua
from app.events.webhook import Webhook, WebhookTarget, new_secret
from app.store.schema import Sink as Row
from app.store.schema import SinkSecret

AnyTarget = Annotated[WebhookTarget | MqttTarget | OpcUaTarget | ModbusTarget, Field(discriminator="kind")]


class Kind(NamedTuple):
    """new_secret makes a secret here; None where the other side has one, a password.

    password: whether it may have one. listens: it is a server that others connect to, so that there is one of each
    sink and a sample goes through it.
    """

    target: type[Target]
    make: Callable[[Any, Sequence[SinkSecret], str, Host, bool], Sink]
    new_secret: Callable[[], str] | None = None
    password: bool = True
    listens: bool = False


def _webhook(target: Any, secrets: Sequence[SinkSecret], _name: str, host: Host, _sample: bool) -> Sink:
    return Webhook(target, secrets, host.settings)


KINDS: dict[str, Kind] = {
    "webhook": Kind(WebhookTarget, _webhook, new_secret, password=False),
    "mqtt": Kind(MqttTarget, mqtt),
    "opcua": Kind(OpcUaTarget, opcua, listens=True),
    "modbus": Kind(ModbusTarget, modbus, password=False, listens=True),
}


def made(row: Row, secrets: Sequence[SinkSecret], host: Host, *, sample: bool = False) -> Sink:
    """The sink of a row, not yet open. sample: only to try it, beside the one that the relay has."""
    kind = KINDS[row.kind]
    return kind.make(kind.target.model_validate(row.target), secrets, row.id, host, sample)
