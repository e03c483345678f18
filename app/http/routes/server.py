"""The server itself: its health, metrics and release; API keys and the audit log.

Health is open to all; who has no key learns no bank's name.
"""

from __future__ import annotations

import contextlib
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.routing import APIRoute
from starlette import types
from starlette.routing import Match
from starlette.types import Message, Receive, Send

from app import __version__
from app.errors import AppError
from app.http import requests
from app.http.auth import Reader, ServerAdmin, identify, key_of
from app.http.routes import BankPath, Cursor, Limit, Running, refuses
from app.lifecycle import health
from app.lifecycle.keys import Actor, require
from app.problems.types import page
from app.store.errors import IllegalId, IllegalValue, KeyConflict, NotFound
from app.store.key_limits import NAMES, NO_LIMITS
from app.store.schema import ApiKey
from app.store.scope import Scope
from nominal_client.answers import Page
from nominal_client.answers import server as schema


class Probed(APIRoute):
    """Answers HEAD as GET without the body, as probes ask (``wget --spider``); documented as GET only."""

    def matches(self, scope: types.Scope) -> tuple[Match, types.Scope]:
        return super().matches(_as_get(scope))

    async def handle(self, scope: types.Scope, receive: Receive, send: Send) -> None:
        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await super().handle(_as_get(scope), receive, without_body if scope["method"] == "HEAD" else send)


def _as_get(scope: types.Scope) -> types.Scope:
    return {**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope


router = APIRouter(tags=["health"], route_class=Probed)
keys = APIRouter(prefix="/v1", tags=["keys"])
SIGN_IN_LINK = "/console/sign-in/link"  # the text is after #, which browsers send to nobody
PersonPath = Annotated[str, Path(max_length=128, description="A person's id, such as person:anna.")]
KeyPath = Annotated[str, Path(description="A key's id: the part between the underscores.")]


@router.get("/livez")
async def livez() -> schema.Live:
    """The process answers. Nothing is looked at."""
    return schema.Live()


@router.get(
    "/readyz", responses={503: {"model": schema.Ready, "description": "Warming up, or shutting down."}}
)
async def readyz(service: Running, response: Response) -> schema.Ready:
    """Whether the server can inspect. Once warm it stays ready, whatever banks do, until it shuts down."""
    if health.is_ready(service):
        return schema.Ready(status="ready")
    response.status_code = 503
    return schema.Ready(status="draining" if service.life.draining else "warming")


@router.get("/health", responses=refuses(keys=False), response_model_exclude_none=True)
async def get_health(request: Request, service: Running) -> schema.Health:
    """How the whole is. Needs no key; with one it names banks and reasons."""
    await service.pace.turn()
    known: Actor | None = None
    with contextlib.suppress(AppError):
        known = await identify(request, service, key_of(request))
    return schema.Health.model_validate(health.overall(service, None if known is None else known.scope))


@router.get("/v1/banks/{bank}/health", responses=refuses(NotFound))
async def get_bank_health(
    service: Running,
    actor: Reader,
    bank: BankPath,
    check: Annotated[bool, Query(description="Load it and score its conformance images now.")] = False,
) -> schema.BankHealth:
    """How one bank is. With `check`, for which the role inspect is needed, whether its version scores as recorded."""
    if check:
        require(actor, "inspect")
    return schema.BankHealth.model_validate(await health.of_bank(service, bank, check))


@router.get("/metrics", response_class=PlainTextResponse, responses=refuses(keys=False))
async def get_metrics(
    service: Running, accept: Annotated[str, Header(max_length=1000, include_in_schema=False)] = ""
) -> Response:
    """For Prometheus."""
    await service.pace.turn()
    text, media_type = health.metrics(service, accept)
    return Response(text, media_type=media_type)


@router.get("/version")
async def get_release() -> schema.Release:
    """What runs."""
    return schema.Release(nominal=__version__)


@router.get("/problems/{slug}", response_class=HTMLResponse, responses=refuses(NotFound, keys=False))
async def explain_problem(
    slug: Annotated[str, Path(description="The end of a problem's type.")],
) -> HTMLResponse:
    """What a problem type means, for people."""
    text = page(slug)
    if text is None:
        raise NotFound("a problem type must be known", ascii(slug[:80]), "See /docs.")
    return HTMLResponse(text)


@keys.get("/keys", responses=refuses())
def list_keys(service: Running, actor: ServerAdmin) -> schema.KeyList:
    """All keys, oldest first, revoked ones too."""
    return schema.KeyList(items=[_shown(key) for key in service.store.keys.all()])


@keys.post("/keys", status_code=201, responses=refuses(IllegalId, IllegalValue))
def create_key(service: Running, actor: ServerAdmin, body: requests.KeyRequest) -> schema.NewKey:
    """Make a key. Its text is given this once. From the first key on, every request needs one, for good."""
    scope = Scope.of(body.banks, body.stations)
    limits = NO_LIMITS.changed(body.model_dump(include=set(NAMES)))
    return _new(*service.admission.create(body.name, body.role, body.days, actor.id, scope, limits))


@keys.patch("/keys/{key}", responses=refuses(NotFound, IllegalValue))
def limit_key(service: Running, actor: ServerAdmin, key: KeyPath, body: requests.KeyLimits) -> schema.Key:
    """Change a key's priority, guaranteed share or quotas. They count within two seconds on every server."""
    return _shown(service.admission.limit(key, body.model_dump(exclude_unset=True), actor.id))


@keys.post("/keys/{key}/rotate", status_code=201, responses=refuses(NotFound, KeyConflict))
def rotate_key(
    service: Running, actor: ServerAdmin, key: KeyPath, body: requests.RotationRequest | None = None
) -> schema.NewKey:
    """A new key in this one's place, with its role, limits and end; this one stays valid for the overlap."""
    asked = body or requests.RotationRequest.model_validate({})
    return _new(*service.admission.rotate(key, asked.overlap_seconds, actor.id))


@keys.post("/keys/{key}/links", status_code=201, responses=refuses(NotFound, IllegalValue))
def create_sign_in_link(
    service: Running, actor: ServerAdmin, key: KeyPath, body: requests.LinkRequest | None = None
) -> schema.SignInLink:
    """A link by which a browser signs in to the console as this key, once and for minutes. It is given this once."""
    asked = body or requests.LinkRequest.model_validate({})
    text, link = service.store.links.make(key, actor=actor.id, minutes=asked.minutes)
    return schema.SignInLink(key=link.key_id, expires_at=link.expires_at, link=f"{SIGN_IN_LINK}#{text}")


@keys.delete("/keys/{key}", responses=refuses(NotFound))
def revoke_key(service: Running, actor: ServerAdmin, key: KeyPath) -> schema.Key:
    """Refuse this key from now on."""
    return _shown(service.admission.revoke(key, actor.id))


@keys.get("/people", responses=refuses())
def list_people(service: Running, actor: ServerAdmin) -> schema.PersonList:
    """Everybody who signed in at the OpenID provider, by name, with the role of the last time."""
    return schema.PersonList(items=[schema.Person.model_validate(row) for row in service.store.people.all()])


@keys.post("/people/{person}/sign-out", responses=refuses(NotFound))
def sign_out_person(service: Running, actor: ServerAdmin, person: PersonPath) -> schema.Person:
    """End a person's sessions in every browser. Whether they may sign in again is for the provider to say."""
    return schema.Person.model_validate(service.admission.end_sessions(person, actor.id))


@keys.get("/audit", responses=refuses())
def list_audit(
    service: Running,
    actor: ServerAdmin,
    target: Annotated[str | None, Query(max_length=255, description="Such as bank:screws.")] = None,
    limit: Limit = 100,
    before: Cursor = None,
) -> Page[schema.AuditEntry]:
    """Who changed what, newest first."""
    page = service.store.audit.page(target=target, before=before, limit=limit)
    return Page(items=[schema.AuditEntry.model_validate(entry) for entry in page.items], next=page.next)


def _new(text: str, key: ApiKey) -> schema.NewKey:
    return schema.NewKey(**_shown(key).model_dump(), key=text)


def _shown(key: ApiKey) -> schema.Key:
    return schema.Key.model_validate(key)
