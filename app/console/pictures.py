"""Pictures as only the console shows them, of inspections and sets of images; images not kept are held for a while."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from typing import Annotated, Literal

from cachetools import FIFOCache
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from app.imaging.pictures import Kind, Picture, sparse, thumbnail
from app.insight import checks as figures
from app.insight import held_out, places
from app.inspection import inspections
from app.inspection.viewing import STORED_SIDES, viewed
from app.learning import banks, checks
from app.lifecycle import Service
from app.store.schema import Inspection

RECENT = "nominal.recent"  # in a scope
BYTES = 128 << 20
KEPT = {"Cache-Control": "private, max-age=31536000, immutable"}  # a picture never changes under its address
JPEG = "image/jpeg"
SIDE = 1600  # pixels of a photograph each way, until one looks closely
MOST_SIDE = 16_384
VALUES = 1024  # of a map each way, to be read with the pointer

Side = Annotated[int, Query(ge=16, le=MOST_SIDE)]
FORMS: dict[str, Kind] = {"layer": "layer", "map": "png", "values": "raw"}

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
    kind: Literal["photo", "layer", "map", "values", "worst"],
    side: Side = SIDE,
) -> Response:
    """The image as a JPEG of at most ``side`` pixels each way; the map, over it, by itself or
    as values; its worst place."""
    service: Service = request.app.state.service
    row, image = await _row_and_image(request, service, id)
    inspecting = service.inspecting
    if kind == "photo":
        return await _photo(service, row.bank, image, side)
    if kind == "worst":
        return Response(await places.worst(inspecting, row, image), media_type=JPEG, headers=KEPT)
    drawn, _ = await inspections.drawn(inspecting, row, image, FORMS[kind])
    return _map(kind, drawn)


@router.get("/media/banks/{bank}/nominal/{sha256}")
async def nominal(request: Request, bank: str, sha256: str, side: Side = SIDE) -> Response:
    """A nominal image as a JPEG of at most ``side`` pixels each way."""
    service: Service = request.app.state.service
    if side <= STORED_SIDES[-1]:
        small = await banks.small_image(service.learning, bank, sha256, side)
        return Response(small, media_type=JPEG, headers=KEPT)
    image = await service.pools.background(lambda: banks.read_image(service.learning, bank, sha256))
    return await _photo(service, bank, image, side)


@router.get("/media/banks/{bank}/versions/{number}/nominal/{sha256}/{kind}")
async def nominal_map(
    request: Request, bank: str, number: int, sha256: str, kind: Literal["layer", "map", "values"]
) -> Response:
    """Its map by a version as it would be without the part that the image shows."""
    service: Service = request.app.state.service
    return _map(kind, await held_out.drawn(service.inspecting, bank, number, sha256, FORMS[kind]))


@router.get("/media/banks/{bank}/checks/{check}/{sha256}")
async def labelled(request: Request, bank: str, check: str, sha256: str, side: Side = SIDE) -> Response:
    """An image of a check set as a JPEG of at most ``side`` pixels each way."""
    service: Service = request.app.state.service
    if side <= STORED_SIDES[-1]:
        small = await checks.small_image(service.learning, bank, check, sha256, side)
        return Response(small, media_type=JPEG, headers=KEPT)
    image = await service.pools.background(lambda: checks.read_image(service.learning, bank, check, sha256))
    return await _photo(service, bank, image, side)


@router.get("/media/banks/{bank}/checks/{check}/{sha256}/versions/{number}/{kind}")
async def labelled_map(
    request: Request, bank: str, check: str, sha256: str, number: int, kind: Literal["layer", "map", "values"]
) -> Response:
    """Its map by a version."""
    service: Service = request.app.state.service
    drawn, _ = await figures.drawn(service.inspecting, bank, check, number, sha256, FORMS[kind])
    return _map(kind, drawn)


async def _photo(service: Service, bank: str, image: bytes, side: int) -> Response:
    bits = await service.pools.background(lambda: banks.significant_bits(service.learning, bank))
    small = await viewed(service.inspecting, bank, image, partial(thumbnail, side=side), bits)
    return Response(small, media_type=JPEG, headers=KEPT)


def _map(kind: str, drawn: Picture) -> Response:
    data = sparse(drawn.data, VALUES) if kind == "values" else drawn.data
    return Response(data, media_type=drawn.media_type, headers=KEPT)


async def _row_and_image(request: Request, service: Service, id: str) -> tuple[Inspection, bytes]:
    """Raises NotFound, PictureUnavailable."""
    recent: RecentImages = request.scope[RECENT]
    row = await service.pools.background(lambda: service.store.inspections.get(id))
    held = recent.get(id)
    if held is None:
        held = await service.pools.background(lambda: inspections.read_image(service.inspecting, row))
    return row, held
