"""The Open Inference Protocol v2 (REST): /v2, each bank a model. An inference is an inspection like every other."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from app import __version__, errors
from app.http.auth import Inspector, Reader
from app.http.bodies import unless_disconnected
from app.http.inference import described
from app.http.protocol import BEGUN
from app.http.routes import BankPath, Number, Responses, Running, refuses
from app.http.routes.exchange import deadline
from app.http.routes.images import FILE
from app.http.routes.inspect import REFUSED, in_turn
from app.http.routes.outputs import answered
from app.http.routes.server import Probed
from app.http.routes.tensors import HEADER_LENGTH, Inferring, of_image, read_counted
from app.inspection.engine import SMALL_PIXELS
from app.inspection.gate import Pass
from app.inspection.inspect import inspect
from app.inspection.inspecting import Answer, Asked
from app.inspection.taking import not_active
from app.inspection.waiting import Deadline
from app.lifecycle import Service, health
from app.lifecycle.keys import Actor
from app.store.errors import NotFound
from app.store.schema import Bank
from nominal_client.answers import inference as schema

ERROR = {"$ref": "#/components/schemas/ErrorDocument"}
REQUEST = {"$ref": "#/components/schemas/InferenceRequest"}
BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": REQUEST}, "application/octet-stream": {"schema": FILE}},
    }
}
LENGTH = "Bytes of the JSON, where tensors follow it; 0 where the body is one image file."
Length = Annotated[str | None, Header(alias=HEADER_LENGTH, description=LENGTH)]


def in_words(*raised: type[Exception]) -> Responses:
    """``refuses`` in the protocol's form."""
    content = {"application/json": {"schema": ERROR}}
    return {status: {**said, "content": content} for status, said in refuses(*raised).items()}


INFERRED: dict[str, Any] = {
    "openapi_extra": BODY,
    "response_model": schema.Inference,
    "responses": {
        200: {"content": {"application/octet-stream": {"schema": FILE}}},
        **in_words(errors.VersionNotActive, *REFUSED),
    },
}
READY: dict[str, Any] = {
    "response_model_exclude_none": True,
    "responses": in_words(NotFound, errors.VersionNotActive)
    | {400: {"model": schema.ModelReady, "description": "It is not ready; `error` says why."}},
}
DESCRIBED: dict[str, Any] = {"responses": in_words(NotFound, errors.VersionNotActive)}

probes = APIRouter(prefix="/v2", tags=["inference"], route_class=Probed)
router = APIRouter(prefix="/v2/models/{bank}", tags=["inference"])


@probes.get("/health/live")
async def is_server_live() -> schema.ServerLive:
    """The process answers. Nothing is looked at."""
    return schema.ServerLive()


@probes.get(
    "/health/ready",
    responses={400: {"model": schema.ServerReady, "description": "Warming up, or shutting down."}},
)
async def is_server_ready(service: Running, response: Response) -> schema.ServerReady:
    """Whether the server can inspect, as `/readyz` says."""
    ready = health.is_ready(service)
    response.status_code = 200 if ready else 400  # where /readyz says 503
    return schema.ServerReady(ready=ready)


@probes.get("")
async def get_server_metadata() -> schema.ServerMetadata:
    """What runs."""
    return schema.ServerMetadata(version=__version__)


@router.get("", **DESCRIBED)
def get_model(service: Running, actor: Reader, bank: BankPath) -> schema.ModelMetadata:
    """A bank as a model: its active version, and tensors as they are for one image."""
    return described(service.store.banks.get(bank))


@router.get("/versions/{version}", **DESCRIBED)
def get_model_version(
    service: Running, actor: Reader, bank: BankPath, version: Number
) -> schema.ModelMetadata:
    """The same by its version, which must be the active one."""
    return described(_named(service, bank, version))


@router.get("/ready", response_model=schema.ModelReady, **READY)
async def is_model_ready(
    service: Running, actor: Reader, bank: BankPath, response: Response
) -> schema.ModelReady:
    """Whether the bank can inspect. One that is not loaded is ready: its first inspection loads it."""
    return await _ready(
        service, await service.pools.background(partial(service.store.banks.get, bank)), response
    )


@router.get("/versions/{version}/ready", response_model=schema.ModelReady, **READY)
async def is_model_version_ready(
    service: Running, actor: Reader, bank: BankPath, version: Number, response: Response
) -> schema.ModelReady:
    """The same by its version, which must be the active one."""
    return await _ready(
        service, await service.pools.background(partial(_named, service, bank, version)), response
    )


@router.post("/infer", **INFERRED)
async def infer(
    request: Request, service: Running, actor: Inspector, bank: BankPath, json_bytes: Length = None
) -> Response:
    """Inspect images: scores and decisions, maps if asked for. Each is in the ledger before it is answered."""
    return await _infer(request, service, actor, bank, None, json_bytes)


@router.post("/versions/{version}/infer", **INFERRED)
async def infer_by_version(
    request: Request,
    service: Running,
    actor: Inspector,
    bank: BankPath,
    version: Number,
    json_bytes: Length = None,
) -> Response:
    """The same by a version, which must be the active one."""
    return await _infer(request, service, actor, bank, version, json_bytes)


async def _infer(
    request: Request, service: Service, actor: Actor, bank: str, version: int | None, json_bytes: str | None
) -> Response:
    """As ``inspect_image``; several images as ``inspect_batch``, all by the version that is active when they come."""
    begun = request.scope.get(BEGUN)
    until = deadline(None, service.settings.request_timeout_seconds, begun)
    lane = service.inspecting.lane(bank, actor.id, actor.rules)
    with service.inspecting.gate.enter(lane) as share:
        async with until.kept():
            asking = await _read(request, service, share, json_bytes)
        asked = _asked(actor, asking, until, share, begun, version)
        answers = await unless_disconnected(request, _each(service, bank, asking.images, asked))
        if asked.picture is None:
            return answered(asking, answers)
        share.grow(2 * sum(len(each.picture.data) for each in answers if each.picture is not None))
        return await service.pools.background(partial(answered, asking, answers))


async def _read(request: Request, service: Service, share: Pass, header_length: str | None) -> Inferring:
    """The body, counted by the gate, and its images, made where images are decoded."""
    body = bytearray()
    async for chunk in request.stream():
        share.grow(len(chunk))
        body += chunk
    data = bytes(body)
    share.grow(len(data))  # the images that are made of it
    read = partial(read_counted, data, header_length, service.inspecting.image_limits, share)
    return await service.inspecting.decoders.run(read, share.lane, len(data) > 3 * SMALL_PIXELS)


def _asked(
    actor: Actor, asking: Inferring, until: Deadline, share: Pass, begun: float | None, version: int | None
) -> Asked:
    """Raises OutOfScope for a station that is not the key's."""
    said = asking.request.parameters
    if said.timeout is not None:
        until = Deadline(min(until.at, (time.monotonic() if begun is None else begun) + said.timeout / 1e6))
    return Asked(
        deadline=until,
        actor=actor.id,
        share=share,
        serial=said.serial,
        station=actor.scope.station(said.station),
        review_threshold=said.review_threshold,
        reject_threshold=said.reject_threshold,
        picture="raw" if "map" in asking.request.wanted() else None,
        version=version,
    )


async def _each(service: Service, bank: str, images: list[bytes], asked: Asked) -> list[Answer]:
    """Several a batch's worth at a time, one priority lower. Raises what the first that failed did, after the last."""
    if len(images) == 1:
        return [await inspect(service.inspecting, bank, images[0], asked)]
    row = await service.pools.background(partial(service.store.banks.get, bank))
    asked = replace(asked, version=asked.version or row.active_version)
    turns, lane = asyncio.Semaphore(service.settings.batch_size), asked.share.lane.lower()

    async def one(data: bytes) -> Answer:
        async with turns:
            with in_turn(service, asked, lane) as own:
                return await inspect(service.inspecting, bank, data, own)

    found = await asyncio.gather(*map(one, images), return_exceptions=True)
    for at, each in enumerate(found):
        if isinstance(each, BaseException):
            raise of_image(each, at) if isinstance(each, errors.ImageRefused) else each
    return [each for each in found if isinstance(each, Answer)]


def _named(service: Service, bank: str, version: int) -> Bank:
    """The bank whose active version this is. Raises NotFound, VersionNotActive."""
    row = service.store.banks.get(bank)
    if row.active_version != version:
        service.store.versions.get(bank, version)
        raise not_active(version, row.active_version)
    return row


async def _ready(service: Service, row: Bank, response: Response) -> schema.ModelReady:
    standing = service.inspecting.calibrations.standing
    state, reason = await service.pools.background(lambda: standing(row, service.store.versions.active(row)))
    ready = health.is_ready(service) and state in ("ready", "loading", "not_loaded")
    response.status_code = 200 if ready else 400
    why = reason or ("the bank has no active version" if state == "no_version" else "not warm")
    return schema.ModelReady(name=row.id, ready=ready, error=None if ready else why)
