"""The buttons of a review, each with its key; the keys work wherever nobody types."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nicegui import ui
from nicegui.events import KeyEventArguments

from app.console.parts.elements import block, text
from app.console.parts.reviewing import why_not_taught
from app.console.text.review import REVIEW as TEXT
from app.console.view import View
from app.console.widgets.buttons import Action, primary, secondary
from app.store.schema import Inspection, Role

Deed = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Deeds:
    """What the buttons do; None leaves one out."""

    defect: Deed
    alarm: Deed
    teach: Deed
    skip: Deed | None = None
    back: Deed | None = None
    undo: Deed | None = None


def review_bar(view: View, row: Inspection, deeds: Deeds, *, may_undo: bool) -> ui.element:
    """For one inspection; the words follow from its decision."""
    accepted = row.decision == "accept"
    with block("n-review-bar", role="toolbar", aria_label=TEXT.name) as bar:
        _button(view, TEXT.missed if accepted else TEXT.defect, deeds.defect, "defect", "report", main=True)
        _button(view, TEXT.good if accepted else TEXT.alarm, deeds.alarm, "alarm", "thumb_up")
        teach = _button(view, TEXT.teach, deeds.teach, "teach", "school", "admin")
        reason = why_not_taught(view, row)
        teach.set_enabled(reason is None)
        teach.props["title"] = reason or TEXT.teach_hint.format(bank=row.bank)
        ui.element("div").classes("n-space")
        if deeds.back is not None:
            _button(view, TEXT.back, deeds.back, "back", None, "read")
        if deeds.skip is not None:
            _button(view, TEXT.skip, deeds.skip, "skip", None, "read")
        if deeds.undo is not None:
            undo = _button(view, TEXT.undo, deeds.undo, "undo", None)
            if view.may("inspect"):
                undo.set_enabled(may_undo)
                undo.props["title"] = "" if may_undo else TEXT.undo_none
    return bar


def review_keys(view: View, press: Callable[[str], Awaitable[None]]) -> None:
    """``press`` is given the deed's name. Held keys and those with a modifier do nothing."""
    deeds = {key.lower(): name for name, key in TEXT.keys.items()}

    async def pressed(event: KeyEventArguments) -> None:
        held = event.modifiers
        if event.action.keydown and not (held.ctrl or held.alt or held.meta):
            name = deeds.get(str(event.key.name).lower())
            if name is not None:
                await press(name)

    ui.keyboard(view.handler(pressed), repeating=False, ignore=["input", "select", "textarea"])


def _button(
    view: View,
    name: str,
    act: Action,
    key: str,
    icon: str | None,
    role: Role = "inspect",
    *,
    main: bool = False,
) -> ui.button:
    made = (primary if main else secondary)(view, name, act, icon=icon, role=role)
    made.mark(f"review-{key}").props["aria-keyshortcuts"] = TEXT.keys[key]
    with made:
        text(TEXT.keys[key], "n-key", "kbd").props('aria-hidden="true"')
    return made
