"""The page of one inspection: the answer, its reviews, and what one says of it."""

from __future__ import annotations

from nicegui import ui

from app.console.pages.inspections.explanation import ExplanationSection
from app.console.pages.inspections.words import INSPECTIONS as TEXT
from app.console.view import View
from app.console.widgets.answer import answer, name_of
from app.console.widgets.blocks import block, page_header, text, verdict_badge
from app.console.widgets.controls import secondary
from app.console.widgets.reviewing import Deeds, Reviewer, review_bar, review_keys, why_not_taught
from app.console.widgets.similar import Likeness
from app.console.words import moment
from app.store.schema import Inspection, Review


class Sheet:
    """The inspection and its reviews, drawn anew after each review."""

    def __init__(self, view: View) -> None:
        self._view, self._reviewer = view, Reviewer(view)
        self._likeness = Likeness(view, self._reviewer, self._again)
        self._body = block("n-sheet")
        self._note = ""
        self._busy = False

    async def open(self, id: str) -> None:
        """Raises NotFound."""
        await self._load(id)
        await self._draw()
        review_keys(self._view, self._press)

    async def _load(self, id: str) -> None:
        service = self._view.service
        self._row: Inspection = await self._view.run(lambda: service.store.inspections.get(id))
        self._reviews: list[Review] = await self._view.run(lambda: service.store.reviews.all(id))

    async def _again(self) -> None:
        await self._load(self._row.id)
        await self._draw()

    async def _draw(self) -> None:
        view, row = self._view, self._row
        self._body.clear()
        with self._body:
            with page_header(name_of(row), moment(row.created_at)):
                secondary(view, TEXT.name, lambda: view.go(view.url("inspections")), icon="list_alt")
            deeds = Deeds(
                defect=lambda: self._judge(good=False),
                alarm=lambda: self._judge(good=True),
                teach=lambda: self._judge(good=True, teach=True),
                undo=self._undo,
            )
            review_bar(view, row, deeds, may_undo=bool(self._reviews) and row.verdict is not None)
            with answer(view, row):
                await self._likeness.draw(row)
                ExplanationSection(view, row)
                with block("n-section n-reviews"):
                    self._history()
                self._likeness.look()

    def _history(self) -> None:
        text(TEXT.reviews, tag="h2")
        if not self._reviews:
            ui.label(TEXT.no_reviews).classes("n-caption")
        for review in reversed(self._reviews):
            with block("n-opinion"):
                verdict_badge(review.verdict, self._row.decision)
                when = TEXT.reviewed_by.format(actor=review.actor, when=moment(review.created_at))
                ui.label(when).classes("n-caption")
                if review.kind is not None:
                    ui.label(review.kind).classes("n-kind")
                if review.note:
                    ui.label(review.note).classes("n-opinion-note")
        if self._view.may("inspect"):
            note = ui.input(TEXT.note, value=self._note).props(
                f'outlined dense maxlength=4000 hint="{TEXT.note_hint}"'
            )
            note.on_value_change(lambda: setattr(self, "_note", note.value or ""))

    async def _press(self, name: str) -> None:
        if name == "teach" and (reason := why_not_taught(self._view, self._row)):
            self._view.complain(reason)
        elif name in ("defect", "alarm", "teach"):
            role = "admin" if name == "teach" else "inspect"
            judged = {"good": name != "defect", "teach": name == "teach"}
            await self._view.attempt(lambda: self._judge(**judged), role)  # type: ignore[arg-type]
        elif name == "kind":
            self._likeness.focus()
        elif name in ("undo", "all"):
            deed = self._undo if name == "undo" else self._likeness.give_all
            await self._view.attempt(deed, "inspect")

    async def _judge(self, *, good: bool, teach: bool = False) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            seen = self._reviews[-1].revision if self._reviews else 0
            said = {"note": self._note.strip(), "kind": self._likeness.kind}
            act = await self._reviewer.judge(self._row, seen, good=good, teach=teach, **said)
            self._note = ""
            self._view.say(act.said)
            await self._likeness.also(good=good, kind=self._likeness.kind)
        finally:
            self._busy = False
            await self._again()

    async def _undo(self) -> None:
        """The review before the latest counts again, whoever wrote it."""
        if self._busy or not self._reviews or self._row.verdict is None:
            return
        self._busy = True
        try:
            if await self._reviewer.undo() is None:
                view, latest = self._view, self._reviews[-1].revision
                await view.run(
                    lambda: view.store.reviews.undo(self._row.id, if_match=latest, actor=view.actor.id)
                )
        finally:
            self._busy = False
            await self._again()
