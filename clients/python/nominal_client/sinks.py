"""Calls about sinks: where events go, how they fare there, dead ones resent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from nominal_client.answers.sinks import (
    EventKind,
    EventState,
    NewSink,
    Resent,
    Sampled,
    Sink,
    SinkEvent,
    SinkList,
)
from nominal_client.call import Call, Pages, at, get, nothing, pages_of, parsed, post
from nominal_client.streams import as_json


class Filters(TypedDict, total=False):
    """Which events a sink gets; None lets all by. ``password`` is a broker's; ``enabled`` whether it takes events."""

    kinds: list[EventKind] | None
    banks: list[str] | None
    decisions: list[str] | None
    stations: list[str] | None
    password: str | None
    enabled: bool


def list_sinks() -> Call[list[Sink]]:
    """All sinks, by id, with how much waits for each."""
    whole = parsed(SinkList)
    return Call("GET", "/v1/sinks", lambda response: whole(response).items)


def get_sink(sink: str) -> Call[Sink]:
    """One sink."""
    return get(Sink, "/v1/sinks/{}", sink)


def create_sink(id: str, target: Mapping[str, Any], **given: Unpack[Filters]) -> Call[NewSink]:
    """A new sink. ``target`` is ``{"kind": "webhook", "url": ...}`` or ``{"kind": "mqtt", "host": ...}``.

    Controllers connect to ``{"kind": "opcua", "address": ..., "username": ...}`` and to ``{"kind": "modbus", "address":
    ..., "units": {"caps": 1}}``; the address is of the server that has the sink.

    A webhook's secret is in the answer, this once.
    """
    return post(NewSink, "/v1/sinks", body=as_json({"id": id, "target": dict(target), **given}))


def update_sink(sink: str, target: Mapping[str, Any] | None = None, **given: Unpack[Filters]) -> Call[Sink]:
    """Change its target, filters or password, or switch it off or on; what is left out stays."""
    change = {**given, **({} if target is None else {"target": dict(target)})}
    return Call("PATCH", at("/v1/sinks/{}", sink), parsed(Sink), body=as_json(change))


def delete_sink(sink: str) -> Call[None]:
    """Delete it with all its events, those that wait too."""
    return Call("DELETE", at("/v1/sinks/{}", sink), nothing)


def send_sample(sink: str) -> Call[Sampled]:
    """Send a sample now; the answer comes once it was acknowledged. Raises ProblemError, which says why not."""
    return post(Sampled, "/v1/sinks/{}/sample", sink)


def rotate_sink_secret(sink: str, overlap_seconds: float = 86_400.0) -> Call[NewSink]:
    """A new secret for a webhook, given this once; events are signed by both until the overlap ends."""
    return post(NewSink, "/v1/sinks/{}/rotate", sink, body=as_json({"overlap_seconds": overlap_seconds}))


def list_sink_events(sink: str, state: EventState | None = None) -> Pages[SinkEvent]:
    """A sink's events, newest first."""
    return pages_of(SinkEvent, at("/v1/sinks/{}/events", sink), "before", {"state": state})


def resend_sink_events(sink: str, ids: Sequence[str] | None = None) -> Call[Resent]:
    """Have dead events wait again: those of these ids, or all."""
    return post(Resent, "/v1/sinks/{}/resend", sink, body=as_json({"ids": None if ids is None else [*ids]}))
