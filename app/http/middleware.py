"""Pure ASGI middleware: what is seen of every request, security headers, caught errors.

Put on from the outside in: ``BehindProxy`` (app/http/proxy.py), ``Observe``, ``SecurityHeaders``, ``CatchErrors``,
``BoundBodies`` (app/http/bodies.py).
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.problems import respond
from app.ops.logs import request_id
from app.ops.observed import Observed
from app.store.audit import caller

REQUEST_ID = "X-Request-ID"
RAW_REQUEST_ID = REQUEST_ID.lower().encode("ascii")
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

access = logging.getLogger("app.access")
PAGES = ("/console", "/docs")
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (  # the console compiles its templates in the browser and carries their data inline
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

OF_PAGES = {  # without a referrer browsers would not say either which site a form was sent from
    "Content-Security-Policy": PAGE_POLICY,
    "Referrer-Policy": "same-origin",
}


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


PAGE_HEADERS = _raw({**HEADERS, **OF_PAGES})
API_HEADERS = _raw({**HEADERS, "Content-Security-Policy": API_POLICY, "Cache-Control": "no-store"})


class Observe:
    """Gives every request an id and echoes it; counts it while it is answered; then logs it, and counts what it became.

    ``X-Request-ID`` is taken from the client when it is at most 64 letters, digits, dots, dashes and underscores; else
    made. It is stored in ``scope["state"]["request_id"]`` and in every record logged meanwhile.
    """

    def __init__(
        self, app: ASGIApp, observed: Observed, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._app, self._observed, self._clock = app, observed, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        name = _request_id(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = name
        status, size = None, 0

        async def sent(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (RAW_REQUEST_ID, name.encode("ascii"))]
                status = message["status"]
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        token, started = request_id.set(name), self._clock()
        came_from = caller.set(scope["client"][0] if scope.get("client") else None)
        try:
            with self._observed.metrics.in_flight:
                await self._app(scope, receive, sent)
        finally:
            self._note(scope, status, size, self._clock() - started)
            request_id.reset(token)
            caller.reset(came_from)

    def _note(self, scope: Scope, status: int | None, size: int, seconds: float) -> None:
        method, path, state = scope["method"], scope["path"], scope["state"]
        extra: dict[str, Any] = {
            "method": method,
            "path": path,
            "status": status,
            "bytes": size,
            "milliseconds": round(seconds * 1e3, 2),
            "client": scope["client"][0] if scope.get("client") else None,
        }
        slug = state.get("problem")
        if slug is not None:
            extra["problem"] = slug
        level = logging.ERROR if (status or 500) >= 500 else logging.INFO
        access.log(level, "%s %s %s", method, path, status or "no answer", extra=extra)
        route = getattr(scope.get("route"), "path", None) or "unmatched"
        status = status or 499  # the client is gone
        self._observed.metrics.request_answered(method, route, status, seconds, slug)
        if (problem := state.get("answered")) is not None:
            said = problem.type.status, problem.type.slug, problem.detail
            self._observed.problems.add(f"{method} {path}", *said, state["request_id"])


class CatchErrors:
    """Answers what nobody caught as an internal error. Once the answer has begun, it is broken off instead."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except ClientDisconnect as error:
            respond(scope, error)  # noted for log and metrics; nobody reads it
        except Exception as error:
            response = respond(scope, error)
            if begun:
                raise
            await response(scope, receive, send)


class SecurityHeaders:
    """Adds headers that the answer does not set itself; what is not a page may neither be cached nor run anything."""

    def __init__(self, app: ASGIApp, pages: Iterable[str] = PAGES) -> None:
        self._app, self._pages = app, tuple(pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        of_page = any(path == page or path.startswith(page + "/") for page in self._pages)
        added = PAGE_HEADERS if of_page else API_HEADERS

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [*message.get("headers", ())]
                named = {name.lower() for name, _ in own}
                message["headers"] = own + [header for header in added if header[0] not in named]
            await send(message)

        await self._app(scope, receive, sent)


def _request_id(headers: Headers) -> str:
    given = headers.get(REQUEST_ID, "")
    return given if SANE_ID.fullmatch(given) else uuid.uuid4().hex
