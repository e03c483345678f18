"""Saving explored thresholds: with a note, under the revision read, and what to do where somebody was quicker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

from nicegui import ui

from app.console.formats import score
from app.console.parts.explorer import Explorer
from app.console.text.thresholds import THRESHOLDS as TEXT
from app.console.widgets.buttons import primary, secondary
from app.console.widgets.dialogs import actions, dialog, show
from app.insight import exploring
from app.learning import banks
from app.store.banks import BankChange
from app.store.errors import StaleRevision

FIELD = "outlined dense autogrow"
LONGEST_NOTE = 4000


def ask_note(explorer: Explorer, saved: Callable[[], Awaitable[None]]) -> None:
    """Show what changes, take a note, save; ``saved`` is awaited then."""
    view = explorer.view
    made, card = dialog(TEXT.save_title)
    with card:
        _changes(explorer)
        note = ui.textarea(TEXT.note).props(f"{FIELD} autofocus maxlength={LONGEST_NOTE}")
        ui.label(TEXT.counts_from).classes("n-caption")

        async def save() -> None:
            made.close()
            await _save(explorer, (note.value or "").strip(), saved)

        with actions(view, made):
            primary(view, TEXT.save, save, role="admin")
    show(made)


async def _save(explorer: Explorer, note: str, saved: Callable[[], Awaitable[None]]) -> None:
    view, bank = explorer.view, explorer.subject.bank
    change = cast("BankChange", dict(explorer.given))
    try:
        await banks.update(view.service.learning, bank.id, change, bank.revision, view.actor.id, note or None)
    except StaleRevision:
        await _tell_stale(explorer, note, saved)
        return
    view.say(TEXT.saved)
    await saved()


async def _tell_stale(explorer: Explorer, note: str, saved: Callable[[], Awaitable[None]]) -> None:
    """What is in use now; theirs or mine."""
    view = explorer.view
    now = await view.run(lambda: exploring.subject(view.service.inspecting, explorer.subject.bank.id))
    in_use = exploring.in_use(now)
    with view.client:  # the dialog that asked for the note is gone
        made, card = dialog(TEXT.stale_title)

    async def over() -> None:
        made.close()
        explorer.subject = now
        await _save(explorer, note, saved)

    with card:
        if now.version != explorer.subject.version:
            ui.label(TEXT.stale_version.format(n=now.version))
        elif in_use is not None:
            ui.label(TEXT.stale.format(review=score(in_use.review), reject=score(in_use.reject)))
        with ui.element("div").classes("n-row n-dialog-actions"):
            secondary(view, TEXT.take_theirs, view.reload, icon="refresh")
            if now.version == explorer.subject.version:
                primary(view, TEXT.save_over, over, role="admin")
    show(made)


def _changes(explorer: Explorer) -> None:
    """Each threshold before and after."""
    before, after = explorer.found.present, explorer.found.thresholds
    with ui.element("div").classes("n-figures"):
        for name, old, new in (
            (TEXT.review_above, before.review if before else None, after.review),
            (TEXT.reject_above, before.reject if before else None, after.reject),
        ):
            with ui.element("div"):
                ui.label(name).classes("n-figure-name")
                ui.label(_change(old, new)).classes("n-strong")


def _change(old: float | None, new: float) -> str:
    if old is None:
        return score(new)
    if old == new:
        return TEXT.unchanged.format(value=score(new))
    return TEXT.from_to.format(before=score(old), after=score(new))
