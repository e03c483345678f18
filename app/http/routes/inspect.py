"""Inspection: /v1/banks/{bank}/inspect, one image or a batch. The hot path."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import Field

from app import errors
from app.http.auth import INSPECTED, Inspector, may
from app.http.bodies import unless_disconnected
from app.http.protocol import BEGUN
from app.http.requests import Request as Body
from app.http.requests import Score
from app.http.routes import BankPath, Running, refuses
from app.http.routes.exchange import (
    MANY,
    Held,
    applied,
    as_picture,
    deadline,
    inline,
    picture_asked,
    read_form,
    read_one,
)
from app.http.routes.images import FILE
from app.imaging.pictures import NPY, PNG
from app.inspection.gate import Pass
from app.inspection.inspect import inspect
from app.inspection.inspecting import Answer, Asked
from app.inspection.lanes import Lane
from app.inspection.ledger import document
from app.inspection.waiting import Deadline
from app.lifecycle import Service
from app.lifecycle.keys import Actor
from app.problems.problem import problem_of
from app.store.errors import IllegalValue, NotFound, VersionUnusable
from app.store.schema import LONGEST_TEXT
from core.errors import ConfigError, CoreError, TooFewNominalImages
from nominal_client.answers import inspections as schema

PATH = "/v1/banks/{bank}/inspect"
inspector = may("inspect")

Prefer = Annotated[
    str | None, Header(max_length=200, description="`respond-within=150ms` or `wait=2` (seconds).")
]
Accept = Annotated[
    str | None, Header(max_length=1000, include_in_schema=False)  # OpenAPI has it in the answer's media types
]
FILES = {"type": "array", "items": FILE, "minItems": 1, "maxItems": MANY.most_files}
ANY = "*/*"  # what clients accept that were not told what to
Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
REFUSED = (
    NotFound, errors.BankWithoutVersion, VersionUnusable, errors.WarmingUp, errors.QueueFull, errors.MemoryFull,
    errors.DeadlineExceeded,
    errors.ImageTooLarge, errors.ImageFormatUnsupported, errors.ImageCorrupt, errors.MediaTypeUnsupported,
    errors.MultipartInvalid, errors.TooManyFiles, ConfigError, TooFewNominalImages, IllegalValue,
)  # fmt: skip


class Traits(Body):
    """What is asked of an inspection; thresholds override the bank's for this image."""

    serial: Text | None = Field(None, description="Serial number of the part.")
    station: Text | None = Field(None, description="Where it was photographed.")
    review_threshold: Score | None = None
    reject_threshold: Score | None = None


class Wanted(Traits):
    """The same, with the map."""

    heatmap: Literal["none", "png", "overlay", "raw"] = Field(
        "none", description="The map inline: coloured PNG, over the image, or raw float32 (NPY)."
    )


PLAIN = Wanted.model_validate({})


class Direct(APIRoute):
    """A request that names no option is inspected past FastAPI's reading of parameters, which takes its time.

    Whatever could be wrong with the rest is found where every request's is.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        solved = super().get_route_handler()

        async def handle(request: Request) -> Response:
            asks = "prefer" in request.headers or request.headers.get("accept", ANY) != ANY
            if request.scope["query_string"] or asks:
                return await solved(request)
            return await inspect_image(request, await inspector(request), request.path_params["bank"], PLAIN)

        return handle


router = APIRouter(tags=["inspection"])


def _body(title: str, image: dict[str, Any], *types: str) -> dict[str, Any]:
    """The body of an inspection: a form with ``image``, or a file of one of these types itself."""
    words = {"type": "string", "maxLength": LONGEST_TEXT}
    form = {
        "title": title,
        "type": "object",
        "properties": {"image": image, "serial": words, "station": words},
        "required": ["image"],
        "additionalProperties": False,
    }
    content = {
        "multipart/form-data": {"schema": form},
        **{media_type: {"schema": FILE} for media_type in types},
    }
    return {"requestBody": {"required": True, "content": content}}


async def inspect_image(
    request: Request,
    actor: Inspector,
    bank: BankPath,
    wanted: Annotated[Wanted, Query()],
    prefer: Prefer = None,
    accept: Accept = None,
) -> Response:
    """Inspect one image: score, decision, regions. In the ledger before it is answered.

    With `heatmap` the map comes inline as base64; with `Accept: image/png` or `application/x-npy` too, the answer is
    the picture itself and the decision is in its headers.
    """
    service: Service = request.app.state.service
    asked = _asked(request, service, actor, wanted, prefer)
    kind, bare = None, False
    if wanted.heatmap != "none" or accept not in (None, ANY):
        kind, bare = picture_asked(wanted.heatmap, accept)
    lane = service.inspecting.lane(bank, actor.id, actor.rules)
    with service.inspecting.gate.enter(lane) as share:
        async with asked.deadline.kept():
            name, data, fields = await read_one(request, share, service.inspecting.image_limits)
        asked = _said_in_form(actor, replace(asked, name=name, picture=kind, share=share), fields)
        answer = await unless_disconnected(request, inspect(service.inspecting, bank, data, asked))
    if (told := request.scope.get(INSPECTED)) is not None:
        told(answer.row, data)
    return as_picture(answer, prefer) if bare else as_json(answer, prefer)


router.add_api_route(
    PATH,
    inspect_image,
    methods=["POST"],
    route_class_override=Direct,
    openapi_extra=_body(
        "InspectionForm",
        FILE,
        "image/png",
        "image/jpeg",
        "image/bmp",
        "image/tiff",
        "image/webp",
        "application/octet-stream",
    ),
    response_model=schema.Inspection,
    responses={
        200: {"content": {PNG: {"schema": FILE}, NPY: {"schema": FILE}}},
        **refuses(errors.NotAcceptable, *REFUSED),
    },
)


@router.post(
    PATH + "/batch",
    openapi_extra=_body("BatchForm", FILES),
    response_model=schema.Batch,
    responses=refuses(*REFUSED),
)
async def inspect_batch(
    request: Request,
    service: Running,
    actor: Inspector,
    bank: BankPath,
    wanted: Annotated[Traits, Query()],
    prefer: Prefer = None,
) -> Response:
    """Inspect every file of a form; each has its inspection or its problem, in the order sent."""
    asked = _asked(request, service, actor, wanted, prefer)
    lane = service.inspecting.lane(bank, actor.id, actor.rules).lower()
    with service.inspecting.gate.enter(lane) as share:
        async with asked.deadline.kept():
            sent = await read_form(request, share, service.inspecting.image_limits)
        asked = _said_in_form(actor, replace(asked, share=share), sent.fields)
        items = await unless_disconnected(request, _each(service, bank, sent.images, asked))
    return Response(orjson.dumps({"items": items}), media_type="application/json", headers=applied(prefer))


async def _each(
    service: Service, bank: str, images: list[tuple[str | None, Held]], asked: Asked
) -> list[dict[str, Any]]:
    """A batch's worth at a time, one priority lower: between two of them images that came by themselves may pass."""
    await service.pools.background(lambda: service.store.banks.get(bank))
    turns = asyncio.Semaphore(service.settings.batch_size)

    async def one(name: str | None, held: Held) -> dict[str, Any]:
        async with turns:
            try:
                if held.error is not None:
                    raise held.error
                with in_turn(service, asked, asked.share.lane) as own:
                    own.share.grow(len(held.data))
                    answer = await inspect(
                        service.inspecting, bank, bytes(held.data), replace(own, name=name)
                    )
            except (errors.AppError, CoreError) as error:
                return {"name": name, "inspection": None, "problem": problem_of(error).document()}
            return {"name": name, "inspection": document(answer.row), "problem": None}

    return await asyncio.gather(*(one(name, held) for name, held in images))


@contextmanager
def in_turn(service: Service, asked: Asked, lane: Lane) -> Iterator[Asked]:
    """One image of several: it holds its own memory, and waits by itself until the time that all have."""
    with service.inspecting.memory.hold(lane) as share:
        yield replace(asked, share=share, deadline=Deadline(asked.deadline.at))


def as_json(answer: Answer, prefer: str | None) -> Response:
    said = document(answer.row)
    if answer.picture is not None:
        said["heatmap"] = inline(answer.picture, answer.map_threshold)
    timings = ", ".join(f"{name};dur={value}" for name, value in answer.row.timings.items())
    headers = {"Server-Timing": timings, **(applied(prefer) if prefer else {})}
    return Response(orjson.dumps(said), media_type="application/json", headers=headers)


def _asked(request: Request, service: Service, actor: Actor, wanted: Traits, prefer: str | None) -> Asked:
    """The deadline counts from the request's first byte, where the server's protocol saw it come."""
    begun = request.scope.get(BEGUN)
    return Asked(
        deadline=deadline(prefer, service.settings.request_timeout_seconds, begun),
        actor=actor.id,
        share=Pass(service.inspecting.memory),
        serial=wanted.serial,
        station=wanted.station,
        review_threshold=wanted.review_threshold,
        reject_threshold=wanted.reject_threshold,
    )


def _said_in_form(actor: Actor, asked: Asked, fields: dict[str, str]) -> Asked:
    """Serial and station of a form, over those of the query; the station must be the actor's. Raises OutOfScope."""
    for name in ("serial", "station"):
        if len(value := fields.get(name, "")) > LONGEST_TEXT:
            raise errors.FieldInvalid(
                f"{name} may have {LONGEST_TEXT} characters", str(len(value)), "Shorten it."
            )
    station = actor.scope.station(fields.get("station", asked.station))
    return replace(asked, serial=fields.get("serial", asked.serial), station=station)
