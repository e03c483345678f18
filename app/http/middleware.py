"""Pure ASGI middleware: caught errors, security headers, requests in flight; and work that ends with its client.

Put on from the outside in: ``RequestLog``, ``MeasureRequests``, ``SecurityHeaders``, ``CountInFlight``,
``CatchErrors``, ``BoundBodies`` (app/ops/logs.py, app/ops/metrics.py and app/http/bodies.py hold the others).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.problems import respond

R = TypeVar("R")

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
    """Adds headers that the answer does not set itself; what is no page may neither be cached nor run anything."""

    def __init__(self, app: ASGIApp, pages: Iterable[str] = PAGES) -> None:
        self._app, self._pages = app, tuple(pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path: str = scope["path"]
        of_page = any(path == page or path.startswith(page + "/") for page in self._pages)
        added = PAGE_HEADERS if of_page else API_HEADERS

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [*message.get("headers", ())]
                named = {name.lower() for name, _ in own}
                message["headers"] = own + [header for header in added if header[0] not in named]
            await send(message)

        await self._app(scope, receive, sent)


async def unless_disconnected(request: Request, work: Coroutine[Any, Any, R]) -> R:
    """What ``work`` returns; when the client hangs up first, cancels it and raises ``ClientDisconnect``.

    The request's body must have been read to its end.
    """
    task, gone = asyncio.current_task(), asyncio.create_task(_disconnect(request.receive))
    assert task is not None
    left = False

    def leave(watch: asyncio.Task[None]) -> None:
        nonlocal left
        if not watch.cancelled() and watch.exception() is None:
            left = True
            task.cancel()

    gone.add_done_callback(leave)
    try:
        return await work
    except asyncio.CancelledError:
        if left and task.uncancel() == 0:
            raise ClientDisconnect from None
        raise
    finally:
        gone.remove_done_callback(leave)
        gone.cancel()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
