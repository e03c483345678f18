"""The explorer's chart: nominal scores above, recorded inspections by verdict below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from nicegui import ui

from app.console.pages.thresholds.explorer import Explorer
from app.console.pages.thresholds.words import THRESHOLDS as TEXT
from app.console.widgets.blocks import block
from app.console.words import score, ticks

WIDTH, PANEL, GAP, LEFT, RIGHT, TOP, BOTTOM = 760, 128, 30, 44, 16, 34, 26  # pixels
TICKS = 8
PATTERN = (
    '<defs><pattern id="n-hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="n-hatch-ground" width="5" height="5"/><rect class="n-hatch-line" width="2" height="5"/>'
    "</pattern></defs>"
)
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


@dataclass(frozen=True)
class Series:
    """Counts of each bin; ``kind`` names the colour: nominal, unreviewed, defect, alarm or missed."""

    name: str
    kind: str
    counts: Sequence[int]


@dataclass(frozen=True)
class Panel:
    """Series stacked on each other, under a title."""

    title: str
    series: Sequence[Series]


@dataclass(frozen=True)
class Line:
    """A threshold across every panel; ``kind`` is review or reject."""

    name: str
    kind: str
    value: float


def histogram(summary: str) -> ui.html:
    """An empty chart; ``summary`` is what is read aloud in its place. ``draw`` fills it."""
    chart = ui.html("", sanitize=False).classes("n-chart")
    return chart.props(f'role="img" aria-label="{escape(summary, quote=True)}"')


def draw(chart: ui.html, edges: Sequence[float], panels: Sequence[Panel], lines: Sequence[Line]) -> None:
    """Show panels over the bins of ``edges``; the axis reaches to the farthest line."""
    chart.set_content(svg(edges, panels, lines))


def svg(edges: Sequence[float], panels: Sequence[Panel], lines: Sequence[Line]) -> str:
    """The chart's markup; names are escaped."""
    axis = _Axis(*_span(edges, lines))
    height = TOP + len(panels) * (PANEL + GAP) - GAP + BOTTOM
    parts = [_zones(axis, lines, height)]
    for i, panel in enumerate(panels):
        parts.append(_panel(axis, edges, panel, TOP + i * (PANEL + GAP)))
    parts += [_line(axis, line, height) for line in _named_once(lines)]
    parts.append(_ticks(axis, height))
    return f'<svg viewBox="0 0 {WIDTH} {height}" aria-hidden="true">{PATTERN}{"".join(parts)}</svg>'


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float

    def ticks(self) -> list[float]:
        """Round numbers, ``TICKS`` of them at most."""
        return ticks(self.low, self.high, TICKS)

    def x(self, value: float) -> float:
        """Pixels from the left, within the plot."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)


def _span(edges: Sequence[float], lines: Sequence[Line]) -> tuple[float, float]:
    values = [edges[0], edges[-1], *(line.value for line in lines)]
    margin = 0.02 * ((max(values) - min(values)) or 1.0)
    return max(0.0, min(values) - margin), max(values) + margin


def _named_once(lines: Sequence[Line]) -> list[Line]:
    """Lines in one place are one line under the name of the last."""
    return list({line.value: line for line in lines}.values())


def _zones(axis: _Axis, lines: Sequence[Line], height: int) -> str:
    """Where parts are accepted, reviewed, rejected, as quiet grounds."""
    cuts = [axis.x(axis.low), *(axis.x(line.value) for line in lines), axis.x(axis.high)]
    kinds = ("accept", *(line.kind for line in lines))
    return "".join(
        f'<rect class="n-zone-{kind}" x="{left:.1f}" y="{TOP - 8}" width="{max(0.0, right - left):.1f}" '
        f'height="{height - TOP - BOTTOM + 8}"/>'
        for kind, left, right in zip(kinds, cuts, cuts[1:], strict=False)
    )


def _panel(axis: _Axis, edges: Sequence[float], panel: Panel, top: int) -> str:
    total = np.sum([series.counts for series in panel.series], axis=0)
    most = max(1, int(total.max(initial=0)))
    base = top + PANEL
    parts = [
        f'<text class="n-chart-title" x="{WIDTH - RIGHT - 6}" y="{top + 6}" text-anchor="end">'
        f"{escape(panel.title)}</text>",
        f'<text class="n-chart-number" x="{LEFT - 6}" y="{top + 16}" text-anchor="end">{most:,}</text>',
        f'<text class="n-chart-number" x="{LEFT - 6}" y="{base}" text-anchor="end">0</text>',
        f'<line class="n-chart-base" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>',
    ]
    below = np.zeros(len(total))
    for series in panel.series:
        parts.append(_bars(axis, edges, series, below, base, (PANEL - 14) / most))
        below = below + np.asarray(series.counts)
    return "".join(parts)


def _bars(
    axis: _Axis, edges: Sequence[float], series: Series, below: np.ndarray, base: int, unit: float
) -> str:
    """One path a series; a bar that holds anything is at least a pixel high."""
    steps: list[str] = []
    for left, right, under, count in zip(edges, edges[1:], below, series.counts, strict=False):
        if count:
            x, width = axis.x(left), max(1.0, axis.x(right) - axis.x(left) - 1)
            rise = max(1.0, count * unit)
            steps.append(f"M{x:.1f} {base - under * unit:.1f}v{-rise:.1f}h{width:.1f}v{rise:.1f}z")
    return f'<path class="n-bar-{series.kind}" d="{"".join(steps)}"/>' if steps else ""


def _line(axis: _Axis, line: Line, height: int) -> str:
    x = axis.x(line.value)
    anchor, shift = ("end", -6) if line.kind == "review" or x > WIDTH - 140 else ("start", 6)
    text = f"{escape(line.name)} {score(line.value)}"
    return (
        f'<line class="n-threshold n-threshold-{line.kind}" x1="{x:.1f}" x2="{x:.1f}" y1="8" y2="{height - BOTTOM}"/>'
        f'<text class="n-threshold-name n-threshold-{line.kind}" x="{x + shift:.1f}" y="18" '
        f'text-anchor="{anchor}">{text}</text>'
    )


def _ticks(axis: _Axis, height: int) -> str:
    return "".join(
        f'<text class="n-chart-number" x="{axis.x(value):.1f}" y="{height - 8}" text-anchor="middle">{value:.4g}</text>'
        for value in axis.ticks()
    )


def legend(series: Sequence[tuple[str, str]]) -> None:
    """(name, kind) beside a swatch of each."""
    with block("n-row n-legend"):
        for name, kind in series:
            with block("n-legend-item", "span"):
                ui.element("span").classes(f"n-swatch n-swatch-{kind}").props('aria-hidden="true"')
                ui.label(name)
