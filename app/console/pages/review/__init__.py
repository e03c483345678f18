"""Review queue: what was rejected first, one after the other, by keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from nicegui import ui

from app.console.pages.review.waiting import counters, waiting_list
from app.console.pages.review.words import REVIEW as TEXT
from app.console.view import View, page
from app.console.widgets.answer import answer
from app.console.widgets.blocks import block, empty_state, page_header
from app.console.widgets.controls import primary, secondary
from app.console.widgets.filters import Wanted, export_links, filter_bar
from app.console.widgets.reviewing import Deeds, Reviewer, review_bar, review_keys, why_not_taught
from app.console.widgets.similar import Likeness
from app.console.widgets.words import FILTERS, REVIEWING
from app.insight import review_queue
from app.store.errors import NotFound, StaleRevision
from app.store.schema import Inspection

ROWS = 25
LOOK_SECONDS = 20.0


async def _filtered(view: View) -> str | None:
    return view.query("bank")


@page("/review", TEXT.name, icon="rule", order=12, finds=_filtered)
async def show(view: View) -> None:
    """The queue of the filters in the address."""
    view.use("inspection.css", "viewer.js")
    wanted = replace(Wanted.asked(view), verdict="")
    with page_header(TEXT.name, TEXT.lead):
        export_links(view, wanted)
    filter_bar(view, wanted, view.url("review"), verdicts=False)
    await Queue(view, wanted).open()


class Queue:
    """A page of what waits, the inspection shown, and what was done here."""

    def __init__(self, view: View, wanted: Wanted) -> None:
        self._view, self._wanted, self._which = view, wanted, wanted.filter()
        self._reviewer = Reviewer(view)
        self._likeness = Likeness(view, self._reviewer, self._shown_again)
        self._rows: list[Inspection] = []
        self._next: str | None = None
        self._shown: Inspection | None = None
        self._revision = 0
        self._skipped: set[str] = set()
        self._busy = False
        with block("n-desk n-queue"):
            self._side = block("n-desk-side")
            with self._side:
                self._list, self._counters = block("n-list-holder"), block("n-counters-holder")
            self._main = block("n-shown")
        self._deeds: dict[str, Callable[[], Awaitable[None]]] = {
            "defect": lambda: self._judge(good=False),
            "alarm": lambda: self._judge(good=True),
            "teach": lambda: self._judge(good=True, teach=True),
            "skip": self._skip,
            "back": self._back,
            "undo": self._undo,
            "all": self._likeness.give_all,
        }

    async def open(self) -> None:
        """From the top of the queue."""
        await self._load(None)
        await self._choose(self._rows[0] if self._rows else None)
        review_keys(self._view, self._press)
        ui.timer(LOOK_SECONDS, self._view.handler(self._look), immediate=False)

    # What was asked for

    async def _press(self, name: str) -> None:
        """By key: with the role its button asks for, and only where there is something to do it to."""
        if self._shown is None and name not in ("undo", "back"):
            return
        if name == "kind":
            self._likeness.focus()
            return
        if name == "teach" and self._shown and (reason := why_not_taught(self._view, self._shown)):
            self._view.complain(reason)
            return
        role = {"teach": "admin", "skip": "read", "back": "read"}.get(name, "inspect")
        await self._view.attempt(self._deeds[name], role)  # type: ignore[arg-type]

    async def _judge(self, *, good: bool, teach: bool = False) -> None:
        """The verdict, then the next one. A second key in the middle of it does nothing."""
        if self._busy or (row := self._shown) is None:
            return
        self._busy = True
        try:
            kind = self._likeness.kind
            act = await self._reviewer.judge(row, self._revision, good=good, teach=teach, kind=kind)
            self._skipped.discard(row.id)
            self._view.say(act.said)
            await self._likeness.also(good=good, kind=kind)
            await self._refresh(row)
            await self._forward(row)
        except StaleRevision:
            await self._choose(await self._refresh(row))
            raise
        finally:
            self._busy = False

    async def _skip(self) -> None:
        if self._shown is not None:
            self._skipped.add(self._shown.id)
            await self._forward(self._shown)

    async def _back(self) -> None:
        if self._shown is None:
            if self._rows:
                await self._choose(self._rows[-1])
            return
        before, _ = await self._beside(self._shown)
        if before is not None:
            if before.id not in [row.id for row in self._rows]:
                self._rows = [before, *self._rows][:ROWS]
            await self._choose(before)

    async def _undo(self) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            act = await self._reviewer.undo()
            if act is None:
                return
            self._view.say(REVIEWING.done["undone"].format(part=act.row.serial or act.row.name or act.row.id))
            if act.row.id not in [row.id for row in self._rows]:
                self._rows = [act.row, *self._rows][:ROWS]
            await self._choose(await self._refresh(act.row))
        finally:
            self._busy = False

    # What is shown

    async def _load(self, after: str | None) -> None:
        found = await self._view.run(
            lambda: review_queue.page(self._view.service.inspecting, self._which, after, ROWS)
        )
        self._rows, self._next = found.items, found.next

    async def _beside(self, row: Inspection) -> tuple[Inspection | None, Inspection | None]:
        return await self._view.run(
            lambda: review_queue.beside(self._view.service.inspecting, self._which, row)
        )

    async def _forward(self, row: Inspection) -> None:
        """To the next that waits, with the next page of the list where this one ends."""
        _, after = await self._beside(row)
        if after is not None and after.id not in [each.id for each in self._rows]:
            await self._load(review_queue.cursor(self._which, row))
        await self._choose(after)

    async def _refresh(self, row: Inspection) -> Inspection | None:
        """The row as it is now, in the list too; None once retention has deleted it."""
        try:
            fresh = await self._view.run(lambda: self._view.store.inspections.get(row.id))
        except NotFound:
            self._rows = [each for each in self._rows if each.id != row.id]
            return None
        self._rows = [fresh if each.id == row.id else each for each in self._rows]
        return fresh

    async def _choose(self, row: Inspection | None) -> None:
        """Show one, or that there is none."""
        self._shown = row
        if row is not None:
            self._revision = await self._reviewer.revision(row)
        self._main.clear()
        with self._main:
            if row is None:
                self._nothing()
            else:
                deeds = Deeds(**{name: deed for name, deed in self._deeds.items() if name != "all"})
                review_bar(self._view, row, deeds, may_undo=self._reviewer.may_undo)
                with answer(self._view, row):
                    await self._likeness.draw(row)
        self._list.clear()
        with self._list:
            waiting_list(self._view, self._rows, row, self._choose)
        await self._count()
        if row is not None:
            self._likeness.look()

    async def _shown_again(self) -> None:
        """Once similar ones were reviewed from here: the list and what is shown, as they are now."""
        if self._shown is not None:
            row = self._shown
            await self._load(None)
            await self._choose(await self._refresh(row))

    async def _count(self) -> None:
        found = await self._view.run(
            lambda: review_queue.agreement(self._view.service.inspecting, self._which)
        )
        self._counters.clear()
        with self._counters:
            counters(found)

    async def _look(self) -> None:
        """What came meanwhile: counted, and shown where nothing was left."""
        if self._busy:
            return
        if self._shown is None and not self._skipped and not self._reviewer.may_undo:
            await self._load(None)
            if self._rows:
                return await self._choose(self._rows[0])
        await self._count()

    def _nothing(self) -> None:
        view, filtered = self._view, self._wanted.anything
        if not (self._skipped or self._reviewer.may_undo):
            title, hint = (TEXT.no_match, FILTERS.hint) if filtered else (TEXT.none, TEXT.none_hint)
            with empty_state("task_alt", title, hint):
                if filtered:
                    secondary(view, FILTERS.clear, lambda: view.go(view.url("review")))
            return
        hint = TEXT.end_hint(len(self._skipped)) if self._skipped else TEXT.end_clean
        with empty_state("task_alt", TEXT.end, hint), block("n-row"):
            if self._reviewer.may_undo:
                secondary(view, REVIEWING.undo, self._deeds["undo"], icon="undo", role="inspect")
            primary(view, TEXT.begin_again if self._skipped else TEXT.look_again, self._again)

    async def _again(self) -> None:
        self._skipped.clear()
        await self._load(None)
        await self._choose(self._rows[0] if self._rows else None)
