"""Patterns of a bank's rejects under a fold: mined on demand, each with images that show it best; their figures.

They keep kinds apart less well than the unnamed groups above them (docs/decisions.md), so they are not shown unasked.
"""

from __future__ import annotations

from nicegui import ui

from app.console.pages.defects.words import PATTERNS as TEXT
from app.console.view import View
from app.console.widgets.blocks import block, text
from app.console.widgets.controls import secondary
from app.console.widgets.job_panel import JobPanel, far
from app.console.widgets.viewer import thumbnail
from app.console.words import percent
from app.learning import patterns
from app.learning.jobs import Look
from app.store.schema import Inspection, Job
from nominal_client.answers.patterns import Mining, Pattern, Patterns

LOOK_SECONDS = 2.0


class PatternsPanel(JobPanel[Job]):
    """Shown where it is made."""

    def __init__(self, view: View, bank: str) -> None:
        super().__init__(view, bank)
        with block("n-found", "details"):
            text(TEXT.name, tag="summary")
            text(TEXT.hint, "n-caption", tag="p")
            with block("n-row"):
                self._start = secondary(view, TEXT.start, self._ask, icon="search", role="admin")
                self._cancel = secondary(view, TEXT.cancel, self._stop, icon="stop", role="admin")
            self._state = ui.label().classes("n-caption").props('role="status"')
            self._found = ui.element("div")
        self.watch(LOOK_SECONDS)

    def _read(self) -> Look[Job]:
        return patterns.look(self._view.service.learning, self._bank)

    def _begin(self) -> Job:
        return patterns.start(self._view.service.learning, self._bank, self._view.actor.id)

    def _said(self, look: Look[Job]) -> str:
        return far(look, TEXT)

    async def _draw(self, look: Look[Job]) -> None:
        self._found.clear()
        if look.kept is None or look.kept.result is None:
            return
        found = Patterns.model_validate(look.kept.result)
        ids = [each.name for mined in found.minings for one in mined.patterns for each in one.examples]
        rows = await self._view.run(lambda: self._view.store.inspections.some(ids))
        with self._found:
            ui.label(TEXT.of.format(rejects=found.rejects, nominal=found.nominal)).classes("n-caption")
            for mined in found.minings:
                self._mining(mined, rows)

    def _mining(self, mined: Mining, rows: dict[str, Inspection]) -> None:
        text(TEXT.inputs[mined.of], "n-strong", tag="p")
        figures = {"separation": mined.separation, "stability": mined.stability, "purity": mined.purity}
        said = [TEXT.figures[name].format(n=f"{n:.2f}") for name, n in figures.items() if n is not None]
        ui.label(", ".join(said)).classes("n-caption")
        with block("n-piles", "ol"):
            for pattern in (each for each in mined.patterns if each.rejects):
                with block("n-pile n-row n-pile-shown", "li"):
                    self._pattern(pattern, rows)

    def _pattern(self, pattern: Pattern, rows: dict[str, Inspection]) -> None:
        for each in pattern.examples:
            if (row := rows.get(each.name)) is not None:
                thumbnail(self._view, row)
        shares = {"rejects": percent(pattern.frequency), "nominal": percent(pattern.in_nominal)}
        ui.label(TEXT.shown.format(**shares)).classes("n-caption")
