"""The way into the console: who comes and from where is settled before a page, an upload or a socket is reached.

A session is a signed cookie that names an API key's id, never the key, or a person for whom an OpenID provider
vouched. All servers of a store sign with one secret. A session that was signed out at one of them is refused by all,
even where its cookie is kept.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Request
from fastapi.templating import Jinja2Templates
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.console.assets import FONTS, asset
from app.console.pictures import RECENT, RecentImages
from app.console.words import SHELL
from app.errors import ForeignOrigin, OutOfScope
from app.http.auth import ACTOR, INSPECTED, identify
from app.http.problems import respond
from app.lifecycle import Service
from app.lifecycle.keys import Actor
from app.settings import Settings
from app.store.audit import caller
from app.store.errors import KeyRefused, StoreError
from app.store.staging import local_faults
from app.store.store import Store

COOKIE = "nominal_session"
SECONDS = 12 * 3600
FILE = "console.secret"
SESSIONS = "nominal.sessions"  # in a scope
REASONS = {
    "ended": SHELL.session_ended,
    "refused": SHELL.key_refused,
    "limited": SHELL.key_limited,
    "out": SHELL.signed_out,
    **SHELL.links_refused,
    **SHELL.sign_in_refused,
}

router = APIRouter(include_in_schema=False)
templates = Jinja2Templates(directory=Path(__file__).parent / "templates")
OPEN = ("/static/", "/_nicegui/", "/sign-in")  # what holds nothing of anybody's
SAFE = ("GET", "HEAD")
SERVICE = "nominal.service"  # in a scope


@dataclass(frozen=True)
class Session:
    """Who signed in: the id of the key or person, and the session's own; of a person the epoch of their sessions."""

    holder: str
    id: str
    epoch: int = 0


class Sessions:
    """Issued and read with one secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._serializer = self.serializer("nominal.console.session")

    def serializer(self, purpose: str) -> URLSafeTimedSerializer:
        """What signs and reads cookies for one purpose; those for another are not valid for it."""
        return URLSafeTimedSerializer(self._secret, salt=purpose)

    def issue(self, holder: str, epoch: int = 0) -> str:
        """The cookie of a new session."""
        return str(self._serializer.dumps([holder, secrets.token_hex(8), epoch]))

    def read(self, connection: HTTPConnection) -> Session | None:
        """The session a request comes with; None where it has none that is whole and young."""
        try:
            return Session(*self._serializer.loads(connection.cookies.get(COOKIE, ""), max_age=SECONDS))
        except (BadSignature, ValueError, TypeError):
            return None


@router.get("/sign-in")
async def sign_in_page(request: Request, reason: str = "", next: str = "/") -> Response:
    """Where a key is asked for."""
    service: Service = request.app.state.service
    values: dict[str, Any] = {
        **shell(request),
        "next": asked_path(next),
        "message": REASONS.get(reason, ""),
        "needed": await service.pools.background(service.admission.look_up_needed),
        "provider": service.settings.oidc_name if service.provider is not None else None,
        "again": reason in ("out", "ended"),
    }
    return templates.TemplateResponse(request, "sign_in.html", values, headers={"Cache-Control": "no-store"})


def shell(request: Request) -> dict[str, Any]:
    """What every page before signing in shows."""
    return {
        "text": SHELL,
        "css": asset("console.css"),
        "fonts": FONTS,
        "icon": asset("icon.svg"),
        "root": root_of(request),
        "theme": request.cookies.get("nominal_theme", "system"),
    }


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Trade a key for a session: a cookie out of scripts' reach, for this site only."""
    service: Service = request.app.state.service
    form = await request.form()
    key, wanted = str(form.get("key", "")).strip(), asked_path(str(form.get("next", "/")))
    try:
        actor = await service.pools.background(partial(service.admission.verify, key, "console.refused"))
        actor.scope.admit_whole()
    except (KeyRefused, OutOfScope) as error:
        reason = "refused" if isinstance(error, KeyRefused) else "limited"
        return RedirectResponse(f"{root_of(request)}/sign-in?reason={reason}&next={wanted}", 303)
    with suppress(StoreError):  # written down later: a disk that is full must not lock out who can clear it
        await service.pools.background(
            partial(service.trail.note, actor.id, "console.sign_in", f"key:{actor.id}")
        )
    return entered(request, actor.id, wanted)


def entered(request: Request, key: str, wanted: str) -> Response:
    """To the page that was wanted, with the cookie of a new session."""
    response = RedirectResponse(root_of(request) + wanted, 303)
    enter(request, response, key)
    return response


def enter(request: Request, response: Response, holder: str, epoch: int = 0) -> None:
    """Give the browser the cookie of a new session of this key or person."""
    sessions: Sessions = request.scope[SESSIONS]
    response.set_cookie(
        COOKIE,
        sessions.issue(holder, epoch),
        max_age=SECONDS,
        path=root_of(request) or "/",
        secure=request.scope["scheme"] == "https",
        httponly=True,
        samesite="strict",
    )


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session in every tab, on every server. Raises StoreError where that cannot be written down."""
    service: Service = request.app.state.service
    sessions: Sessions = request.scope[SESSIONS]
    if (session := sessions.read(request)) is not None:
        await service.pools.background(partial(service.admission.end_session, session.id))
    response = RedirectResponse(f"{root_of(request)}/sign-in?reason=out", 303)
    response.delete_cookie(COOKIE, path=root_of(request) or "/")
    return response


def root_of(request: Request) -> str:
    """The path under which the console is served."""
    root: str = request.scope.get("root_path", "")
    return root


def asked_path(wanted: str) -> str:
    """``wanted`` where it is a path of this console; else its first page. Never another site."""
    return wanted if wanted.startswith("/") and not wanted.startswith(("//", "/\\")) else "/"


def secret_of(settings: Settings, store: Store) -> str:
    """The setting, else the store's, which begins with what an earlier release kept in a file. Raises StoreError."""
    if settings.console_secret is not None:
        return settings.console_secret.get_secret_value()
    earlier = settings.data_dir / FILE
    with local_faults(settings.data_dir):
        return store.sessions.secret(earlier.read_text() if earlier.exists() else None)


class Entrance:
    """ASGI: puts into the scope whose service it is and who calls, for routes and pages; turns everybody else away."""

    def __init__(self, app: ASGIApp, service: Service, sessions: Sessions) -> None:
        self._app, self._service, self._sessions = app, service, sessions
        self._recent = RecentImages()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[SERVICE], scope[SESSIONS] = self._service, self._sessions
        scope[RECENT], scope[INSPECTED] = self._recent, self._recent.hold
        connection = HTTPConnection(scope)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        try:
            if scope["type"] == "websocket" or scope["method"] not in SAFE:
                refuse_other_sites(connection)
            if not path.startswith(OPEN):
                scope[ACTOR] = await visitor(connection)
        except (KeyRefused, ForeignOrigin) as error:
            return await _turn_away(scope, receive, send, error)
        await self._app(scope, receive, send)


async def visitor(connection: HTTPConnection) -> Actor:
    """Who calls, asked anew each time: by session, or this very machine without keys.

    Raises ``KeyRefused`` for a session that ended or whose key is no longer valid, ``ForeignOrigin``.
    """
    service: Service = connection.scope[SERVICE]
    sessions: Sessions = connection.scope[SESSIONS]
    caller.set(
        connection.client.host if connection.client is not None else None
    )  # a socket passes no middleware
    session = sessions.read(connection)
    if session is None:
        return await identify(connection, service, None)
    return await service.pools.background(
        lambda: service.admission.holder(session.holder, session.epoch, session.id)
    )


def refuse_other_sites(connection: HTTPConnection) -> None:
    """Raises ``ForeignOrigin`` for a socket or a change that a page of another site asks for."""
    origin, host = connection.headers.get("origin"), connection.headers.get("host", "")
    if origin is None or urlsplit(origin).netloc == host:
        return
    raise ForeignOrigin(
        requirement="only the console's own pages may use it",
        received=f"a page of {origin[:80]!a}",
        remedy="Open the console by its own address.",
    )


async def _turn_away(scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
    if scope["type"] == "websocket":
        return await send({"type": "websocket.close", "code": 1008, "reason": ""})
    page = "text/html" in HTTPConnection(scope).headers.get("accept", "")
    answer = to_sign_in(scope) if page and isinstance(error, KeyRefused) else respond(scope, error)
    await answer(scope, receive, send)


def to_sign_in(scope: Scope, reason: str = "") -> Response:
    """To the sign-in page, and back here afterwards."""
    root = scope.get("root_path", "")
    wanted = scope["path"].removeprefix(root)
    said = f"&reason={reason}" if reason else ""
    return RedirectResponse(f"{root}/sign-in?next={quote(wanted)}{said}", 303)
