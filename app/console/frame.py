"""The frame around every page: rail, top bar, content; and how a registered page becomes a route."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from fastapi import Request
from nicegui import ui

from app.console.assets import asset
from app.console.rail import rail
from app.console.registry import Page
from app.console.text.shell import SHELL
from app.console.topbar import topbar
from app.console.view import SHOWN, View
from app.console.widgets.states import error_state
from app.store.errors import NotFound
from app.store.schema import Bank

log = logging.getLogger(__name__)

BANKS_OFFERED = 200  # by the switcher; the rest are on the page of all banks
BUILD_SECONDS = 20.0
THEME_COOKIE, BANK_COOKIE = "nominal_theme", "nominal_bank"
THEMES = {"light": False, "dark": True}


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
        with ui.element("div").classes("n-main").props('id="main" tabindex="-1"'):
            if fault is None:
                await _content(view)
            else:
                error_state(view, fault)
        watch()


async def _look_up(view: View) -> Exception | None:
    """The banks of switcher and path; what keeps the page from being shown, if anything does."""
    try:
        view.banks = (await view.run(lambda: view.service.store.banks.page(limit=BANKS_OFFERED))).items
        name = view.params.get("bank") or view.connection.cookies.get(BANK_COOKIE)
        view.bank = await view.run(partial(_bank, view, name))
        await view.admit(view.page.role)
    except SHOWN as error:
        return error
    return None


def _bank(view: View, name: str | None) -> Bank | None:
    """The path's bank; on pages of no bank the one looked at last, else the first. Raises NotFound for the path's."""
    if name is not None:
        try:
            return view.service.store.banks.get(name)
        except NotFound:
            if view.page.of_bank:
                raise
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
    bank = view.bank.id if view.bank is not None and view.page.of_bank else ""
    ui.add_head_html(
        f'<link rel="stylesheet" href="{root}{asset("console.css")}">'
        f'<script src="{root}{asset("console.js")}" data-root="{root or "/"}" data-theme="{theme}" '
        f'data-bank="{bank}"></script>'
    )
    ui.dark_mode(THEMES.get(theme))
