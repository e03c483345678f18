"""The threshold explorer: move thresholds, see at once what they would do, save them with a note."""

from __future__ import annotations

from nicegui import ui

from app.console.parts.explorer import Explorer, open_explorer
from app.console.parts.flip_list import FlipList
from app.console.parts.threshold_chart import threshold_chart
from app.console.parts.threshold_controls import Controls
from app.console.parts.threshold_figures import threshold_figures
from app.console.parts.threshold_history import threshold_history
from app.console.parts.threshold_saving import ask_note
from app.console.registry import page
from app.console.text.thresholds import THRESHOLDS as TEXT
from app.console.view import View
from app.console.widgets.buttons import enable, primary, secondary
from app.console.widgets.layout import page_header, section
from app.console.widgets.states import empty_state


@page("/banks/{bank}/thresholds", TEXT.name, icon="tune", order=50)
async def show(view: View) -> None:
    """Of the bank's active version."""
    assert view.bank is not None
    if view.bank.active_version is None:
        page_header(TEXT.name, view.bank.title)
        _nothing(view)
        return
    explorer = await open_explorer(view)
    lead = TEXT.lead.format(bank=view.bank.title, n=explorer.subject.version)
    actions = page_header(TEXT.name, lead)
    with ui.element("div").classes("n-columns n-explorer"):
        with section(TEXT.scores, TEXT.scores_hint):
            threshold_chart(explorer)
            controls = Controls(explorer)
        with ui.element("div").classes("n-stack"):
            threshold_figures(explorer)
    with section(TEXT.flips, TEXT.flips_hint):
        FlipList(explorer)
    with section(TEXT.history):
        await threshold_history(view, view.bank.id)
    with actions:
        _actions(explorer, controls)


def _actions(explorer: Explorer, controls: Controls) -> None:
    """Reset and save, while there is something to."""
    view = explorer.view

    async def reset() -> None:
        thresholds = explorer.found.present
        if thresholds is not None:
            controls.show(thresholds)
            await explorer.attempt(
                {"review_threshold": thresholds.review, "reject_threshold": thresholds.reject}
            )

    async def saved() -> None:
        view.reload()

    undo = secondary(view, TEXT.reset, reset, icon="restart_alt")
    save = primary(view, TEXT.save, lambda: ask_note(explorer, saved), icon="save", role="admin")

    def told() -> None:
        ready = explorer.changed and explorer.fault is None
        enable(undo, ready, TEXT.nothing_changed)
        if view.may("admin"):
            enable(save, ready, explorer.fault or TEXT.nothing_changed)

    explorer.listeners.append(told)
    told()


def _nothing(view: View) -> None:
    assert view.bank is not None
    bank = view.bank.id
    with empty_state("tune", TEXT.none, TEXT.none_hint):
        primary(view, TEXT.teach, lambda: view.go(view.url("banks", bank, "teach")), icon="school")
