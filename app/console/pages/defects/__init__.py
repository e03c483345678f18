"""Defects: what goes wrong most on a bank, by kind: how often, on which days and stations, where, with examples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from nicegui import ui

from app.console.pages.defects.asking import asked_of, choices, exported, query_of
from app.console.pages.defects.patterns import PatternsPanel
from app.console.pages.defects.words import DEFECTS as TEXT
from app.console.view import View, page
from app.console.widgets.blocks import block, empty_state, page_header, section, text
from app.console.widgets.controls import dialog, primary, secondary
from app.console.widgets.viewer import thumbnail
from app.console.words import SHELL, moment, percent
from app.insight.pareto import GRID, Pareto, Pile, pareto
from app.store.reviews import LONGEST_KIND
from app.store.schema import Inspection

REFERENCE = 192  # pixels of the nominal image under a map of places


@page("/banks/{bank}/defects", TEXT.name, icon="bar_chart", order=46)
async def show(view: View) -> None:
    """The page; the address names time and station."""
    view.use("inspection.css", "viewer.js")
    await Defects(view).open()


class Defects:
    """One span of a bank."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._days, self._station = asked_of(view)
        self._reference: str | None = None

    async def open(self) -> None:
        view, bank, until = self._view, self._view.own_bank.id, datetime.now(UTC)
        since, place = until - timedelta(days=self._days), view.actor.scope.station(self._station)
        found = await pareto(view.service.inspecting, view.service.recall, bank, since, until, place)
        ids = [id for pile in found.piles for id in pile.examples]
        rows = await view.run(lambda: view.store.inspections.some(ids))
        nominal = (await view.run(lambda: view.store.images.page(bank, limit=1))).items
        if nominal:
            at = view.url("v1", "banks", bank, "images", nominal[0].sha256, "thumbnail")
            self._reference = f"{at}?side={REFERENCE}"
        with page_header(TEXT.name, TEXT.span.format(since=moment(since), until=moment(until))):
            self._choices(found)
        if not found.total:
            empty_state("bar_chart", TEXT.none, TEXT.none_hint)
            return
        most = max(pile.count for pile in found.piles)
        with section(TEXT.by_kind, TEXT.hint), block("n-piles", "ol"):
            for pile in found.piles:
                with block("n-pile", "li"):
                    self._pile(found, pile, most, rows)
        if view.actor.scope.stations is None:
            PatternsPanel(view, bank)

    def _choices(self, found: Pareto) -> None:
        named = {name for pile in found.piles for name in pile.by_station}
        choices(
            self._view, (self._days, self._station), named, self._view.url("banks", found.bank, "defects")
        )
        query = {"since": found.since.isoformat(), "until": found.until.isoformat(), "station": self._station}
        for words, *path in ((TEXT.report, "report"), (TEXT.csv, "pareto", "export")):
            exported(words, f"{self._view.url('v1', 'banks', found.bank, *path)}?{query_of(query)}")
        with block("n-export", "a", href=f"{self._view.url('defects')}?{query_of({'days': self._days})}"):
            ui.icon("inventory_2").props('aria-hidden="true"')
            ui.label(TEXT.all_banks)

    def _pile(self, found: Pareto, pile: Pile, most: int, rows: dict[str, Inspection]) -> None:
        """Its bar and numbers, then examples beside the places."""
        with block("n-pile-head"):
            text(name_of(pile), "n-kind" if pile.named else "n-unnamed")
            ui.label(TEXT.count(pile.count)).classes("n-number")
            ui.label(TEXT.share.format(share=percent(pile.count / found.total))).classes("n-caption")
            block("n-space")
            self._links(found, pile)
        with block("n-pile-bar", aria_hidden="true"):
            kind = "n-day-reject" if pile.named else "n-bar-unreviewed"
            block(f"n-pile-fill {kind}").style(f"width: {100 * pile.count / most:.1f}%")
        with block("n-row n-pile-shown"):
            for id in pile.examples:
                if (row := rows.get(id)) is not None:
                    thumbnail(self._view, row)
            if pile.placed:
                _places(pile, self._reference)
            with block("n-pile-counts"):
                ui.label(TEXT.days_said.format(counts=" · ".join(map(str, pile.by_day)))).classes("n-caption")
                counts = [f"{name or TEXT.no_station} {n}" for name, n in pile.by_station.most_common(6)]
                ui.label(TEXT.stations.format(counts=", ".join(counts))).classes("n-caption")

    def _links(self, found: Pareto, pile: Pile) -> None:
        view, kind = self._view, pile.kind
        if kind is None:
            return
        at = f"{view.url('inspections')}?{urlencode({'bank': found.bank, 'kind': kind})}"
        secondary(view, TEXT.list, lambda: view.go(at), icon="list_alt")
        rename = secondary(
            view, TEXT.rename, lambda: self._rename(found.bank, kind), icon="edit", role="admin"
        )
        rename.props["aria-label"] = TEXT.rename_named.format(kind=kind)

    def _rename(self, bank: str, kind: str) -> None:
        view = self._view
        with view.client, dialog(TEXT.rename_title) as made:
            ui.label(TEXT.rename_text)
            new = ui.input(TEXT.new_name, value=kind).props(f"outlined dense maxlength={LONGEST_KIND}")

            async def rename() -> None:
                view.actor.scope.admit_every_station()
                count = await view.run(
                    lambda: view.store.kinds.rename(bank, kind, new.value or "", actor=view.actor.id)
                )
                made.close()
                view.say(TEXT.renamed(count))
                view.reload()

            with block("n-row n-dialog-actions"):
                secondary(view, SHELL.cancel, made.close)
                primary(view, TEXT.rename, rename, role="admin")


def name_of(pile: Pile) -> str:
    """What people called it, or that nobody did."""
    if pile.kind is not None:
        return pile.kind
    return TEXT.group.format(n=pile.group) if pile.group else TEXT.rest


def _places(pile: Pile, reference: str | None) -> None:
    """A coarse map over a nominal image, redder where more regions have their middle."""
    highest = max(1, max(map(max, pile.places)))
    cells = "".join(
        f'<rect x="{x}" y="{y}" width="1" height="1" fill-opacity="{0.15 + 0.85 * count / highest:.2f}"/>'
        for y, line in enumerate(pile.places)
        for x, count in enumerate(line)
        if count
    )
    drawn = f'<svg viewBox="0 0 {GRID} {GRID}" aria-hidden="true">{cells}</svg>'
    said = TEXT.places_said.format(n=pile.placed)
    with block("n-places", "figure", title=said):
        with block("n-places-map"):
            if reference is not None:
                block("", "img", src=reference, alt="", loading="lazy")
            ui.html(drawn, sanitize=False)
        text(TEXT.places, "n-caption", "figcaption")
