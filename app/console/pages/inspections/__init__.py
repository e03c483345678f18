"""Inspections: the ledger a page at a time, filtered, exported; and the page of one, where it is reviewed."""

from __future__ import annotations

from nicegui import ui

from app.console.pages.inspections.words import INSPECTIONS as TEXT
from app.console.view import View, page
from app.console.widgets.answer import answer, name_of
from app.console.widgets.blocks import (
    VERDICTS,
    badge,
    block,
    decision_badge,
    empty_state,
    page_header,
    table,
    text,
    verdict_of,
)
from app.console.widgets.controls import secondary
from app.console.widgets.filters import Wanted, export_links, filter_bar
from app.console.widgets.reviewing import Deeds, Reviewer, review_bar, review_keys, why_not_taught
from app.console.widgets.words import ANSWER, FILTERS
from app.console.words import age, moment, score
from app.store.page import Page
from app.store.schema import Inspection, Review

ROWS = 50


@page("/inspections", TEXT.name, icon="list_alt", order=14)
async def show(view: View) -> None:
    """A page of the ledger; the address names filters and place."""
    view.use("inspection.css")
    wanted, at = Wanted.of(view.connection.query_params), view.url("inspections")
    with page_header(TEXT.name, TEXT.lead):
        export_links(view, wanted)
    filter_bar(view, wanted, at, verdicts=True)
    before = view.query("before")
    found = await view.run(lambda: view.store.inspections.page(wanted.filter(), before=before, limit=ROWS))
    if not found.items:
        _nothing(view, wanted, at)
        return
    with block("n-section n-table-section"):
        _table(view, found.items)
    await _pager(view, wanted, at, before, found)


def _nothing(view: View, wanted: Wanted, at: str) -> None:
    if wanted == Wanted():
        empty_state("list_alt", TEXT.none, TEXT.none_hint)
        return
    with empty_state("filter_alt_off", TEXT.no_match, FILTERS.hint):
        secondary(view, FILTERS.clear, lambda: view.go(at))


def _table(view: View, rows: list[Inspection]) -> None:
    titles = {bank.id: bank.title for bank in view.banks}
    heads = (TEXT.part, FILTERS.decision, TEXT.score, FILTERS.verdict, FILTERS.bank, TEXT.when)
    with table(*heads, classes="n-table n-ledger"):
        for row in rows:
            _row(view, row, titles.get(row.bank, row.bank))


def _row(view: View, row: Inspection, bank: str) -> None:
    with ui.element("tr"):
        with ui.element("td"), block("n-ledger-part", "a", href=view.url("inspections", row.id)):
            ui.label(name_of(row))
        with ui.element("td"):
            decision_badge(row.decision)
        text(score(row.score), "n-number", "td")
        with ui.element("td"):
            verdict_of(row)
        text(bank, "n-ledger-bank", "td")
        text(age(row.created_at), "n-caption", "td").props["title"] = moment(row.created_at)


async def _pager(view: View, wanted: Wanted, at: str, before: str | None, found: Page[Inspection]) -> None:
    """Links, so that the browser's own way back works."""
    newer: str | None = None
    if before is not None:
        first = found.items[0].id
        newer = await view.run(lambda: view.store.inspections.cursor_of_newer(wanted.filter(), first, ROWS))
    with block("n-pager", "nav"):
        ui.label(TEXT.page(len(found.items))).classes("n-caption")
        block("n-space")
        _step(TEXT.newest, "first_page", at + wanted.query() if before else None)
        _step(TEXT.newer, "chevron_left", at + wanted.query(before=newer) if before else None)
        _step(TEXT.older, "chevron_right", at + wanted.query(before=found.next) if found.next else None)


def _step(name: str, icon: str, url: str | None) -> None:
    with block("n-step", "a" if url else "span") as step:
        ui.icon(icon).props('aria-hidden="true"')
        ui.label(name)
    if url:
        step.props["href"] = url
    else:
        step.props["aria-disabled"] = "true"


@page("/inspections/{id}", TEXT.one)
async def show_one(view: View) -> None:
    """The page."""
    view.use("inspection.css", "viewer.js")
    await Sheet(view).open(view.params["id"])


class Sheet:
    """The inspection and its reviews, drawn anew after each review."""

    def __init__(self, view: View) -> None:
        self._view, self._reviewer = view, Reviewer(view)
        self._body = block("n-sheet")
        self._note = ""
        self._busy = False

    async def open(self, id: str) -> None:
        """Raises NotFound."""
        await self._load(id)
        self._draw()
        review_keys(self._view, self._press)

    async def _load(self, id: str) -> None:
        service = self._view.service
        self._row: Inspection = await self._view.run(lambda: service.store.inspections.get(id))
        self._reviews: list[Review] = await self._view.run(lambda: service.store.reviews.all(id))

    def _draw(self) -> None:
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
            with answer(view, row), block("n-section n-reviews"):
                self._history()

    def _history(self) -> None:
        text(TEXT.reviews, tag="h2")
        if not self._reviews:
            ui.label(TEXT.no_reviews).classes("n-caption")
        for review in reversed(self._reviews):
            with block("n-opinion"):
                badge(ANSWER.verdicts[review.verdict], *VERDICTS[review.verdict])
                when = TEXT.reviewed_by.format(actor=review.actor, when=moment(review.created_at))
                ui.label(when).classes("n-caption")
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
            deed = {"good": name != "defect", "teach": name == "teach"}
            await self._view.attempt(lambda: self._judge(**deed), role)  # type: ignore[arg-type]
        elif name == "undo":
            await self._view.attempt(self._undo, "inspect")

    async def _judge(self, *, good: bool, teach: bool = False) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            seen = self._reviews[-1].revision if self._reviews else 0
            act = await self._reviewer.judge(self._row, seen, good=good, teach=teach, note=self._note.strip())
            self._note = ""
            self._view.say(act.said)
        finally:
            self._busy = False
            await self._load(self._row.id)
            self._draw()

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
            await self._load(self._row.id)
            self._draw()
