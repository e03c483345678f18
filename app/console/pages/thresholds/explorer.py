"""The threshold explorer's state: the version, what was tried last, what that would do; and saving it with a note."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, cast

from nicegui import ui

from app.console.pages.thresholds.words import THRESHOLDS as TEXT
from app.console.view import View
from app.console.widgets.activation import is_large
from app.console.widgets.blocks import block
from app.console.widgets.controls import danger, dialog, form, primary, secondary
from app.console.words import percent, score
from app.insight import exploring
from app.insight.exploring import Exploration, Subject
from app.learning import banks
from app.store.banks import BankChange
from app.store.errors import StaleRevision
from app.store.schema import Inspection
from core.errors import CoreError
from core.judging.scoring import Thresholds

Mode = Literal["score", "rate"]
Given = dict[str, float | None]
LONGEST_NOTE = 4000
PAGE = 12  # flips shown at a time


@dataclass(eq=False)
class Explorer:
    """``found`` is of the latest thresholds that hold; ``fault`` says what is wrong with the latest tried."""

    view: View
    subject: Subject
    given: Given
    found: Exploration
    fault: str | None = None
    listeners: list[Callable[[], None]] = field(default_factory=list)
    _wanted: Given | None = None
    _busy: bool = False

    @property
    def changed(self) -> bool:
        """Whether there is anything to save."""
        if self.mode == "score":
            return self.found.thresholds != self.found.present
        return any(getattr(self.subject.bank, name) != value for name, value in self.given.items())

    @property
    def mode(self) -> Mode:
        """How the latest thresholds are given."""
        return "rate" if "target_false_reject" in self.given else "score"

    async def attempt(self, given: Given) -> None:
        """Explore; of what is asked for while one is under way only the last counts."""
        self._wanted = given
        if self._busy:
            return
        self._busy = True
        try:
            while self._wanted is not None:
                given, self._wanted = self._wanted, None
                await self._explore(given)
        finally:
            self._busy = False

    async def _explore(self, given: Given) -> None:
        try:
            self.found = await self.view.run(lambda: exploring.explore(self.subject, given))
            self.given, self.fault = given, None
        except CoreError as error:
            self.fault = str(error)
        for listener in self.listeners:
            listener()

    async def flips(self, before: str | None = None) -> tuple[list[exploring.Flip], dict[str, Inspection]]:
        """The next of what would be decided otherwise, and their rows."""
        thresholds, subject, view = self.found.thresholds, self.subject, self.view
        found = await view.run(lambda: exploring.flips(subject, thresholds, before, PAGE + 1))
        rows = await view.run(lambda: exploring.rows_of(view.service.inspecting, found[:PAGE]))
        return found, rows


async def open_explorer(view: View) -> Explorer:
    """Of the bank's active version, at the thresholds in use. Raises BankWithoutVersion, StoreError, BankError."""
    id = view.own_bank.id
    subject = await view.run(lambda: exploring.subject(view.service.inspecting, id))
    start = exploring.in_use(subject) or _highest(subject)
    given: Given = {"review_threshold": start.review, "reject_threshold": start.reject}
    return Explorer(view, subject, given, await view.run(lambda: exploring.explore(subject, given)))


def _highest(subject: Subject) -> Thresholds:
    """Where to begin if the version does not support the bank's rates."""
    highest = float(subject.record.calibration_scores.max())
    return Thresholds(highest, highest)


async def ask_note(explorer: Explorer, saved: Callable[[], Awaitable[None]]) -> None:
    """Show what changes, and warn where that is much; take a note, save; ``saved`` is awaited then."""
    before = await explorer.view.run(lambda: _present(explorer))
    warnings = _warnings(before, explorer.found)

    async def save() -> None:
        made.close()
        await _save(explorer, (note.value or "").strip(), saved)

    word, button = (TEXT.save_anyway, danger) if warnings else (TEXT.save, primary)
    with explorer.view.client, form(explorer.view, TEXT.save_title, word, save, button=button) as made:
        _changes(explorer, before)
        for warning in warnings:
            with block("n-banner", role="alert"):
                ui.icon("warning").props('aria-hidden="true"')
                ui.label(warning)
        note = ui.textarea(TEXT.note).props(f"outlined dense autogrow autofocus maxlength={LONGEST_NOTE}")
        ui.label(TEXT.counts_from).classes("n-caption")


def _present(explorer: Explorer) -> Exploration | None:
    """What the thresholds in use do; None where the version does not support them."""
    now = explorer.found.present
    if now is None:
        return None
    return exploring.explore(
        explorer.subject, {"review_threshold": now.review, "reject_threshold": now.reject}
    )


def _warnings(before: Exploration | None, after: Exploration) -> list[str]:
    """What one should know before these thresholds are saved."""
    said, rate = [], after.expected_reject.expected
    if is_large(before.expected_reject.expected if before else None, rate):
        said.append(TEXT.many_rejects.format(rate=percent(rate)))
    lost = before.found.count - after.found.count if before else 0
    if lost > 0:
        said.append(TEXT.lost(lost))
    return said


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

    async def over() -> None:
        made.close()
        explorer.subject = now
        await _save(explorer, note, saved)

    with view.client, dialog(TEXT.stale_title) as made:  # the dialog that asked for the note is gone
        if now.version != explorer.subject.version:
            ui.label(TEXT.stale_version.format(n=now.version))
        elif in_use is not None:
            ui.label(TEXT.stale.format(review=score(in_use.review), reject=score(in_use.reject)))
        with block("n-row n-dialog-actions"):
            secondary(view, TEXT.take_theirs, view.reload, icon="refresh")
            if now.version == explorer.subject.version:
                primary(view, TEXT.save_over, over, role="admin")


def _changes(explorer: Explorer, before: Exploration | None) -> None:
    """Each threshold before and after, and what good parts and defects get."""
    now, then, found = explorer.found.present, explorer.found.thresholds, explorer.found
    rows = [
        (TEXT.review_above, score(now.review) if now else None, score(then.review)),
        (TEXT.reject_above, score(now.reject) if now else None, score(then.reject)),
        (TEXT.expected_rejects, percent(before.expected_reject.expected) if before else None,
         percent(found.expected_reject.expected)),
    ]  # fmt: skip
    if found.found.total:
        total = f"{found.found.total:,}"
        rows.append(
            (TEXT.found, f"{before.found.count:,}" if before else None,
             TEXT.of.format(count=f"{found.found.count:,}", total=total))
        )  # fmt: skip
    with block("n-figures"):
        for name, old, new in rows:
            with ui.element("div"):
                ui.label(name).classes("n-figure-name")
                ui.label(_change(old, new)).classes("n-strong")


def _change(old: str | None, new: str) -> str:
    if old is None:
        return new
    if old == new:
        return TEXT.unchanged.format(value=new)
    return TEXT.from_to.format(before=old, after=new)
