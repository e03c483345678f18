"""Banks as cards that are looked at anew while the page is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nicegui import ui

from app.console.pages.banks.words import BANKS as TEXT
from app.console.view import View
from app.console.widgets.blocks import badge, block, decision_count, figure
from app.console.widgets.controls import more
from app.console.words import percent
from app.learning import banks
from app.learning.banks import Glance
from app.store.page import Page
from app.store.schema import ACTIVE_STATES

CARDS = 24
LOOK_SECONDS = 4.0
Foot = Callable[[Glance], None]
STATES: Mapping[str, tuple[str, str]] = {
    "ready": ("check_circle", "accept"),
    "loading": ("hourglass_top", "neutral"),
    "not_loaded": ("check_circle", "accept"),
    "no_version": ("school", "neutral"),
    "quarantined": ("gpp_bad", "reject"),
    "undecidable": ("gpp_bad", "reject"),
    "building": ("construction", "accent"),
}


async def first(view: View, cursor: str | None = None) -> Page[Glance]:
    """A page of banks, from the cursor on."""
    return await view.run(lambda: banks.glances(view.service.inspecting, cursor, CARDS))


class Cards:
    """Every bank shown; what it does is looked at anew, and its buttons stay in place meanwhile."""

    def __init__(self, view: View, foot: Foot) -> None:
        self._view, self._foot, self._grid, self._below = view, foot, block("n-grid"), ui.element("div")
        self._live: dict[str, tuple[Glance, ui.element, ui.element]] = {}
        self._end: str | None = None

    def follow(self, found: Page[Glance]) -> None:
        """Show these, and keep them as the server has them."""
        self._fill(found)
        ui.timer(LOOK_SECONDS, self._view.handler(self._look), immediate=False)

    def _fill(self, found: Page[Glance]) -> None:
        """Cards, and a button for the next ones while there are any."""
        with self._grid:
            for glance in found.items:
                self._live[glance.bank.id] = glance, *_card(self._view, glance, self._foot)
        self._end = found.next
        self._below.clear()
        if found.next is not None:
            with self._below:
                more(self._view, self._more)

    async def _more(self) -> None:
        self._fill(await first(self._view, self._end))

    async def _look(self) -> None:
        view, count = self._view, len(self._live)
        found = await view.run(lambda: banks.glances(view.service.inspecting, None, max(CARDS, count + 1)))
        now = {glance.bank.id: glance for glance in found.items[:count]}
        if now.keys() != self._live.keys() or (self._end is None and len(found.items) > count):
            self._grid.clear()  # banks came or went
            self._live.clear()
            self._fill(found if found.next is None else await first(view))
            return
        for id, glance in now.items():
            before, state, live = self._live[id]
            if _told(before) != _told(glance):
                self._live[id] = glance, state, live
                _refill(glance, state, live)


def _told(glance: Glance) -> tuple[object, ...]:
    """What a card says of a bank."""
    version = glance.version.number if glance.version else None
    return _state(glance), version, glance.nominal_images, glance.false_reject, glance.decisions


def _state(glance: Glance) -> str:
    building = glance.build is not None and glance.build.state in ACTIVE_STATES
    return "building" if building else glance.state


def _card(view: View, glance: Glance, foot: Foot) -> tuple[ui.element, ui.element]:
    """The elements that hold its state and its numbers."""
    bank = glance.bank
    with block("n-card", "article").mark(f"bank-{bank.id}"):
        with block("n-card-head"):
            with ui.element("div"):
                with block("n-card-title", "a").props(f'href="{_first_page(view, glance)}"'):
                    ui.label(bank.title)
                ui.label(bank.id).classes("n-caption")
            state = block("n-card-state")
        live = block("n-card-live", aria_live="off")
        _refill(glance, state, live)
        foot(glance)
    return state, live


def _refill(glance: Glance, state: ui.element, live: ui.element) -> None:
    state.clear()
    live.clear()
    icon, kind = STATES[_state(glance)]
    with state:
        badge(TEXT.states[_state(glance)], icon, kind)
    with live:
        _figures(glance)
        _last_day(glance)


def _first_page(view: View, glance: Glance) -> str:
    """Where a bank's name leads: its version, or to teaching it."""
    if glance.version is None:
        return view.url("banks", glance.bank.id, "teach")
    return view.url("banks", glance.bank.id, "versions", glance.version.number)


def _figures(glance: Glance) -> None:
    version = TEXT.no_version if glance.version is None else str(glance.version.number)
    with block("n-figures n-figures-3"):
        figure(TEXT.active_version, version)
        figure(TEXT.nominal, f"{glance.nominal_images:,}")
        figure(TEXT.target, percent(glance.false_reject))


def _last_day(glance: Glance) -> None:
    with ui.element("div"):
        ui.label(TEXT.last_day).classes("n-figure-name")
        with block("n-row n-counts"):
            if not glance.decisions:
                ui.label(TEXT.nothing_inspected).classes("n-caption")
                return
            decision_count("accept", glance.decisions.get("accept", 0))
            decision_count("review", glance.decisions.get("review", 0))
            decision_count("reject", glance.decisions.get("reject", 0))
