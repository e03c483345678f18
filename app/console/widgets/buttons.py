"""Buttons: one primary a page, secondary beside it, danger for what cannot be undone. Disabled ones say why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from app.console.view import View
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
    """An icon alone; ``name`` is read aloud and shown on hovering."""
    button = _button(view, "", act, icon, role, f'flat round dense aria-label="{name}"', "n-icon-button")
    if view.may(role):
        button.tooltip(name)
    return button


def enable(button: ui.button, enabled: bool, why_not: str = "") -> None:
    """Switch a button; a disabled one says why in its title."""
    button.set_enabled(enabled)
    button.props(f'title="{"" if enabled else why_not}"')


def show(button: ui.button, shown: bool) -> None:
    """Show a button or hide it, with what holds it."""
    assert button.parent_slot is not None
    button.parent_slot.parent.set_visibility(shown)


def _button(
    view: View, text: str, act: Action, icon: str | None, role: Role, look: str, name: str
) -> ui.button:
    """The handler sees to role and errors; whoever lacks the role reads so on hovering or focus."""
    with ui.element("span").classes("n-button-holder") as holder:
        button = (
            ui.button(text, icon=icon, on_click=view.handler(act, role), color=None)
            .props(f"no-caps {look}")
            .classes(name)
        )
    if (reason := view.why_not(role)) is not None:
        button.disable()
        holder.props('tabindex="0"').tooltip(reason)
    return button
