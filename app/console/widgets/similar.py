"""Similar past inspections beside the one under review: what they were, what kind they suggest, one answer for all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from app.console.view import View
from app.console.widgets.answer import name_of
from app.console.widgets.blocks import block, decision_badge, text, verdict_badge
from app.console.widgets.controls import secondary
from app.console.widgets.reviewing import Reviewer
from app.console.widgets.viewer import thumbnail
from app.console.widgets.words import SIMILAR as TEXT
from app.console.words import percent
from app.errors import BankWithoutVersion, NotDescribed
from app.insight.similar import Asked, Neighbour, Similar, similar
from app.store.errors import NotFound, VersionUnusable
from app.store.reviews import LONGEST_KIND
from app.store.schema import Inspection

SHOWN = 8
NOTHING_TO_SHOW = (NotDescribed, BankWithoutVersion, VersionUnusable, NotFound)


class Likeness:
    """The section of one page. kind: what the next defect is called, as typed; empty for nothing.

    done: what the page does once others were given the same answer.
    """

    def __init__(self, view: View, reviewer: Reviewer, done: Callable[[], Awaitable[None]]) -> None:
        self._view, self._reviewer, self._done = view, reviewer, done
        self._row: Inspection | None = None
        self._chosen: dict[str, Inspection] = {}
        self.kind = ""

    async def draw(self, row: Inspection) -> None:
        """The field and the section; ``look`` fills it."""
        if self._row is None or self._row.id != row.id:
            self.kind = row.kind or ""
        self._row, self._chosen = row, {}
        view = self._view
        kinds = await view.run(lambda: view.store.kinds.all(row.bank))
        with block("n-section n-similar", aria_label=TEXT.name):
            text(TEXT.name, tag="h2")
            if view.may("inspect"):
                with block("n-row"):
                    self._field(list(kinds))
                    self._suggested = block("n-row")
            self._found = block("n-similar-found")

    def look(self) -> None:
        """Show the neighbours as soon as they are found. Called last: a page with a timer is sent as it is."""
        with self._found:
            ui.timer(0.05, self._view.handler(self._find), once=True)

    def focus(self) -> None:
        """Begin to type the kind."""
        if self._view.may("inspect"):
            self._input.run_method("focus")

    async def give_all(self) -> None:
        """The verdict and kind of the one shown to every chosen one, as reviews that may be undone."""
        row, view = self._row, self._view
        if row is None or row.verdict is None or not self._chosen:
            view.complain(TEXT.judge_first if self._chosen else TEXT.choose_first)
            return
        await self.also(good=row.verdict == "false_alarm", kind=row.kind)
        await self._done()

    async def also(self, *, good: bool, kind: str | None) -> None:
        """The same answer for every chosen one, if any."""
        chosen, self._chosen = self._chosen, {}
        for other in chosen.values():
            seen = await self._reviewer.revision(other)
            await self._reviewer.judge(other, seen, good=good, kind=kind)
        if chosen:
            self._view.say(TEXT.given(len(chosen)))

    def _field(self, kinds: list[str]) -> None:
        field = ui.input(TEXT.kind, value=self.kind, autocomplete=kinds).mark("kind")
        field.props(f'outlined dense maxlength={LONGEST_KIND} hint="{TEXT.kind_hint}" aria-keyshortcuts=K')
        field.on_value_change(lambda: setattr(self, "kind", (field.value or "").strip()))
        self._input = field

    async def _find(self) -> None:
        row, view = self._row, self._view
        if row is None:
            return
        try:
            asked = Asked(SHOWN, stations=view.actor.scope.stations)
            found = await similar(view.service.inspecting, view.service.recall, row.id, asked)
        except NOTHING_TO_SHOW as error:
            with self._found:
                ui.label(str(error)).classes("n-caption")
            return
        self._suggest(found)
        with self._found:
            self._neighbours(found)

    def _suggest(self, found: Similar) -> None:
        """The kind that the vote gives, where it is sure and there is something to name."""
        if not self._view.may("inspect") or found.vote is None:
            return
        kind, share = found.vote.kind, percent(found.vote.share)
        with self._suggested:
            if not found.vote.sure:
                ui.label(TEXT.unsure).classes("n-caption")
                return
            take = TEXT.suggested.format(kind=kind, share=share)
            secondary(
                self._view, take, lambda: self._input.set_value(kind), icon="auto_awesome", role="inspect"
            )

    def _neighbours(self, found: Similar) -> None:
        if not found.items:
            ui.label(TEXT.none).classes("n-caption")
            return
        with block("n-similar-list", "ul"):
            for each in found.items:
                with ui.element("li"):
                    self._neighbour(each)
        if self._view.may("inspect"):
            ui.label(TEXT.give_hint).classes("n-caption")
            give = secondary(self._view, TEXT.give_all, self.give_all, icon="done_all", role="inspect")
            give.mark("give-all").props["aria-keyshortcuts"] = TEXT.give_key
            with give:
                text(TEXT.give_key, "n-key", "kbd").props('aria-hidden="true"')

    def _neighbour(self, each: Neighbour) -> None:
        view, row = self._view, each.inspection
        thumbnail(view, row, side=192)
        with block("n-similar-facts"):
            text(name_of(row), "n-strong", "a").props["href"] = view.url("inspections", row.id)
            ui.label(TEXT.similarity.format(share=percent(max(0.0, each.similarity)))).classes("n-caption")
            if row.verdict is None:
                decision_badge(row.decision)
            else:
                verdict_badge(row.verdict, row.decision)
            if row.kind is not None:
                ui.label(row.kind).classes("n-kind")
        if view.may("inspect"):
            box = ui.checkbox(on_change=lambda event, row=row: self._choose(row, bool(event.value)))
            box.props["aria-label"] = TEXT.choose.format(part=name_of(row))

    def _choose(self, row: Inspection, chosen: bool) -> None:
        if chosen:
            self._chosen[row.id] = row
        else:
            self._chosen.pop(row.id, None)
