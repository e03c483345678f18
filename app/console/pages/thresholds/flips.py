"""Recorded inspections that the explored thresholds would decide otherwise, with their pictures."""

from __future__ import annotations

import asyncio

from nicegui import ui

from app.console.formats import moment, score
from app.console.pages.thresholds.explorer import PAGE, Explorer
from app.console.pages.thresholds.words import THRESHOLDS as TEXT
from app.console.view import View
from app.console.widgets.blocks import arrow, block, decision_badge, verdict_badge
from app.console.widgets.controls import more
from app.console.widgets.viewer import thumbnail
from app.insight.exploring import Flip
from app.store.schema import Inspection

QUIET_SECONDS = 0.25  # after the last move, before the list follows


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
