"""The rail, with every page that has a place in it, and the top bar: bank switcher, health, appearance, account."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from app.console.view import Page, View, all_pages
from app.console.widgets.blocks import block
from app.console.words import SHELL
from app.lifecycle import health
from app.lifecycle.keys import LOCAL
from app.lifecycle.vitals import State

LOOK_SECONDS = 10.0
THEMES = (
    ("light", SHELL.light, "light_mode"),
    ("dark", SHELL.dark, "dark_mode"),
    ("system", SHELL.system, "contrast"),
)


def rail(view: View) -> None:
    """Pages of no bank, then this bank's, then the system's."""
    shown = [page for page in all_pages() if page.order is not None]
    with block("n-rail", "nav").props(f'aria-label="{SHELL.navigation}"'):
        _brand(view)
        _entries(view, [page for page in shown if not page.of_bank and (page.order or 0) < 20])
        ui.label(view.bank.title if view.bank else SHELL.this_bank).classes("n-rail-group")
        _entries(view, [page for page in shown if page.of_bank])
        block("n-rail-space")
        _entries(view, [page for page in shown if not page.of_bank and (page.order or 0) >= 20])


def _brand(view: View) -> None:
    with block("n-brand", "a").props(f'href="{view.url()}/" aria-label="{SHELL.product}"'):
        block("n-mark", "span")
        ui.label(SHELL.product).classes("n-rail-name")


def _entries(view: View, pages: list[Page]) -> None:
    for page in pages:
        _entry(view, page)


def _entry(view: View, page: Page) -> None:
    """A link, or where it needs a bank and there is none, its name with the reason."""
    if page.of_bank and view.bank is None:
        with block("n-rail-item n-off", "span").props('aria-disabled="true"'):
            _icon_and_name(page)
            ui.tooltip(SHELL.no_bank_yet)
        return
    with block("n-rail-item", "a").props(f'href="{_target(view, page)}"') as link:
        _icon_and_name(page)
        if view.page.path == page.path or (page.of_bank and view.page.path.startswith(page.path + "/")):
            link.props('aria-current="page"')


def _icon_and_name(page: Page) -> None:
    ui.icon(page.icon or "circle").props('aria-hidden="true"')
    ui.label(page.name).classes("n-rail-name")


def _target(view: View, page: Page) -> str:
    bank = view.bank.id if view.bank is not None else ""
    return view.url() + page.path.replace("{bank}", bank)  # ids are slugs: nothing to escape


def topbar(view: View) -> Callable[[], None]:
    """Above every page. Call what this gives once the page is built: a timer has NiceGUI send the page as it is."""
    with block("n-topbar", "header"):
        _switcher(view)
        block("n-space")
        watch = _health(view)
        _theme()
        _account(view)
    return watch


def _switcher(view: View) -> None:
    label = view.bank.title if view.bank is not None else SHELL.all_banks
    with ui.button(label, icon="inventory_2", color=None).props("flat no-caps dense") as button:
        button.props["aria-label"] = SHELL.switch_bank.format(bank=label)  # begins with what is seen
        button.classes("n-switcher").props('icon-right="expand_more"')
        with ui.menu().classes("n-menu"):
            for bank in view.banks:
                target = _same_page(view.page).replace("{bank}", bank.id)
                _menu_link(bank.title, view.url() + target, bank.id)
            ui.separator()
            _menu_link(SHELL.all_banks, f"{view.url()}/")


def _same_page(page: Page) -> str:
    """Where switching leads: the same page of the other bank, or a bank's first."""
    if page.of_bank and page.order is not None:
        return page.path
    return next((each.path for each in all_pages() if each.of_bank), "/")


def _menu_link(name: str, url: str, caption: str = "") -> None:
    with ui.element("q-item").props(f'clickable href="{url}" tag="a"'), ui.element("q-item-section"):
        ui.label(name)
        if caption:
            ui.label(caption).classes("n-caption")


def _health(view: View) -> Callable[[], None]:
    """A pill, looked at anew while the page is open; this is also where an ended session is noticed."""
    with block("n-pill").props('role="status"') as pill:
        icon, word = ui.icon("circle"), ui.label("")

    async def look() -> None:
        state = health.overall(view.service, known=None)
        kind, symbol, text = _told(state)
        pill.classes(replace=f"n-pill n-{kind}")
        icon.name, word.text = symbol, text

    def watch() -> None:
        ui.timer(LOOK_SECONDS, view.handler(look))

    return watch


def _told(state: State) -> tuple[str, str, str]:
    """(class, icon, words) of the server's health."""
    if state["draining"]:
        return "review", "power_settings_new", SHELL.health_draining
    if not state["ready"]:
        return "review", "hourglass_top", SHELL.health_warming
    if state["faults"]:
        return "reject", "error", SHELL.health_degraded.format(faults=", ".join(state["faults"]))
    return "accept", "check_circle", SHELL.health_ok


def _theme() -> None:
    with (
        ui.button(icon="contrast", color=None)
        .props(f'flat round dense aria-label="{SHELL.theme}"')
        .classes("n-icon-button"),
        ui.menu().classes("n-menu"),
    ):
        for value, name, icon in THEMES:
            with ui.element("q-item").props("clickable v-close-popup") as item:
                item.on("click", js_handler=f"() => nominal.setTheme('{value}')")
                with ui.element("q-item-section").props("avatar"):
                    ui.icon(icon)
                with ui.element("q-item-section"):
                    ui.label(name)


def _account(view: View) -> None:
    local = view.actor.id == LOCAL
    with ui.button(icon="account_circle", color=None).props(
        f'flat round dense aria-label="{SHELL.account}"'
    ) as button:
        button.classes("n-icon-button")
        with ui.menu().classes("n-menu n-account"):
            ui.label(SHELL.local_user if local else view.actor.name).classes("n-strong")
            if not local:
                signed_in = SHELL.signed_in_person if view.actor.is_person else SHELL.signed_in
                ui.label(signed_in.format(id=view.actor.id)).classes("n-caption")
            ui.label(SHELL.role.format(role=view.actor.role)).classes("n-caption")
            if local:
                ui.label(SHELL.local_hint).classes("n-caption")
            else:
                _sign_out(view)


def _sign_out(view: View) -> None:
    with ui.element("form").props(f'method="post" action="{view.url("sign-out")}"'):
        ui.button(SHELL.sign_out, icon="logout", color=None).props("flat no-caps dense type=submit")
