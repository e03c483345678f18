"""The console's plain routes of inspections: an image in, pictures and exports out. All lie behind Entrance."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from app.console.entrance import RECENT
from app.console.filters import Wanted
from app.console.recent import RecentImages
from app.console.routes import FRESH, KEPT, Running, Side, admitted
from app.http.middleware import unless_disconnected
from app.imaging.decode import decode_image, thumbnail
from app.imaging.names import shown_name
from app.insight import places
from app.inspection import inspections
from app.inspection.gate import Pass
from app.inspection.inspect import Asked, inspect
from app.lifecycle.service import Service
from app.store.schema import Inspection

router = APIRouter(include_in_schema=False)
PHOTO_SIDE = 1600


@router.post("/banks/{bank}/inspect")
async def inspect_image(
    request: Request,
    service: Running,
    bank: str,
    name: Annotated[str, Query(max_length=1000)] = "",
    serial: Annotated[str, Query(max_length=128)] = "",
) -> Response:
    """Inspect one image as the API does; the answer is the inspection's id."""
    actor = await admitted(request, "inspect")
    asked = Asked(
        deadline=time.monotonic() + service.settings.request_timeout_seconds,
        actor=actor.id,
        serial=serial.strip() or None,
        name=shown_name(name, "image") if name else None,
    )
    service.life.refuse_unready()
    with service.inspecting.gate.enter() as share:
        body = await _body(request, service, share)
        row = (await unless_disconnected(request, inspect(service.inspecting, bank, body, asked))).row
    if row.image_sha256 is None:
        recent_of(request).add(row.id, body)
    return JSONResponse({"id": row.id}, headers=FRESH)


@router.get("/media/inspections/{id}/photo")
async def photo(request: Request, service: Running, id: str, side: Side = PHOTO_SIDE) -> Response:
    """Its image as every browser shows it: a JPEG, no larger than a screen."""
    _, body = await _row_and_image(request, service, id)
    drawn = await service.pools.decoder(
        lambda: thumbnail(decode_image(body, service.inspecting.image_limits), side)
    )
    return Response(drawn, media_type="image/jpeg", headers=KEPT)


@router.get("/media/inspections/{id}/layer")
async def layer(request: Request, service: Running, id: str) -> Response:
    """Its map to lay over the photo."""
    drawn, _ = await inspections.drawn(
        service.inspecting, *await _row_and_image(request, service, id), "layer"
    )
    return Response(drawn.data, media_type=drawn.media_type, headers=KEPT)


@router.get("/media/inspections/{id}/map")
async def map_(request: Request, service: Running, id: str) -> Response:
    """Its map alone."""
    drawn, _ = await inspections.drawn(service.inspecting, *await _row_and_image(request, service, id), "png")
    return Response(drawn.data, media_type=drawn.media_type, headers=KEPT)


@router.get("/media/inspections/{id}/worst")
async def worst(request: Request, service: Running, id: str) -> Response:
    """Its place least like a good part."""
    drawn = await places.worst(service.inspecting, *await _row_and_image(request, service, id))
    return Response(drawn, media_type="image/jpeg", headers=KEPT)


@router.get("/media/inspections/{id}/nearest")
async def nearest(service: Running, id: str) -> Response:
    """The place of a good part that comes nearest to it."""
    row = await service.pools.background(lambda: service.store.inspections.get(id))
    return Response(await places.nominal(service.inspecting, row), media_type="image/jpeg", headers=KEPT)


@router.get("/export/inspections")
def export(request: Request, service: Running, format: inspections.Format = "csv") -> StreamingResponse:
    """Every inspection of a filter as CSV or JSON Lines, as the API exports it."""
    media_type = "text/csv; charset=utf-8" if format == "csv" else "application/jsonl"
    disposition = f'attachment; filename="inspections.{format}"'
    headers = {"Content-Disposition": disposition, "Content-Encoding": "identity", **FRESH}
    which = Wanted.of(request.query_params).filter()
    return StreamingResponse(
        inspections.export(service.inspecting, which, format), media_type=media_type, headers=headers
    )


def recent_of(request: Request) -> RecentImages:
    """The images that are held for a while."""
    recent: RecentImages = request.scope[RECENT]
    return recent


async def _row_and_image(request: Request, service: Service, id: str) -> tuple[Inspection, bytes]:
    """Raises NotFound, PictureUnavailable."""
    row = await service.pools.background(lambda: service.store.inspections.get(id))
    held = recent_of(request).get(id)
    if held is None:
        held = await service.pools.background(lambda: inspections.read_image(service.inspecting, row))
    return row, held


async def _body(request: Request, service: Service, share: Pass) -> bytes:
    """Raises ImageTooLarge, QueueFull."""
    body = bytearray()
    async for chunk in request.stream():
        service.inspecting.image_limits.check_bytes(len(body) + len(chunk) or 1)
        share.grow(len(chunk))
        body += chunk
    return bytes(body)
