"""Sinks of events: made, tried and changed; their events listed, dead ones resent."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.errors import SinkFailed, SinkKindUnavailable
from app.events import managing
from app.http import requests
from app.http.auth import ServerAdmin
from app.http.routes import Cursor, Limit, Running, refuses
from app.lifecycle import Service
from app.store.errors import AlreadyExists, IllegalId, IllegalValue, NotFound
from app.store.outbox import Depth
from app.store.schema import Outgoing
from app.store.schema import Sink as Row
from app.store.sinks import machine_of
from nominal_client.answers import Page
from nominal_client.answers import sinks as schema

router = APIRouter(prefix="/v1/sinks", tags=["sinks"])
SinkPath = Annotated[str, Path(description="A sink's id.")]


@router.get("", responses=refuses())
def list_sinks(service: Running, actor: ServerAdmin) -> schema.SinkList:
    """All sinks, by id, each with how much waits for it and why the last delivery failed."""
    depths = service.store.outbox.depths()
    rows = service.store.sinks.all()
    return schema.SinkList(items=[shown(row, depths.get(row.id, Depth())) for row in rows])


@router.post("", status_code=201, responses=refuses(AlreadyExists, IllegalId, IllegalValue))
def create_sink(service: Running, actor: ServerAdmin, body: requests.SinkRequest) -> schema.NewSink:
    """A new way out. A webhook's secret is given this once. Events from now on are sent."""
    said = body.model_dump(include={"password", "enabled", *requests.FILTERS})
    row, secret = managing.create(service.relay, body.id, body.target, actor=actor.id, **said)
    return schema.NewSink(**shown(row, Depth()).model_dump(), secret=secret)


@router.get("/{sink}", responses=refuses(NotFound))
def get_sink(service: Running, actor: ServerAdmin, sink: SinkPath) -> schema.Sink:
    """One sink."""
    return _now(service, service.store.sinks.get(sink))


@router.patch("/{sink}", responses=refuses(NotFound, IllegalValue))
def update_sink(
    service: Running, actor: ServerAdmin, sink: SinkPath, body: requests.SinkChange
) -> schema.Sink:
    """Change its target, filters or password, or switch it off or on. Off, it gets no new events and sends none."""
    given = body.model_dump(exclude_unset=True, exclude={"target"})
    return _now(service, managing.change(service.relay, sink, given, actor=actor.id, target=body.target))


@router.delete("/{sink}", status_code=204, responses=refuses(NotFound))
def delete_sink(service: Running, actor: ServerAdmin, sink: SinkPath) -> None:
    """Delete it with all its events, those that wait too."""
    managing.delete(service.relay, sink, actor=actor.id)
    service.observed.metrics.forget_sink(sink)


@router.post("/{sink}/sample", responses=refuses(NotFound, SinkFailed, SinkKindUnavailable))
async def send_sample(service: Running, actor: ServerAdmin, sink: SinkPath) -> schema.Sampled:
    """Send an event that says it is a sample, now; the answer comes once it was acknowledged, or says why not."""
    row = await service.pools.background(lambda: service.store.sinks.get(sink))
    seconds = await service.relay.sample(row)
    await service.pools.background(lambda: service.store.audit.note(actor.id, "sink.sample", f"sink:{sink}"))
    return schema.Sampled(milliseconds=round(seconds * 1e3, 3))


@router.post("/{sink}/rotate", responses=refuses(NotFound, IllegalValue))
def rotate_sink_secret(
    service: Running, actor: ServerAdmin, sink: SinkPath, body: requests.SecretRotation | None = None
) -> schema.NewSink:
    """A new secret, given this once. Events are signed by both until the overlap ends."""
    asked = body or requests.SecretRotation.model_validate({})
    row, secret = managing.rotate(service.relay, sink, asked.overlap_seconds, actor=actor.id)
    return schema.NewSink(**_now(service, row).model_dump(), secret=secret)


@router.get("/{sink}/events", responses=refuses(NotFound, IllegalValue))
def list_sink_events(
    service: Running,
    actor: ServerAdmin,
    sink: SinkPath,
    state: Annotated[schema.EventState | None, Query(description="Only those in this state.")] = None,
    limit: Limit = 100,
    before: Cursor = None,
) -> Page[schema.SinkEvent]:
    """A sink's events, newest first, with their envelopes; delivered ones for as long as they are kept."""
    page = service.store.outbox.page(sink, state, before=before, limit=limit)
    return Page(items=[_event(row) for row in page.items], next=page.next)


@router.post("/{sink}/resend", responses=refuses(NotFound))
def resend_sink_events(
    service: Running, actor: ServerAdmin, sink: SinkPath, body: requests.Resending | None = None
) -> schema.Resent:
    """Have dead events wait again: those of these ids, or all."""
    ids = None if body is None else body.ids
    return schema.Resent(events=service.store.outbox.resend(sink, ids, actor=actor.id))


def shown(row: Row, depth: Depth) -> schema.Sink:
    """A sink as it is answered."""
    events = schema.EventCounts(
        waiting=depth.waiting, oldest=depth.oldest, dead=depth.dead, delivered=row.delivered
    )
    names = set(schema.Sink.model_fields) - {"events", "server"}
    return schema.Sink(**{name: getattr(row, name) for name in names}, events=events, server=machine_of(row))


def _now(service: Service, row: Row) -> schema.Sink:
    return shown(row, service.store.outbox.depths().get(row.id, Depth()))


def _event(row: Outgoing) -> schema.SinkEvent:
    return schema.SinkEvent.model_validate(row)
