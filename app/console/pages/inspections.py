"""Inspections: the ledger a page at a time, filtered, exported."""

from __future__ import annotations

from nicegui import ui

from app.console.filters import Wanted
from app.console.formats import age, moment, score
from app.console.parts import scripts
from app.console.parts.answer import name_of, verdict_badge
from app.console.parts.elements import block, text
from app.console.parts.filter_bar import export_links, filter_bar, names
from app.console.registry import page
from app.console.text.inspections import INSPECTIONS as TEXT
from app.console.view import View
from app.console.widgets.badges import decision_badge
from app.console.widgets.buttons import secondary
from app.console.widgets.layout import page_header
from app.console.widgets.states import empty_state
from app.store.page import Page
from app.store.schema import Inspection

ROWS = 50


@page("/inspections", TEXT.name, icon="list_alt", order=14)
async def show(view: View) -> None:
    """A page of the ledger; the address names filters and place."""
    scripts.use(view, "inspection.css")
    wanted, at = Wanted.of(view.connection.query_params), view.url("inspections")
    with page_header(TEXT.name, TEXT.lead):
        export_links(view, wanted)
    filter_bar(view, wanted, at, verdicts=True)
    before = view.query("before")
    found = await view.run(
        lambda: view.service.store.inspections.page(wanted.filter(), before=before, limit=ROWS)
    )
    if not found.items:
        _nothing(view, wanted, at)
        return
    with block("n-section n-table-section"):
        _table(view, found.items)
    await _pager(view, wanted, at, before, found)


def _nothing(view: View, wanted: Wanted, at: str) -> None:
    if wanted == Wanted():
        empty_state("list_alt", TEXT.none, TEXT.none_hint)
        return
    with empty_state("filter_alt_off", TEXT.no_match, TEXT.no_match_hint):
        secondary(view, TEXT.clear, lambda: view.go(at))


def _table(view: View, rows: list[Inspection]) -> None:
    titles = names(view.banks)
    with block("n-table n-ledger", "table"):
        with ui.element("thead"), ui.element("tr"):
            for name in (TEXT.part, TEXT.decision, TEXT.score, TEXT.verdict, TEXT.bank, TEXT.when):
                text(name, tag="th").props('scope="col"')
        with ui.element("tbody"):
            for row in rows:
                _row(view, row, titles.get(row.bank, row.bank))


def _row(view: View, row: Inspection, bank: str) -> None:
    with ui.element("tr"):
        with ui.element("td"), block("n-ledger-part", "a", href=view.url("inspections", row.id)):
            ui.label(name_of(row))
        with ui.element("td"):
            decision_badge(row.decision)
        text(score(row.score), "n-number", "td")
        with ui.element("td"):
            if row.verdict is not None:
                verdict_badge(row)
            else:
                ui.label(TEXT.verdicts["none"]).classes("n-caption")
        text(bank, "n-ledger-bank", "td")
        text(age(row.created_at), "n-caption", "td").props["title"] = moment(row.created_at)


async def _pager(view: View, wanted: Wanted, at: str, before: str | None, found: Page[Inspection]) -> None:
    """Links, so that the browser's own way back works."""
    newer: str | None = None
    if before is not None:
        first = found.items[0].id
        newer = await view.run(
            lambda: view.service.store.inspections.cursor_of_newer(wanted.filter(), first, ROWS)
        )
    with block("n-pager", "nav"):
        ui.label(TEXT.page(len(found.items))).classes("n-caption")
        ui.element("div").classes("n-space")
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
