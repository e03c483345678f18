"""Reviewing an inspection: judge it, teach its image, undo that; by buttons, or by keys wherever nobody types."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from nicegui import ui
from nicegui.events import KeyEventArguments

from app.console.view import View
from app.console.widgets.answer import name_of
from app.console.widgets.blocks import block, text
from app.console.widgets.controls import Action, primary, secondary
from app.console.widgets.words import REVIEWING as TEXT
from app.store.errors import NotFound
from app.store.schema import Inspection, Role, Verdict


@dataclass(frozen=True)
class Act:
    """A review that was written, and the image it brought into the nominal set, if it did."""

    row: Inspection
    revision: int
    taught: str | None
    said: str


class Reviewer:
    """The acts of one look at a page, the last of them first to be undone."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._acts: list[Act] = []

    @property
    def may_undo(self) -> bool:
        """Whether anything was done here."""
        return bool(self._acts)

    async def revision(self, row: Inspection) -> int:
        """Of its latest review; 0 for none. Raises NotFound."""
        found = await self._view.run(lambda: self._view.store.reviews.all(row.id))
        return found[-1].revision if found else 0

    async def judge(
        self,
        row: Inspection,
        seen: int,
        *,
        good: bool,
        teach: bool = False,
        note: str = "",
        kind: str | None = None,
    ) -> Act:
        """Write the verdict down over revision ``seen``, of a defect its kind. Raises NotFound, StaleRevision,
        IllegalValue, ImageNotKept."""
        view, verdict = self._view, verdict_of(row, good)
        named = {"note": note, "kind": None if good else kind or None}
        review = await view.run(
            lambda: view.store.reviews.add(row.id, verdict, if_match=seen, actor=view.actor.id, **named)  # type: ignore[arg-type]
        )
        act = Act(row, review.revision, None, _said(row, verdict))
        self._acts.append(act)
        if teach:
            added = await view.run(lambda: view.store.images.add_false_alarm(row.id, actor=view.actor.id))
            fresh = added == "accepted"
            taught = row.image_sha256 if fresh else None
            act = replace(act, taught=taught, said=_said(row, "taught" if fresh else "duplicate"))
            self._acts[-1] = act
        return act

    async def undo(self) -> Act | None:
        """The last act taken back: the review before it counts again. Raises NotFound, StaleRevision."""
        if not self._acts:
            return None
        view, act = self._view, self._acts.pop()
        await view.run(
            lambda: view.store.reviews.undo(act.row.id, if_match=act.revision, actor=view.actor.id)
        )
        if act.taught is not None:
            await view.run(lambda: self._forget(act.row.bank, str(act.taught)))
        return act

    def _forget(self, bank: str, sha256: str) -> None:
        try:
            self._view.store.images.remove(bank, sha256, actor=self._view.actor.id)
        except NotFound:
            return  # somebody removed it since


def _said(row: Inspection, what: str) -> str:
    words = TEXT.done_good if row.decision == "accept" and what in TEXT.done_good else TEXT.done
    return words[what].format(part=name_of(row))


def verdict_of(row: Inspection, good: bool) -> Verdict:
    """What a person's word means for this decision."""
    if good:
        return "false_alarm"
    return "missed_defect" if row.decision == "accept" else "confirmed_defect"


def why_not_taught(view: View, row: Inspection) -> str | None:
    """Why its image cannot join the nominal set; None where it can."""
    if row.image_sha256 is None:
        return TEXT.not_kept.format(keep=view.service.settings.image_keep)
    return view.why_not("admin")


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
        block("n-space")
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
