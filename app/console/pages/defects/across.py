"""Defects of all banks: by kind, with the banks, stations and days that have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from nicegui import ui

from app.console.pages.defects.asking import asked_of, choices, exported, query_of
from app.console.pages.defects.words import DEFECTS as TEXT
from app.console.view import View, page
from app.console.widgets.blocks import block, empty_state, page_header, section, text
from app.console.words import moment, percent
from app.insight.across import Across, Total, across


@page("/defects", TEXT.all_banks)
async def show(view: View) -> None:
    """The page; the address names time and station."""
    view.use("inspection.css")
    (days, station), until = asked_of(view), datetime.now(UTC)
    since = until - timedelta(days=days)
    found = await view.run(partial(across, view.store, view.actor.scope, since, until, station))
    with page_header(TEXT.all_banks, TEXT.span.format(since=moment(found.since), until=moment(found.until))):
        named = {name for kind in found.kinds for name in kind.by_station}
        choices(view, (days, station), named, view.url("defects"))
        query = {"since": found.since.isoformat(), "until": found.until.isoformat(), "station": station}
        exported(TEXT.csv, f"{view.url('v1', 'pareto', 'export')}?{query_of(query)}")
    if not found.total:
        empty_state("bar_chart", TEXT.none, TEXT.none_hint)
        return
    most = max(kind.count for kind in found.kinds)
    with section(TEXT.by_kind, TEXT.all_hint), block("n-piles", "ol"):
        for kind in found.kinds:
            with block("n-pile", "li"):
                _kind(view, found, kind, most, days)


def _kind(view: View, found: Across, kind: Total, most: int, days: int) -> None:
    """Its bar and numbers, then its banks, each a link to its own page."""
    named = kind.kind is not None
    with block("n-pile-head"):
        text(kind.kind or TEXT.unnamed, "n-kind" if named else "n-unnamed")
        ui.label(TEXT.count(kind.count)).classes("n-number")
        ui.label(TEXT.share.format(share=percent(kind.count / found.total))).classes("n-caption")
    with block("n-pile-bar", aria_hidden="true"):
        fill = "n-day-reject" if named else "n-bar-unreviewed"
        block(f"n-pile-fill {fill}").style(f"width: {100 * kind.count / most:.1f}%")
    with block("n-pile-counts"):
        with block("n-row"):
            for bank, n in kind.by_bank.most_common():
                url = f"{view.url('banks', bank, 'defects')}?{query_of({'days': days})}"
                with block("n-export", "a", href=url):
                    ui.label(TEXT.bank_count.format(bank=bank, n=n))
        ui.label(TEXT.days_said.format(counts=" · ".join(map(str, kind.by_day)))).classes("n-caption")
        counts = [f"{name or TEXT.no_station} {n}" for name, n in kind.by_station.most_common(6)]
        ui.label(TEXT.stations.format(counts=", ".join(counts))).classes("n-caption")
