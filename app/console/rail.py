"""The navigation rail: every page of the registry that has a place in it; narrow on narrow windows."""

from __future__ import annotations

from nicegui import ui

from app.console.registry import Page, all_pages
from app.console.text.shell import SHELL
from app.console.view import View


def rail(view: View) -> None:
    """Pages of no bank, then this bank's, then the system's."""
    shown = [page for page in all_pages() if page.order is not None]
    with ui.element("nav").classes("n-rail").props(f'aria-label="{SHELL.navigation}"'):
        _brand(view)
        for page in shown:
            if not page.of_bank and (page.order or 0) < 20:
                _entry(view, page)
        ui.label(view.bank.title if view.bank else SHELL.this_bank).classes("n-rail-group")
        for page in shown:
            if page.of_bank:
                _entry(view, page)
        ui.element("div").classes("n-rail-space")
        for page in shown:
            if not page.of_bank and (page.order or 0) >= 20:
                _entry(view, page)


def _brand(view: View) -> None:
    with ui.element("a").classes("n-brand").props(f'href="{view.url()}/" aria-label="{SHELL.product}"'):
        ui.element("span").classes("n-mark")
        ui.label(SHELL.product).classes("n-rail-name")


def _entry(view: View, page: Page) -> None:
    """A link, or where it needs a bank and there is none, its name with the reason."""
    if page.of_bank and view.bank is None:
        with ui.element("span").classes("n-rail-item n-off").props('aria-disabled="true"'):
            _icon_and_name(page)
            ui.tooltip(SHELL.no_bank_yet)
        return
    with ui.element("a").classes("n-rail-item").props(f'href="{_target(view, page)}"') as link:
        _icon_and_name(page)
        if view.page.path == page.path or (page.of_bank and view.page.path.startswith(page.path + "/")):
            link.props('aria-current="page"')


def _icon_and_name(page: Page) -> None:
    ui.icon(page.icon or "circle").props('aria-hidden="true"')
    ui.label(page.name).classes("n-rail-name")


def _target(view: View, page: Page) -> str:
    bank = view.bank.id if view.bank is not None else ""
    return view.url() + page.path.replace("{bank}", bank)  # ids are slugs: nothing to escape
