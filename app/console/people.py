"""Signing in at the OpenID provider (app/lifecycle/provider.py), in place of typing a key."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.responses import RedirectResponse, Response

from app.console.session import SESSIONS, Sessions, asked_path, enter, root_of, shell, templates
from app.lifecycle import Service
from app.lifecycle.provider import Provider
from app.store.errors import NotFound, SignInRefused

COOKIE = "nominal_sign_in"  # of a browser that is at the provider
SECONDS = 600

router = APIRouter(include_in_schema=False)


@router.get("/sign-in/provider")
async def leave(request: Request, next: str = "/", again: bool = False) -> Response:
    """Send the browser to the provider. ``again``: it asks for a password even where somebody is signed in there."""
    provider = _provider(request)
    request.scope["session"] = {"next": asked_path(next)}
    try:
        back = request.url.replace(path=f"{root_of(request)}/sign-in/arrived", query="")
        address = await provider.departure(request, str(back), again)
    except SignInRefused as error:
        return _back(request, error)
    response = RedirectResponse(address, 303)
    response.set_cookie(
        COOKIE,
        str(_serializer(request).dumps(request.session)),
        max_age=SECONDS,
        path=f"{root_of(request)}/sign-in",
        secure=request.scope["scheme"] == "https",
        httponly=True,
        samesite="lax",  # the provider's page leads back here
    )
    return response


@router.get("/sign-in/arrived")
async def arrive(request: Request) -> Response:
    """Where the provider sends the browser back to: a page of ours, from which the session's cookie is sent on."""
    service: Service = request.app.state.service
    try:
        request.scope["session"] = _serializer(request).loads(
            request.cookies.get(COOKIE, ""), max_age=SECONDS
        )
    except BadSignature:
        request.scope["session"] = {}  # which no answer matches
    wanted = asked_path(str(request.session.get("next", "/")))
    try:
        who = await _provider(request).arrival(request)
    except SignInRefused as error:
        await service.pools.background(partial(service.trail.refused, "console.refused", "people"))
        return _back(request, error)
    person = await service.pools.background(
        partial(service.store.people.signed_in, who.issuer, who.subject, who.username, who.name, who.role)
    )
    values: dict[str, Any] = {**shell(request), "arrived": person.name, "next": wanted}
    response = templates.TemplateResponse(
        request, "sign_in.html", values, headers={"Cache-Control": "no-store"}
    )
    enter(request, response, person.id, person.epoch)
    response.delete_cookie(COOKIE, path=f"{root_of(request)}/sign-in")
    return response


def _provider(request: Request) -> Provider:
    service: Service = request.app.state.service
    if service.provider is None:
        raise NotFound(
            "signing in at an OpenID provider must be set up", "no provider", "Sign in with a key."
        )
    return service.provider


def _serializer(request: Request) -> URLSafeTimedSerializer:
    sessions: Sessions = request.scope[SESSIONS]
    return sessions.serializer("nominal.console.provider")


def _back(request: Request, error: SignInRefused) -> Response:
    response = RedirectResponse(f"{root_of(request)}/sign-in?reason={error.reason}", 303)
    response.delete_cookie(COOKIE, path=f"{root_of(request)}/sign-in")
    return response
