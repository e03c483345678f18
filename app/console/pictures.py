"""An inspection's pictures as only the console shows them; images that are not kept are held for a while."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Annotated, Literal

from cachetools import FIFOCache
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.imaging.decode import decode_image
from app.imaging.pictures import thumbnail
from app.insight import places
from app.inspection import inspections
from app.learning import banks
from app.lifecycle import Service
from app.store.schema import Inspection

RECENT = "nominal.recent"  # in a scope
BYTES = 128 << 20
KEPT = {"Cache-Control": "private, max-age=31536000, immutable"}  # a picture never changes under its address
JPEG = "image/jpeg"

router = APIRouter(include_in_schema=False)


class RecentImages:
    """Images inspected in the console that are not kept, by inspection: bounded, lost with the process. Thread-safe."""

    def __init__(self, most_bytes: int = BYTES) -> None:
        self._images: FIFOCache[str, bytes] = FIFOCache(most_bytes, getsizeof=len)
        self._lock = threading.Lock()

    def hold(self, row: Inspection, image: bytes) -> None:
        """Hold the image of an inspection that keeps none."""
        if row.image_sha256 is None:
            self.add(row.id, image)

    def add(self, inspection: str, image: bytes) -> None:
        """Hold one; the oldest leave when there is no room, and one that is larger than all of it is not held."""
        with self._lock, suppress(ValueError):
            self._images[inspection] = image

    def get(self, inspection: str) -> bytes | None:
        """None for one that was never held, or no longer is."""
        with self._lock:
            return self._images.get(inspection)


@router.get("/media/inspections/{id}/nearest")
async def nearest(request: Request, id: str) -> Response:
    """The most similar place of a good part."""
    service: Service = request.app.state.service
    row = await service.pools.background(lambda: service.store.inspections.get(id))
    return Response(await places.nominal(service.inspecting, row), media_type=JPEG, headers=KEPT)


@router.get("/media/inspections/{id}/{kind}")
async def picture(
    request: Request,
    id: str,
    kind: Literal["photo", "layer", "map", "worst"],
    side: Annotated[int, Query(ge=16, le=1600)] = 1600,
) -> Response:
    """The image as a JPEG of at most ``side`` pixels each way; the map, over it or by itself; its worst place."""
    service: Service = request.app.state.service
    row, image = await _row_and_image(request, service, id)
    inspecting = service.inspecting
    if kind == "photo":
        bits = await service.pools.background(lambda: banks.significant_bits(service.learning, row.bank))
        small = await service.pools.decoder(
            lambda: thumbnail(decode_image(image, inspecting.image_limits, bits), side)
        )
        return Response(small, media_type=JPEG, headers=KEPT)
    if kind == "worst":
        return Response(await places.worst(inspecting, row, image), media_type=JPEG, headers=KEPT)
    drawn, _ = await inspections.drawn(inspecting, row, image, "layer" if kind == "layer" else "png")
    return Response(drawn.data, media_type=drawn.media_type, headers=KEPT)


async def _row_and_image(request: Request, service: Service, id: str) -> tuple[Inspection, bytes]:
    """Raises NotFound, PictureUnavailable."""
    recent: RecentImages = request.scope[RECENT]
    row = await service.pools.background(lambda: service.store.inspections.get(id))
    held = recent.get(id)
    if held is None:
        held = await service.pools.background(lambda: inspections.read_image(service.inspecting, row))
    return row, held
