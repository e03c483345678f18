"""The way into the console: who comes and from where is settled before a page, an upload or a socket is reached."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.console.recent import RecentImages
from app.console.session import Sessions
from app.errors import ForeignOrigin
from app.http.auth import identify
from app.http.problems import respond
from app.lifecycle.keys import Actor
from app.lifecycle.service import Service
from app.store.errors import KeyRefused

OPEN = ("/static/", "/_nicegui/", "/sign-in")  # what holds nothing of anybody's
SAFE = ("GET", "HEAD")
SERVICE, ACTOR, SESSIONS = "nominal.service", "nominal.actor", "nominal.sessions"
RECENT = "nominal.recent"


class Entrance:
    """ASGI: tells what lies behind it whose service it is and who calls, and turns everybody else away."""

    def __init__(self, app: ASGIApp, service: Service, sessions: Sessions) -> None:
        self._app, self._service, self._sessions = app, service, sessions
        self._recent = RecentImages()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[SERVICE], scope[SESSIONS], scope[RECENT] = self._service, self._sessions, self._recent
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
    session = sessions.read(connection)
    if session is None:
        return await identify(connection, service, None)
    return await service.pools.background(lambda: service.admission.holder(session.key))


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
