"""Recorded inspections that the explored thresholds would decide otherwise, with their pictures."""

from __future__ import annotations

import asyncio

from nicegui import ui

from app.console.formats import moment, score
from app.console.parts.explorer import PAGE, Explorer
from app.console.text.shell import SHELL
from app.console.text.thresholds import THRESHOLDS as TEXT
from app.console.view import View
from app.console.widgets.badges import badge, decision_badge
from app.console.widgets.buttons import secondary
from app.insight.exploring import Flip
from app.store.schema import Inspection, Verdict

QUIET_SECONDS = 0.25  # after the last move, before the list follows
VERDICTS: dict[Verdict, tuple[str, str]] = {
    "confirmed_defect": ("report", "reject"),
    "false_alarm": ("thumb_up", "accent"),
    "missed_defect": ("visibility_off", "reject"),
}


class FlipList:
    """The count follows every move, the pictures once the sliders rest."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer, self._move = explorer, 0
        self._count = ui.label("").classes("n-strong").props('aria-live="polite"')
        self._list = ui.element("div").classes("n-flips")
        self._more = ui.element("div").classes("n-more")
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
        self._more.clear()
        if len(flips) > PAGE:
            last = flips[PAGE - 1].id

            async def more() -> None:
                self._fill(*await self._explorer.flips(last))

            with self._more:
                secondary(self._explorer.view, SHELL.load_more, more)


def _card(view: View, flip: Flip, row: Inspection | None) -> None:
    with ui.element("article").classes("n-flip").mark(f"flip-{flip.id}"):
        thumbnail(view, row)
        with ui.element("div").classes("n-flip-text"):
            with ui.element("div").classes("n-row n-counts"):
                decision_badge(flip.decision)
                arrow()
                decision_badge(flip.would_be)
            with ui.element("div").classes("n-row"):
                ui.label(score(flip.score)).classes("n-strong")
                if flip.verdict is not None:
                    verdict_badge(flip.verdict)
            if row is not None:
                ui.label(row.serial or row.name or moment(row.created_at)).classes("n-caption n-cut")


def arrow() -> None:
    """From one decision to the next."""
    ui.icon("arrow_forward").classes("n-flip-arrow").props(f'role="img" aria-label="{TEXT.becomes}"')


def thumbnail(view: View, row: Inspection | None, side: int = 192) -> None:
    """The kept image, small; or that there is none."""
    if row is None or row.image_sha256 is None:
        with ui.element("div").classes("n-thumb n-thumb-none"):
            ui.icon("hide_image").props('aria-hidden="true"')
            ui.label(TEXT.no_image).classes("n-caption")
        return
    source = f"{view.url('media', 'inspections', row.id, 'thumbnail')}?side={side}"
    ui.element("img").classes("n-thumb").props(f'src="{source}" alt="" loading="lazy"')


def verdict_badge(verdict: Verdict) -> None:
    """What a person found."""
    icon, kind = VERDICTS[verdict]
    badge(TEXT.verdicts[verdict], icon, kind)
