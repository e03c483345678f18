"""The kinds of sinks by name: what each is reached by, what its secret is, and how one is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from app.events import Sink, Target
from app.events.mqtt import MqttTarget, mqtt
from app.events.webhook import Webhook, WebhookTarget, new_secret
from app.settings import Settings
from app.store.schema import Sink as Row
from app.store.schema import SinkSecret

AnyTarget = Annotated[WebhookTarget | MqttTarget, Field(discriminator="kind")]


class Kind(NamedTuple):
    """new_secret makes a secret here; None where the other side has one, a password."""

    target: type[Target]
    make: Callable[[Any, Sequence[SinkSecret], str, Settings, bool], Sink]
    new_secret: Callable[[], str] | None = None


def _webhook(
    target: Any, secrets: Sequence[SinkSecret], _name: str, settings: Settings, _sample: bool
) -> Sink:
    return Webhook(target, secrets, settings)


KINDS: dict[str, Kind] = {
    "webhook": Kind(WebhookTarget, _webhook, new_secret),
    "mqtt": Kind(MqttTarget, mqtt),
}


def made(row: Row, secrets: Sequence[SinkSecret], settings: Settings, *, sample: bool = False) -> Sink:
    """The sink of a row, not yet open. sample: only to try it, beside the one that the relay has."""
    kind = KINDS[row.kind]
    return kind.make(kind.target.model_validate(row.target), secrets, row.id, settings, sample)
