"""The console's plain routes: signing in and out, pictures, uploads. Everything but signing in lies behind Entrance."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from fastapi.templating import Jinja2Templates

from app.console.assets import FONTS, asset
from app.console.entrance import SERVICE, SESSIONS, visitor
from app.console.session import COOKIE, Sessions, set_cookie
from app.console.text.shell import SHELL
from app.errors import RoleTooLow
from app.http.multipart import feed_of
from app.imaging.media import media_type_of
from app.inspection import inspections
from app.learning import nominal_images, uploads, versions
from app.learning.building import BANK_MEDIA_TYPE
from app.lifecycle.keys import Actor
from app.lifecycle.service import Service
from app.store.errors import KeyRefused
from app.store.keys import allows
from app.store.schema import Role

router = APIRouter(include_in_schema=False)
templates = Jinja2Templates(directory=Path(__file__).parent / "templates")

KEPT = {"Cache-Control": "private, max-age=31536000, immutable"}  # a digest names these bytes for good
FRESH = {"Cache-Control": "no-store"}
REASONS = {"ended": SHELL.session_ended, "refused": SHELL.key_refused, "out": SHELL.signed_out}
Side = Annotated[int, Query(ge=16, le=1024)]


def service_of(request: Request) -> Service:
    """The service of the application that the request came to."""
    service: Service = request.scope[SERVICE]
    return service


Running = Annotated[Service, Depends(service_of)]


@router.get("/sign-in")
async def sign_in_page(request: Request, service: Running, reason: str = "", next: str = "/") -> Response:
    """Where a key is asked for."""
    values = {
        "text": SHELL,
        "css": asset("console.css"),
        "fonts": FONTS,
        "icon": asset("icon.svg"),
        "root": root_of(request),
        "theme": request.cookies.get("nominal_theme", "system"),
        "next": _path(next),
        "message": REASONS.get(reason, ""),
        "needed": await service.pools.background(service.admission.look_up_needed),
    }
    return templates.TemplateResponse(request, "sign_in.html", values, headers=FRESH)


@router.post("/sign-in")
async def sign_in(request: Request, service: Running) -> Response:
    """Trade a key for a session."""
    form = await request.form()
    key, wanted = str(form.get("key", "")).strip(), _path(str(form.get("next", "/")))
    try:
        actor = await service.pools.background(partial(service.admission.verify, key))
    except KeyRefused:
        return RedirectResponse(f"{root_of(request)}/sign-in?reason=refused&next={wanted}", 303)
    response = RedirectResponse(root_of(request) + wanted, 303)
    sessions: Sessions = request.scope[SESSIONS]
    set_cookie(response, sessions.issue(actor.id), request)
    return response


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session here, in every tab."""
    sessions: Sessions = request.scope[SESSIONS]
    if (session := sessions.read(request)) is not None:
        sessions.end(session)
    response = RedirectResponse(f"{root_of(request)}/sign-in?reason=out", 303)
    response.delete_cookie(COOKIE, path=root_of(request) or "/")
    return response


@router.get("/media/banks/{bank}/images/{sha256}")
def nominal_image(service: Running, bank: str, sha256: str) -> Response:
    """A nominal image as it was received."""
    data = nominal_images.read(service.learning, bank, sha256)
    return Response(data, media_type=media_type_of(data), headers=KEPT)


@router.get("/media/banks/{bank}/images/{sha256}/thumbnail")
def nominal_thumbnail(service: Running, bank: str, sha256: str, side: Side = 256) -> Response:
    """A small JPEG of a nominal image."""
    data = nominal_images.small(service.learning, bank, sha256, side)
    return Response(data, media_type="image/jpeg", headers=KEPT)


@router.get("/media/banks/{bank}/versions/{number}/bundle")
def bundle(service: Running, bank: str, number: int) -> Response:
    """A version as a bank file."""
    row = service.store.versions.get(bank, number)
    headers = {
        "Content-Length": str(row.bytes),
        "Content-Disposition": f'attachment; filename="{bank}-{number}.bank"',
        "Content-Encoding": "identity",
        **FRESH,
    }
    return StreamingResponse(
        versions.open_bundle(service.learning, row), media_type=BANK_MEDIA_TYPE, headers=headers
    )


@router.get("/media/inspections/{id}/image")
def inspected_image(service: Running, id: str) -> Response:
    """The kept image of an inspection."""
    data = inspections.read_image(service.inspecting, service.store.inspections.get(id))
    return Response(data, media_type=media_type_of(data), headers=KEPT)


@router.get("/media/inspections/{id}/thumbnail")
def inspected_thumbnail(service: Running, id: str, side: Side = 256) -> Response:
    """A small JPEG of the kept image of an inspection."""
    return Response(inspections.small(service.inspecting, id, side), media_type="image/jpeg", headers=KEPT)


@router.get("/media/inspections/{id}/overlay")
async def inspected_overlay(service: Running, id: str) -> Response:
    """Its picture with the map laid over."""
    drawn, _ = await inspections.picture(service.inspecting, id, "overlay")
    return Response(drawn.data, media_type=drawn.media_type, headers=KEPT)


@router.get("/media/inspections/{id}/heatmap")
async def inspected_map(service: Running, id: str) -> Response:
    """Its map alone."""
    drawn, _ = await inspections.picture(service.inspecting, id, "png")
    return Response(drawn.data, media_type=drawn.media_type, headers=KEPT)


@router.post("/banks/{bank}/images")
async def upload(request: Request, service: Running, bank: str) -> Response:
    """Files for a bank's nominal set; the answer says what became of each."""
    actor = await admitted(request, "admin")
    content_type = request.headers.get("content-type", "")
    entries = await uploads.receive(
        service.learning, bank, feed_of(content_type, None), request.stream(), actor.id
    )
    return JSONResponse({"files": entries}, headers=FRESH)


async def admitted(request: Request, role: Role) -> Actor:
    """Who calls, where the role allows it. Raises ``RoleTooLow``."""
    actor = await visitor(request)
    if allows(actor.role, role):
        return actor
    raise RoleTooLow(
        requirement=f"this needs the role {role}",
        received=f"a key of the role {actor.role}",
        remedy="Sign in with a key of that role.",
    )


def root_of(request: Request) -> str:
    """The path under which the console lies."""
    root: str = request.scope.get("root_path", "")
    return root


def _path(wanted: str) -> str:
    """``wanted`` where it is a path of this console; else its first page. Never another site."""
    return wanted if wanted.startswith("/") and not wanted.startswith(("//", "/\\")) else "/"
