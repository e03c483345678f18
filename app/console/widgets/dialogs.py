"""Dialogs: a question before what cannot be undone, and a form."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import ui

from app.console.text.shell import SHELL
from app.console.view import View
from app.console.widgets.buttons import Action, danger, secondary
from app.store.schema import Role


def dialog(title: str) -> tuple[ui.dialog, ui.element]:
    """(the dialog to open, the card its content goes into)."""
    with ui.dialog() as made, ui.element("div").classes("n-dialog") as card, ui.element("h2"):
        ui.label(title)
    return made, card


@contextmanager
def actions(view: View, made: ui.dialog) -> Iterator[None]:
    """The last row of a dialog: Cancel, then the buttons made in the block."""
    with ui.element("div").classes("n-row n-dialog-actions"):
        secondary(view, SHELL.cancel, made.close)
        yield


def show(made: ui.dialog) -> None:
    """Open a finished dialog, once: closed, it is gone."""
    made.on("hide", made.delete)
    made.open()


def confirm(view: View, title: str, text: str, word: str, act: Action, role: Role = "admin") -> None:
    """Ask; ``word`` names the act on its button. The act runs once it is pressed."""
    made, card = dialog(title)

    async def agreed() -> None:
        made.close()
        await view.handler(act, role)(None)

    with card:
        ui.label(text)
        with actions(view, made):
            danger(view, word, agreed, role=role)
    show(made)
