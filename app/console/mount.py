"""``mount(app)``: the console under /console of an application, started and stopped with it.

NiceGUI is one application a process, with routes, clients and an event loop of its own. So pages are registered once,
by the first import, and find the service they work for in their request's scope, where ``Entrance`` puts it. One
application after another may mount it; two at the same time may not, and the second one's start says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from nicegui import app as pages_app
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from app.console import host
from app.console.assets import CacheAssets
from app.console.entrance import Entrance
from app.console.session import Sessions, secret_of
from app.errors import StartRefused
from app.lifecycle.service import Service

PREFIX = "/console"


class Console:
    """ASGI: the pages once the service runs."""

    def __init__(self, pages: ASGIApp) -> None:
        self._pages = pages
        self._entrance: ASGIApp | None = None

    def open(self, service: Service) -> None:
        """From now on the pages work for this service. Raises StoreError where its secret cannot be kept."""
        entrance = Entrance(self._pages, service, Sessions(secret_of(service.settings)))
        self._entrance = CacheAssets(GZipMiddleware(entrance, minimum_size=1024, compresslevel=3))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._entrance is not None  # the lifespan has begun
        await self._entrance(scope, receive, send)


def mount(app: FastAPI) -> None:
    """Serve the console under ``PREFIX``, and lead there from the root. The lifespan becomes the console's too."""
    console = Console(host.application())
    app.router.routes.append(Mount(PREFIX, console, name="console"))
    app.add_route("/", _lead, include_in_schema=False)
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[None]:
        async with inner(application):
            console.open(application.state.service)
            async with _running():
                yield

    app.router.lifespan_context = lifespan


@asynccontextmanager
async def _running() -> AsyncIterator[None]:
    """NiceGUI's own lifespan. Raises ``StartRefused`` where another application of this process has it."""
    if not pages_app.is_stopped:
        raise StartRefused(
            requirement="one application of a process may serve the console",
            received="a second one",
            remedy="Set NOMINAL_CONSOLE=false for one of them.",
        )
    async with pages_app.router.lifespan_context(pages_app):
        yield


async def _lead(request: Request) -> Response:
    return RedirectResponse(f"{request.scope.get('root_path', '')}{PREFIX}/", 307)
