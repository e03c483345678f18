"""What stands where there is nothing to show yet, or nothing can be shown: always with what to do next."""

from __future__ import annotations

from nicegui import ui

from app.console.text.shell import SHELL
from app.console.view import View
from app.console.widgets.buttons import secondary


def empty_state(icon: str, title: str, hint: str) -> ui.element:
    """An invitation; add the button that follows it inside the block it gives."""
    with ui.element("div").classes("n-empty") as block:
        ui.icon(icon).classes("n-empty-icon").props('aria-hidden="true"')
        ui.label(title).classes("n-empty-title")
        ui.label(hint).classes("n-empty-hint")
    return block


def error_state(view: View, error: Exception | None) -> None:
    """Why a page or a part of it cannot be shown; None for what only the log explains."""
    with (
        empty_state("report_problem", SHELL.not_shown, SHELL.internal_error if error is None else str(error)),
        ui.element("div").classes("n-row"),
    ):
        secondary(view, SHELL.retry, view.reload, icon="refresh")
        secondary(view, SHELL.all_banks, lambda: view.go(f"{view.url()}/"))


def loading(words: str = SHELL.loading) -> ui.element:
    """A quiet spinner with words."""
    with ui.element("div").classes("n-loading").props('role="status"') as block:
        ui.spinner(size="20px")
        ui.label(words)
    return block
