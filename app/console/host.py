"""NiceGUI set up for the console: no network, no welcome, no storage, our words; every page, route and asset."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Literal

from nicegui import app as pages_app
from nicegui.translations import translations
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from app.console import inspection_routes, pages, registry, routes
from app.console.assets import STATIC
from app.console.frame import show
from app.console.text.shell import SHELL
from app.errors import AppError
from app.http import problems
from core.errors import CoreError
from models.errors import ModelError

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


@cache
def application() -> ASGIApp:
    """The one application of pages, made at the first call."""
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
    pages_app.include_router(routes.router)
    pages_app.include_router(inspection_routes.router)
    for error in (AppError, CoreError, ModelError):
        pages_app.add_exception_handler(error, problems.answer)
    for module in pkgutil.iter_modules(pages.__path__):
        importlib.import_module(f"{pages.__name__}.{module.name}")
    for page in registry.all_pages():
        show(page)
    return pages_app
