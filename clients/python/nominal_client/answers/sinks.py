"""Answers about sinks and their events."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from nominal_client.answers import Answer, JsonObject

EventState = Literal["waiting", "delivered", "dead"]
EventKind = Literal["decided", "reviewed", "activated", "unhealthy", "thresholds", "drift"]


def _read(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


class EventCounts(Answer):
    """How many events wait, since when the oldest does, how many were given up, how many were ever delivered."""

    waiting: int
    oldest: datetime | None
    dead: int
    delivered: int


class Sink(Answer):
    """Where events go, and which; a filter that is null lets all by. Its secret is never among this."""

    id: str
    kind: str
    target: JsonObject
    server: str | None = Field(description="Machine of the server that has it, where its clients connect to.")
    enabled: bool
    kinds: list[str] | None
    banks: list[str] | None
    decisions: list[str] | None
    stations: list[str] | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    events: EventCounts
    delivered_at: datetime | None = Field(description="When the last event was delivered.")
    error: str | None = Field(description="Why the last delivery failed; null since one succeeded.")
    error_at: datetime | None


class NewSink(Sink):
    """A sink with the secret made for it, which is given this once; null where the other side has it, a password."""

    secret: str | None


class SinkList(Answer):
    """All sinks, by id."""

    items: list[Sink]


class Sampled(Answer):
    """A sample was acknowledged."""

    milliseconds: float


class SinkEvent(Answer):
    """An event on its way to a sink. ``body`` is the CloudEvents envelope; ``error`` why it was last refused."""

    id: str
    bank: str
    kind: str
    state: EventState
    tries: int
    error: str | None
    queued_at: datetime
    settled_at: datetime | None = Field(description="When it was delivered or given up.")
    body: Annotated[JsonObject, BeforeValidator(_read)]


class Resent(Answer):
    """How many dead events wait again."""

    events: int
