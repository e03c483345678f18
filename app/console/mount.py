"""``mount(app)``: the console under /console of an application, started and stopped with it.

NiceGUI is one application per process, with routes, clients and an event loop of its own. So pages are registered once,
by the first import, and find the service they work for in their request's scope, where ``Entrance`` puts it. One
application after another may mount it; two at the same time may not, and the second one's start says so.

Pictures, uploads, inspections and exports are the API's own routes (``REUSED``), below /console and behind the same
``Entrance``, which settles by session who calls. The API under /v1 itself takes no cookie.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import pkgutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Literal

from fastapi import FastAPI, Request
from nicegui import app as pages_app
from nicegui import ui
from nicegui.translations import translations
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from app.console import links, pages, people, pictures, session
from app.console.assets import STATIC, CacheAssets, asset
from app.console.navigation import rail, topbar
from app.console.session import Entrance, Sessions, secret_of
from app.console.view import SHOWN, Page, View, all_pages
from app.console.widgets.blocks import block
from app.console.widgets.controls import error_state
from app.console.words import SHELL
from app.errors import StartRefused
from app.http import problems
from app.http.routes import checks, defects, images, inspect, inspections, masks, screenings, versions
from app.lifecycle import Service
from app.store.errors import NotFound
from app.store.schema import Bank

PREFIX = "/console"
REUSED = (
    inspect,
    checks,
    defects,
    images,
    inspections,
    masks,
    screenings,
    versions,
)  # of the API, also below PREFIX
LANGUAGE: Literal["en-US"] = "en-US"
RECONNECT_SECONDS = 15.0  # that a page's state outlives its connection
BRAND = {  # Quasar's colours are those of console.css
    **dict.fromkeys(("primary", "secondary", "accent", "info"), "var(--n-accent)"),
    "positive": "var(--n-accept)",
    "warning": "var(--n-review)",
    "negative": "var(--n-reject)",
    "dark": "var(--n-surface)",
    "dark_page": "var(--n-page)",
}
log = logging.getLogger(__name__)

BANKS_OFFERED = 200  # by the switcher; the rest are on the page of all banks
BUILD_SECONDS = 20.0
THEME_COOKIE, BANK_COOKIE = "nominal_theme", "nominal_bank"
THEMES = {"light": False, "dark": True}


class Console:
    """ASGI: routes and pages once the service runs. Only pages are compressed: pictures and bundles are already."""

    def __init__(self, pages: ASGIApp) -> None:
        self._site = FastAPI(openapi_url=None)
        problems.install(self._site)
        for module in (session, links, people, pictures, *REUSED):
            self._site.include_router(module.router)
        self._site.mount("/", CacheAssets(GZipMiddleware(pages, minimum_size=1024, compresslevel=3)))
        self._entrance: Entrance | None = None

    def open(self, service: Service) -> None:
        """From now on routes and pages work for this service. Raises StoreError where its secret cannot be kept."""
        self._site.state.service = service
        self._entrance = Entrance(self._site, service, Sessions(secret_of(service.settings, service.store)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._entrance is not None  # the lifespan has begun
        await self._entrance(scope, receive, send)


def mount(app: FastAPI) -> None:
    """Serve the console under ``PREFIX``, and lead there from the root. The lifespan becomes the console's too."""
    console = Console(_pages())
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


@cache
def _pages() -> ASGIApp:
    """The one application of pages, made at the first call: no network, no welcome, no storage, our words."""
    pages_app.config.add_run_config(
        reload=False,
        title=SHELL.product,
        viewport="width=device-width, initial-scale=1",
        favicon=STATIC / "icon.svg",
        dark=None,
        language=LANGUAGE,
        binding_refresh_interval=None,
        reconnect_timeout=RECONNECT_SECONDS,
        message_history_length=200,
        tailwind=False,
        unocss=None,
        prod_js=True,
        show_welcome_message=False,
        markdown=False,
    )
    pages_app.colors(**BRAND)
    pages_app.config.quasar_config["loadingBar"]["skipHijack"] = True  # uploads show their own progress
    translations[LANGUAGE] = {
        "connection_lost": SHELL.connection_lost,
        "trying_to_reconnect": SHELL.reconnecting,
        "message_too_long": SHELL.message_too_long,
        "message_too_long_body": SHELL.message_too_long_body,
    }
    pages_app.mount("/static", StaticFiles(directory=STATIC), name="console-static")
    for module in pkgutil.walk_packages(pages.__path__, f"{pages.__name__}."):
        importlib.import_module(module.name)
    for page in all_pages():
        show(page)
    return pages_app


def show(page: Page) -> None:
    """Register the route of a page."""

    @ui.page(page.path, title=SHELL.title.format(page=page.name), response_timeout=BUILD_SECONDS)
    async def built(request: Request) -> None:
        view = View(page, ui.context.client)
        fault = await _look_up(view)
        _head(view)
        ui.link(SHELL.skip, "#main").classes("n-skip")
        rail(view)
        watch = topbar(view)
        with block("n-main").props('id="main" tabindex="-1"'):
            if fault is None:
                await _content(view)
            else:
                error_state(view, fault)
        watch()


async def _look_up(view: View) -> Exception | None:
    """The banks of switcher and path; what keeps the page from being shown, if anything does."""
    try:
        view.banks = (await view.run(lambda: view.store.banks.page(limit=BANKS_OFFERED))).items
        named = view.params.get("bank") or (await view.page.finds(view) if view.page.finds else None)
        view.bank, view.about_it = await view.run(partial(_bank, view, named)), named is not None
        await view.admit(view.page.role)
    except SHOWN as error:
        return error
    return None


def _bank(view: View, named: str | None) -> Bank | None:
    """The bank that the page is about, None once that is gone; else the one looked at last, or the first.

    Raises NotFound for the path's.
    """
    name = named or view.connection.cookies.get(BANK_COOKIE)
    if name is not None:
        try:
            return view.store.banks.get(name)
        except NotFound:
            if view.page.of_bank:
                raise
            if named is not None:
                return None
    return view.banks[0] if view.banks else None


async def _content(view: View) -> None:
    try:
        await view.page.build(view)
    except SHOWN as error:
        error_state(view, error)
    except asyncio.CancelledError:
        raise
    except Exception:
        log.exception("the page %s could not be built", view.page.path)
        error_state(view, None)


def _head(view: View) -> None:
    """Our style and script, and the appearance chosen here before, set before anything is painted."""
    root = view.url()
    chosen = view.connection.cookies.get(THEME_COOKIE)
    theme = chosen if chosen in THEMES else "system"
    bank = view.bank.id if view.bank is not None and view.about_it else ""
    ui.add_head_html(
        f'<link rel="stylesheet" href="{root}{asset("console.css")}">'
        f'<script src="{root}{asset("console.js")}" data-root="{root or "/"}" data-theme="{theme}" '
        f'data-bank="{bank}"></script>'
    )
    ui.dark_mode(THEMES.get(theme))
