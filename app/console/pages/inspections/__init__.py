"""Inspections: the ledger a page at a time, filtered, exported; and the page of one, where it is reviewed."""

from __future__ import annotations

from nicegui import ui

from app.console.pages.inspections.sheet import Sheet
from app.console.pages.inspections.words import INSPECTIONS as TEXT
from app.console.view import View, page
from app.console.widgets.answer import name_of
from app.console.widgets.blocks import (
    block,
    decision_badge,
    empty_state,
    page_header,
    table,
    text,
    verdict_of,
)
from app.console.widgets.controls import secondary
from app.console.widgets.filters import Wanted, export_links, filter_bar
from app.console.widgets.viewer import thumbnail
from app.console.widgets.words import FILTERS
from app.console.words import age, moment, score
from app.store.page import Page
from app.store.schema import Inspection

ROWS = 50
LOOK_SECONDS = 4.0


async def _filtered(view: View) -> str | None:
    return view.query("bank")


async def _inspected_by(view: View) -> str | None:
    row = await view.run(lambda: view.store.inspections.get(view.params["id"]))
    return row.bank


@page("/inspections", TEXT.name, icon="list_alt", order=14, finds=_filtered)
async def show(view: View) -> None:
    """A page of the ledger; the address names filters and place."""
    view.use("inspection.css")
    wanted, at = Wanted.asked(view), view.url("inspections")
    with page_header(TEXT.name, TEXT.lead):
        export_links(view, wanted)
    filter_bar(view, wanted, at, verdicts=True)
    await Ledger(view, wanted, at).open()


class Ledger:
    """One page of the list; the newest one follows the line."""

    def __init__(self, view: View, wanted: Wanted, at: str) -> None:
        self._view, self._wanted, self._at = view, wanted, at
        self._before = view.query("before")
        self._shown: list[tuple[str, str | None]] | None = None
        self._live = ui.switch(TEXT.live, value=True).props("dense").classes("n-live-switch")
        self._live.set_visibility(self._before is None)
        self._body = block("n-ledger-page")

    async def open(self) -> None:
        """Shown, and looked at anew while it is the newest page."""
        await self._look()
        if self._before is None:
            ui.timer(LOOK_SECONDS, self._view.handler(self._follow), immediate=False)

    async def _follow(self) -> None:
        if self._live.value:
            await self._look()

    async def _look(self) -> None:
        """Drawn anew only where something has changed."""
        view, which = self._view, self._wanted.filter()
        found = await view.run(lambda: view.store.inspections.page(which, before=self._before, limit=ROWS))
        now: list[tuple[str, str | None]] = [(row.id, row.verdict) for row in found.items]
        if now == self._shown:
            return
        self._shown = now
        pager = await _places(view, self._wanted, self._before, found)
        self._body.clear()
        with self._body:
            if not found.items:
                _nothing(view, self._wanted, self._at)
                return
            with block("n-section n-table-section"):
                _table(view, found.items)
            _pager(self._wanted, self._at, self._before, found, pager)


def _nothing(view: View, wanted: Wanted, at: str) -> None:
    if not wanted.anything:
        empty_state("list_alt", TEXT.none, TEXT.none_hint)
        return
    with empty_state("filter_alt_off", TEXT.no_match, FILTERS.hint):
        secondary(view, FILTERS.clear, lambda: view.go(at))


def _table(view: View, rows: list[Inspection]) -> None:
    titles = {bank.id: bank.title for bank in view.banks}
    heads = (TEXT.part, FILTERS.decision, TEXT.score, FILTERS.verdict, FILTERS.bank, TEXT.when)
    with table(*heads, classes="n-table n-ledger"):
        for row in rows:
            _row(view, row, titles.get(row.bank, row.bank))


def _row(view: View, row: Inspection, bank: str) -> None:
    with ui.element("tr"):
        with ui.element("td"), block("n-row n-nowrap"):
            thumbnail(view, row, side=144, opens=False)
            with block("n-ledger-part", "a", href=view.url("inspections", row.id)):
                ui.label(name_of(row))
        with ui.element("td"):
            decision_badge(row.decision)
        text(score(row.score), "n-number", "td")
        with ui.element("td"):
            verdict_of(row)
        text(bank, "n-ledger-bank", "td")
        text(age(row.created_at), "n-caption", "td").props["title"] = moment(row.created_at)


async def _places(view: View, wanted: Wanted, before: str | None, found: Page[Inspection]) -> str | None:
    """The cursor of the page before."""
    if before is None or not found.items:
        return None
    first = found.items[0].id
    return await view.run(lambda: view.store.inspections.cursor_of_newer(wanted.filter(), first, ROWS))


def _pager(wanted: Wanted, at: str, before: str | None, found: Page[Inspection], newer: str | None) -> None:
    """Links, so that the browser's own way back works."""
    with block("n-pager", "nav"):
        ui.label(TEXT.page(len(found.items))).classes("n-caption")
        block("n-space")
        _step(TEXT.newest, "first_page", at + wanted.query() if before else None)
        _step(TEXT.newer, "chevron_left", at + wanted.query(before=newer) if before else None)
        _step(TEXT.older, "chevron_right", at + wanted.query(before=found.next) if found.next else None)


def _step(name: str, icon: str, url: str | None) -> None:
    with block("n-step", "a" if url else "span") as step:
        ui.icon(icon).props('aria-hidden="true"')
        ui.label(name)
    if url:
        step.props["href"] = url
    else:
        step.props["aria-disabled"] = "true"


@page("/inspections/{id}", TEXT.one, finds=_inspected_by)
async def show_one(view: View) -> None:
    """The page."""
    view.use("inspection.css", "viewer.js")
    await Sheet(view).open(view.params["id"])
