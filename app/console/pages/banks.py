"""Every bank as a card; create, rename, delete."""

from __future__ import annotations

from collections.abc import Mapping

from nicegui import ui

from app.console.formats import percent
from app.console.parts.bank_dialogs import ask_new_bank, ask_new_title
from app.console.registry import page
from app.console.text.banks import BANKS as TEXT
from app.console.text.shell import SHELL
from app.console.view import View
from app.console.widgets.badges import badge, decision_count
from app.console.widgets.buttons import primary, secondary
from app.console.widgets.dialogs import confirm
from app.console.widgets.layout import figure, page_header
from app.console.widgets.states import empty_state
from app.insight import overview
from app.insight.overview import Glance
from app.learning import banks
from app.store.schema import ACTIVE_STATES

CARDS = 24
STATES: Mapping[str, tuple[str, str]] = {
    "ready": ("check_circle", "accept"),
    "loading": ("hourglass_top", "neutral"),
    "not_loaded": ("check_circle", "accept"),
    "no_version": ("school", "neutral"),
    "quarantined": ("gpp_bad", "reject"),
    "building": ("construction", "accent"),
}


@page("/", TEXT.name, icon="grid_view", order=10)
async def show(view: View) -> None:
    """The first page."""
    with page_header(TEXT.name, TEXT.lead):
        primary(view, TEXT.create, lambda: ask_new_bank(view), icon="add", role="admin")
    found = await view.run(lambda: overview.page(view.service.inspecting, None, CARDS))
    if not found.items:
        with empty_state("grid_view", TEXT.none, TEXT.none_hint):
            primary(view, TEXT.create, lambda: ask_new_bank(view), icon="add", role="admin")
        return
    grid = ui.element("div").classes("n-grid")
    with grid:
        for glance in found.items:
            _card(view, glance)
    _more(view, grid, found.next)


def _more(view: View, grid: ui.element, cursor: str | None) -> None:
    """A button for the next cards, while there are any."""
    if cursor is None:
        return

    async def load() -> None:
        found = await view.run(lambda: overview.page(view.service.inspecting, cursor, CARDS))
        holder.delete()
        with grid:
            for glance in found.items:
                _card(view, glance)
        with below:
            _more(view, grid, found.next)

    below = ui.element("div").classes("n-more")
    with below, ui.element("div") as holder:
        secondary(view, SHELL.load_more, load)


def _card(view: View, glance: Glance) -> None:
    bank = glance.bank
    building = glance.build is not None and glance.build.state in ACTIVE_STATES
    state = "building" if building else glance.state
    icon, kind = STATES[state]
    with ui.element("article").classes("n-card").mark(f"bank-{bank.id}"):
        with ui.element("div").classes("n-card-head"):
            with ui.element("div"):
                with ui.element("a").classes("n-card-title").props(f'href="{_first_page(view, glance)}"'):
                    ui.label(bank.title)
                ui.label(bank.id).classes("n-caption")
            badge(TEXT.states[state], icon, kind)
        _figures(glance)
        _last_day(glance)
        _foot(view, glance)


def _first_page(view: View, glance: Glance) -> str:
    """Where a bank's name leads: its version, or to teaching it."""
    if glance.version is None:
        return view.url("banks", glance.bank.id, "teach")
    return view.url("banks", glance.bank.id, "versions", glance.version.number)


def _figures(glance: Glance) -> None:
    version = TEXT.no_version if glance.version is None else str(glance.version.number)
    with ui.element("div").classes("n-figures n-figures-3"):
        figure(TEXT.active_version, version)
        figure(TEXT.nominal, f"{glance.nominal_images:,}")
        figure(TEXT.target, percent(glance.false_reject))


def _last_day(glance: Glance) -> None:
    with ui.element("div"):
        ui.label(TEXT.last_day).classes("n-figure-name")
        with ui.element("div").classes("n-row n-counts"):
            if not glance.decisions:
                ui.label(TEXT.nothing_inspected).classes("n-caption")
                return
            decision_count("accept", glance.decisions.get("accept", 0))
            decision_count("review", glance.decisions.get("review", 0))
            decision_count("reject", glance.decisions.get("reject", 0))


def _foot(view: View, glance: Glance) -> None:
    bank = glance.bank
    with ui.element("div").classes("n-card-foot"):
        secondary(view, TEXT.teach, lambda: view.go(view.url("banks", bank.id, "teach")), icon="school")
        ui.element("div").classes("n-space")
        with (
            ui.button(icon="more_vert", color=None)
            .props(f'flat round dense aria-label="{TEXT.more}"')
            .classes("n-icon-button"),
            ui.menu().classes("n-menu"),
        ):
            rename = ui.menu_item(TEXT.rename, view.handler(lambda: ask_new_title(view, bank), "admin"))
            delete = ui.menu_item(TEXT.delete, view.handler(lambda: _ask_delete(view, glance), "admin"))
        if (reason := view.why_not("admin")) is not None:
            for item in (rename, delete):
                item.props("disable").tooltip(reason)


def _ask_delete(view: View, glance: Glance) -> None:
    bank = glance.bank

    async def delete() -> None:
        await banks.delete(view.service.learning, bank.id, None, view.actor.id)
        view.go(f"{view.url()}/")

    confirm(view, TEXT.delete_title.format(title=bank.title), TEXT.delete_text, TEXT.delete, delete)
