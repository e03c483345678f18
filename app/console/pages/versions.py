"""A bank's versions, newest first."""

from __future__ import annotations

from nicegui import ui

from app.console.formats import age, percent, size
from app.console.pages.version import state_badge
from app.console.registry import page
from app.console.text.shell import SHELL
from app.console.text.versions import VERSIONS as TEXT
from app.console.view import View
from app.console.widgets.buttons import primary, secondary
from app.console.widgets.layout import page_header, section
from app.console.widgets.states import empty_state
from app.store.schema import Bank, Version

ROWS = 50
HEADS = (TEXT.number, TEXT.state, TEXT.created, TEXT.images, TEXT.vectors, TEXT.supports, TEXT.file)


@page("/banks/{bank}/versions", TEXT.name, icon="layers", order=70)
async def show(view: View) -> None:
    """A table; each row leads to its version."""
    assert view.bank is not None
    bank = view.bank
    page_header(TEXT.name, TEXT.lead.format(bank=bank.title))
    rows = await view.run(lambda: view.service.store.versions.all(bank.id))
    if not rows:
        with empty_state("layers", TEXT.none, TEXT.none_hint):
            primary(view, TEXT.to_teach, lambda: view.go(view.url("banks", bank.id, "teach")), icon="school")
        return
    with section():
        with ui.element("table").classes("n-table"):
            with ui.element("thead"), ui.element("tr"):
                for head in HEADS:
                    with ui.element("th"):
                        ui.label(head)
            body = ui.element("tbody")
        below = ui.element("div").classes("n-more")
    _fill(view, bank, rows, body, below)


def _fill(view: View, bank: Bank, rows: list[Version], body: ui.element, below: ui.element) -> None:
    with body:
        for row in rows[:ROWS]:
            _row(view, bank, row)
    below.clear()
    if len(rows) > ROWS:
        with below:
            secondary(view, SHELL.load_more, lambda: _fill(view, bank, rows[ROWS:], body, below))


def _row(view: View, bank: Bank, version: Version) -> None:
    summary = version.summary
    with ui.element("tr"):
        with ui.element("td"), ui.element("a") as link:
            link.props["href"] = view.url("banks", bank.id, "versions", version.number)
            ui.label(TEXT.one.format(n=version.number))
        with ui.element("td"):
            state_badge(bank, version)
        supported = percent(summary["supported_false_reject"])
        images, vectors = f"{summary['images']:,}", f"{summary['vectors']:,}"
        for text in (age(version.created_at), images, vectors, supported, size(version.bytes)):
            with ui.element("td"):
                ui.label(text)
