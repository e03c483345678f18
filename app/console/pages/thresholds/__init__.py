"""The threshold explorer: move thresholds, see at once what they would do, save them with a note."""

from __future__ import annotations

import asyncio

from nicegui import ui

from app.console.pages.thresholds.chart import threshold_chart
from app.console.pages.thresholds.controls import Controls
from app.console.pages.thresholds.costs import by_cost
from app.console.pages.thresholds.explorer import PAGE, Explorer, ask_note, open_explorer
from app.console.pages.thresholds.words import THRESHOLDS as TEXT
from app.console.view import View, page
from app.console.widgets.blocks import (
    arrow,
    block,
    decision_badge,
    decision_count,
    figure,
    page_header,
    section,
    table,
    text,
    verdict_badge,
)
from app.console.widgets.controls import enable, more, primary, secondary, untaught
from app.console.widgets.viewer import thumbnail
from app.console.words import moment, percent, score
from app.insight.exploring import Flip
from app.store.schema import Inspection, ThresholdChange
from core.judging.exploration import ExpectedRate, Share

CHANGES = 10  # of the history shown at a time
QUIET_SECONDS = 0.25  # after the last move, before the list follows


@page("/banks/{bank}/thresholds", TEXT.name, icon="tune", order=50)
async def show(view: View) -> None:
    """Of the bank's active version."""
    if view.own_bank.active_version is None:
        page_header(TEXT.name, view.own_bank.title)
        untaught(view, "tune", TEXT.none, TEXT.none_hint)
        return
    view.use("inspection.css", "viewer.js")
    explorer = await open_explorer(view)
    lead = TEXT.lead.format(bank=view.own_bank.title, n=explorer.subject.version)
    actions = page_header(TEXT.name, lead)
    with block("n-columns n-explorer"):
        with section(TEXT.scores, TEXT.scores_hint):
            threshold_chart(explorer)
            controls = Controls(explorer)
        with block("n-stack"):
            _figures(explorer)
    with section(TEXT.by_cost, TEXT.by_cost_hint):
        by_cost(explorer, controls)
    with section(TEXT.flips, TEXT.flips_hint):
        FlipList(explorer)
    with section(TEXT.history):
        await _history(view, view.own_bank.id)
    with actions:
        _actions(explorer, controls)


def _actions(explorer: Explorer, controls: Controls) -> None:
    """Reset and save, while there is something to."""
    view = explorer.view

    async def reset() -> None:
        thresholds = explorer.found.present
        if thresholds is not None:
            await controls.put(thresholds)

    async def saved() -> None:
        view.reload()

    undo = secondary(view, TEXT.reset, reset, icon="restart_alt")
    save = primary(view, TEXT.save, lambda: ask_note(explorer, saved), icon="save", role="admin")

    def told() -> None:
        ready = explorer.changed and explorer.fault is None
        enable(undo, ready, TEXT.nothing_changed)
        if view.may("admin"):
            enable(save, ready, explorer.fault or TEXT.nothing_changed)

    explorer.listeners.append(told)
    told()


def _figures(explorer: Explorer) -> None:
    """Two blocks, written anew whenever other thresholds are tried."""
    with section(TEXT.expected):
        expected = block("n-stack").props('aria-live="polite"')
    with section(TEXT.measured):
        measured = block("n-stack").props('aria-live="polite"')

    def show() -> None:
        expected.clear()
        measured.clear()
        with expected:
            _expected(TEXT.rejected, explorer.found.expected_reject)
            if explorer.found.thresholds.review != explorer.found.thresholds.reject:
                _expected(TEXT.looked_at, explorer.found.expected_review)
        with measured:
            _measured(explorer)

    explorer.listeners.append(show)
    show()


def _expected(name: str, rate: ExpectedRate) -> None:
    hint = TEXT.between.format(
        low=percent(rate.low), high=percent(rate.high), above=rate.above, images=f"{rate.images:,}"
    )
    figure(name, TEXT.at_most.format(rate=percent(rate.expected)), hint)


def _measured(explorer: Explorer) -> None:
    found = explorer.found
    with ui.element("div"):
        ui.label(TEXT.decided.format(n=f"{found.inspections:,}")).classes("n-figure-name")
        with block("n-row n-counts"):
            decision_count("accept", found.decided["accept"])
            decision_count("review", found.decided["review"])
            decision_count("reject", found.decided["reject"])
    _share(TEXT.found, found.found)
    _share(TEXT.alarms, found.alarms)


def _share(name: str, share: Share) -> None:
    if not share.total:
        figure(name, TEXT.nothing_reviewed)
        return
    hint = TEXT.interval.format(low=percent(share.low), high=percent(share.high))
    figure(name, TEXT.of.format(count=f"{share.count:,}", total=f"{share.total:,}"), hint)


async def _history(view: View, bank: str, shown: int = CHANGES) -> None:
    """A table of the latest changes, and a button for more of them."""
    holder = ui.element("div")

    async def show(count: int) -> None:
        changes = await view.run(lambda: view.store.banks.threshold_changes(bank, limit=count + 1))
        holder.clear()
        with holder:
            if not changes:
                ui.label(TEXT.no_history).classes("n-caption")
                return
            _table(changes[:count])
            if len(changes) > count:
                more(view, lambda: show(count + 5 * CHANGES))

    await show(shown)


def _table(changes: list[ThresholdChange]) -> None:
    with table(TEXT.when, TEXT.what, TEXT.why, TEXT.who):
        for change in changes:
            _row(change)


def _row(change: ThresholdChange) -> None:
    who = TEXT.local if change.actor == "local" else change.actor
    with ui.element("tr"):
        for said in (moment(change.created_at), _became(change), change.note or TEXT.no_note, who):
            text(said, "n-caption" if said == TEXT.no_note else "", "td")


def _became(change: ThresholdChange) -> str:
    """In words: scores where they were set by hand, else rates, else the version's own."""
    said = []
    for threshold, rate, by_score, by_rate in (
        (change.reject_threshold, change.target_false_reject, TEXT.reject_score, TEXT.reject_target),
        (change.review_threshold, change.target_review, TEXT.review_score, TEXT.review_target),
    ):
        if threshold is not None:
            said.append(by_score.format(value=score(threshold)))
        elif rate is not None:
            said.append(by_rate.format(value=percent(rate)))
    return ", ".join(said) or TEXT.from_version


class FlipList:
    """The count follows every move, the pictures once the sliders rest."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer, self._move = explorer, 0
        self._count = ui.label("").classes("n-strong").props('aria-live="polite"')
        self._list = block("n-flips")
        self._below = ui.element("div")
        explorer.listeners.append(self._moved)
        ui.timer(0, self._settle, once=True)
        self._moved()

    def _moved(self) -> None:
        self._move += 1
        self._count.set_text(self._said())
        ui.timer(QUIET_SECONDS, self._settle, once=True)

    def _said(self) -> str:
        found = self._explorer.found
        if not found.inspections:
            return TEXT.no_records
        return TEXT.flips_count(found.flipped) if found.flipped else TEXT.no_flips

    async def _settle(self) -> None:
        """Show the first page, unless the sliders moved on meanwhile."""
        move = self._move
        await asyncio.sleep(0)
        if move == self._move:
            await self._explorer.view.handler(lambda: self._show(move))(None)

    async def _show(self, move: int) -> None:
        flips, rows = await self._explorer.flips()
        if move == self._move:
            self._list.clear()
            self._fill(flips, rows)

    def _fill(self, flips: list[Flip], rows: dict[str, Inspection]) -> None:
        with self._list:
            for flip in flips[:PAGE]:
                _card(self._explorer.view, flip, rows.get(flip.id))
        self._below.clear()
        if len(flips) > PAGE:
            last = flips[PAGE - 1].id

            async def load() -> None:
                self._fill(*await self._explorer.flips(last))

            with self._below:
                more(self._explorer.view, load)


def _card(view: View, flip: Flip, row: Inspection | None) -> None:
    with block("n-flip", "article").mark(f"flip-{flip.id}"):
        thumbnail(view, row)
        with block("n-flip-text"):
            with block("n-row n-counts"):
                decision_badge(flip.decision)
                arrow()
                decision_badge(flip.would_be)
            with block("n-row"):
                ui.label(score(flip.score)).classes("n-strong")
                if flip.verdict is not None:
                    verdict_badge(flip.verdict, flip.decision)
            if row is not None:
                ui.label(row.serial or row.name or moment(row.created_at)).classes("n-caption n-cut")
