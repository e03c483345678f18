"""The section that explains a score: a method of choice, its map, what it shows, how faithful it is on this image."""

from __future__ import annotations

import base64

from nicegui import ui

from app.console.pages.inspections.words import EXPLANATION as TEXT
from app.console.view import View
from app.console.widgets.blocks import block, fact, text
from app.console.widgets.controls import secondary
from app.console.words import percent, score
from app.insight.explaining import Explained, explain_inspection, method_names
from app.store.schema import Inspection
from core.explain import DEFAULT

NAMED = 3  # channels


class ExplanationSection:
    """Draws nothing before it is asked to: an explanation is computed anew."""

    def __init__(self, view: View, row: Inspection) -> None:
        self._view, self._row = view, row
        with block("n-section n-explanation"):
            text(TEXT.title, tag="h2")
            ui.label(TEXT.lead).classes("n-caption")
            if row.image_sha256 is None:
                ui.label(TEXT.no_image).classes("n-caption")
                return
            if row.location is not None and not row.location["located"]:
                ui.label(TEXT.not_located).classes("n-caption")
                return
            options = {name: TEXT.methods[name] for name in method_names()}
            with block("n-row"):
                self._choice = ui.select(options, value=DEFAULT, label=TEXT.method).props("outlined dense")
                secondary(view, TEXT.show, self._show, icon="insights")
            self._body = block("n-explained", aria_live="polite")

    async def _show(self) -> None:
        found = await explain_inspection(self._view.service.inspecting, self._row.id, str(self._choice.value))
        self._body.clear()
        with self._body:
            _draw(found)


def _draw(found: Explained) -> None:
    told, faithful, shares = found.found, found.found.faithfulness, found.found.shares
    picture = "data:image/png;base64," + base64.b64encode(found.picture).decode("ascii")
    name = TEXT.methods[told.method]
    block("n-explained-picture", "img", src=picture, alt=TEXT.picture.format(method=name))
    ui.label(told.says)
    ui.label(TEXT.decides if told.method == DEFAULT else TEXT.decides_not).classes("n-strong")
    best, random = faithful.best, faithful.random
    with block("n-facts", "dl"):
        fact(TEXT.deletion, TEXT.area.format(n=faithful.deletion.area, best=best[0], random=random))
        fact(TEXT.insertion, TEXT.area.format(n=faithful.insertion.area, best=best[1], random=random))
        fact(TEXT.distance, score(told.score))
        for layer, share in shares.layers.items():
            fact(TEXT.layer.format(layer=layer), percent(share))
        for each in shares.channels[:NAMED]:
            way = TEXT.more if each.more else TEXT.less
            fact(TEXT.channel.format(layer=each.layer, n=each.channel), f"{percent(each.share)}, {way}")
    ui.label(TEXT.faithful_hint).classes("n-caption")
    if (note := found.document()["note"]) is not None:
        ui.label(note).classes("n-caption")
