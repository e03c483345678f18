"""The explorer's chart: nominal scores above, recorded inspections by verdict below."""

from __future__ import annotations

from nicegui import ui

from app.console.parts.explorer import Explorer
from app.console.text.thresholds import THRESHOLDS as TEXT
from app.console.widgets.score_chart import Line, Panel, Series, draw, histogram, legend

KINDS = (
    ("unreviewed", "unreviewed"),
    ("false_alarm", "alarm"),
    ("confirmed_defect", "defect"),
    ("missed_defect", "missed"),
)
"""Groups in the order they are stacked, and their colours."""


def threshold_chart(explorer: Explorer) -> None:
    """Drawn anew whenever other thresholds are tried."""
    chart = histogram(TEXT.chart)
    groups = KINDS if explorer.found.inspections else ()
    legend([(TEXT.groups["nominal"], "nominal"), *((TEXT.groups[name], kind) for name, kind in groups)])
    explorer.listeners.append(lambda: _show(explorer, chart))
    _show(explorer, chart)


def _show(explorer: Explorer, chart: ui.html) -> None:
    found = explorer.found
    nominal = TEXT.nominal.format(n=f"{found.expected_reject.images:,}")
    recorded = TEXT.recorded.format(n=f"{found.inspections:,}") if found.inspections else TEXT.recorded_none
    panels = [
        Panel(nominal, [Series(TEXT.groups["nominal"], "nominal", found.nominal)]),
        Panel(recorded, [Series(TEXT.groups[name], kind, found.recorded[name]) for name, kind in KINDS]),
    ]
    lines = [
        Line(TEXT.review, "review", found.thresholds.review),
        Line(TEXT.reject, "reject", found.thresholds.reject),
    ]
    draw(chart, found.edges, panels, lines)
