"""Buttons, and the dialogs they open. One primary button per page; a disabled one says why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nicegui import ui

from app.console.view import View
from app.console.widgets.blocks import block, empty_state, row, text
from app.console.words import SHELL, WORDS, decimal, plain
from app.store.schema import Role

Action = Callable[..., Awaitable[Any] | Any]


def primary(view: View, text: str, act: Action, *, icon: str | None = None, role: Role = "read") -> ui.button:
    """What the page is for."""
    return _button(view, text, act, icon, role, "unelevated", "n-primary")


def secondary(
    view: View, text: str, act: Action, *, icon: str | None = None, role: Role = "read"
) -> ui.button:
    """Everything else."""
    return _button(view, text, act, icon, role, "outline", "n-secondary")


def danger(view: View, text: str, act: Action, *, icon: str | None = None, role: Role = "read") -> ui.button:
    """What cannot be undone; confirm it first (``confirm``)."""
    return _button(view, text, act, icon, role, "unelevated", "n-danger")


def icon_button(view: View, icon: str, name: str, act: Action, *, role: Role = "read") -> ui.button:
    """Only an icon; ``name`` is read aloud and shown on hovering."""
    button = _button(view, "", act, icon, role, f'flat round dense aria-label="{name}"', "n-icon-button")
    if view.may(role):
        button.tooltip(name)
    return button


def number_field(
    name: str,
    value: float | None,
    *,
    needed: bool = True,
    fault: Callable[[float], str | None] = lambda value: None,
) -> ui.input:
    """A number typed with a point or a comma; a browser's own field would read 2,4 as 24. ``number_in`` reads it.

    needed: whether it may not be empty. fault: why a number cannot be taken.
    """

    def checked(typed: str | None) -> str | None:
        if not needed and not (typed or "").strip():
            return None
        found = decimal(typed)
        return WORDS.not_a_number if found is None else fault(found)

    field = ui.input(name, value="" if value is None else plain(value), validation=checked)
    return field.props("inputmode=decimal autocomplete=off")


def number_in(field: ui.input) -> float | None:
    """None for an empty field, and for what is not a number."""
    return decimal(field.value)


def enable(button: ui.button, enabled: bool, why_not: str = "") -> None:
    """Switch a button; a disabled one says why in its title."""
    button.set_enabled(enabled)
    button.props(f'title="{"" if enabled else why_not}"')


def show(button: ui.button, shown: bool) -> None:
    """Show a button or hide it, with what holds it."""
    assert button.parent_slot is not None
    button.parent_slot.parent.set_visibility(shown)


def more(view: View, load: Action) -> ui.element:
    """The button below a list that has more than is shown; ``load`` removes what this gives."""
    with block("n-more") as made:
        secondary(view, SHELL.load_more, load)
    return made


def untaught(view: View, icon: str, title: str, hint: str) -> None:
    """Nothing to show before the page's bank is taught; leads there."""
    teach = view.url("banks", view.own_bank.id, "teach")
    with empty_state(icon, title, hint):
        primary(view, WORDS.teach, lambda: view.go(teach), icon="school")


def error_state(view: View, error: Exception | None) -> None:
    """Why a page cannot be shown; None for what only the log explains."""
    hint = SHELL.internal_error if error is None else str(error)
    with empty_state("report_problem", SHELL.not_shown, hint), row():
        secondary(view, SHELL.retry, view.reload, icon="refresh")
        secondary(view, SHELL.all_banks, lambda: view.go(f"{view.url()}/"))


@contextmanager
def dialog(title: str) -> Iterator[ui.dialog]:
    """A dialog with the content made in the block, open afterwards, once: closed, it is gone."""
    with ui.dialog() as made, block("n-dialog"):
        text(title, tag="h2")
        yield made
    made.on("hide", made.delete)
    made.open()


@contextmanager
def form(
    view: View, title: str, word: str, act: Action, *, role: Role = "admin", button: Any = primary
) -> Iterator[ui.dialog]:
    """A dialog with the fields made in the block, Cancel and a button ``word``. ``act`` closes it."""
    with dialog(title) as made:
        yield made
        with block("n-row n-dialog-actions"):
            secondary(view, SHELL.cancel, made.close)
            button(view, word, act, role=role)


def show_once(view: View, title: str, hint: str, value: str) -> None:
    """In a dialog with a button to copy it, until its other button is pressed. The page needs ``keys.js``."""
    with view.client, dialog(title) as once:  # not in a dialog that was just closed
        once.props("persistent")
        ui.label(hint)
        with block("n-key-text"):
            shown = block("n-key-value", "input", type="text", readonly=True, value=value, spellcheck="false")
            shown.props["aria-label"] = title
            copy = secondary(view, SHELL.copy, lambda: view.say(SHELL.copied), icon="content_copy")
            copy.on("click", js_handler="() => nominal.copy('.n-key-value')")
        with block("n-row n-dialog-actions"):
            primary(view, SHELL.done, view.reload)


def confirm(view: View, title: str, text: str, word: str, act: Action, role: Role = "admin") -> None:
    """Ask; ``word`` names the act on its button. The act runs once it is pressed."""

    async def agreed() -> None:
        made.close()
        await view.handler(act, role)(None)

    with form(view, title, word, agreed, role=role, button=danger) as made:
        ui.label(text)


def _button(
    view: View, text: str, act: Action, icon: str | None, role: Role, look: str, name: str
) -> ui.button:
    """The handler sees to role and errors; whoever lacks the role reads so on hovering or focus."""
    with block("n-button-holder", "span") as holder:
        button = (
            ui.button(text, icon=icon, on_click=view.handler(act, role), color=None)
            .props(f"no-caps {look}")
            .classes(name)
        )
    if (reason := view.why_not(role)) is not None:
        button.disable()
        holder.props('tabindex="0"').tooltip(reason)
    return button
