"""Two charts over the hours of a trend, as SVG in the console's colours: stacked decisions, and score lines.

Times are written as moments, which console.js turns to the reader's clock, on the axis (``n-hour``) in short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from html import escape

from nicegui import ui

from app.console.pages.trend.words import TREND as TEXT
from app.console.words import moment, score, ticks
from app.insight.trend import Hour
from app.store.schema import Decision

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 190, 48, 12, 12, 28  # pixels
LABELS = 8  # on the time axis at most
STEPS = (1, 2, 3, 6, 12, 24, 48, 96, 168)  # hours between them
STACK: tuple[Decision, ...] = ("reject", "review", "accept")  # from the base up
LINES = (("median", TEXT.median), ("high", TEXT.high))


def decision_chart(hours: Sequence[Hour], offset: int) -> None:
    """Bars by hour. offset: minutes that the reader's clock is ahead of UTC."""
    axis = _Axis(hours, offset, 0, max(1, *(sum(hour.decided.values()) for hour in hours)))
    bars = [_bar(axis, i, hour) for i, hour in enumerate(hours)]
    _draw(TEXT.decisions_said, [*axis.grid(lambda value: f"{value:,.0f}", whole=True), *bars])


def score_chart(hours: Sequence[Hour], offset: int) -> None:
    """Median and 95 % score by hour, with a gap where nothing was accepted."""
    known = [value for hour in hours for value in (hour.median, hour.high) if value is not None]
    margin = 0.05 * ((max(known) - min(known)) or 1.0)
    axis = _Axis(hours, offset, max(0.0, min(known) - margin), max(known) + margin)
    lines = [_line(axis, kind, name) for kind, name in LINES]
    _draw(TEXT.scores_said, [*axis.grid(lambda value: f"{value:.3g}"), *lines])


def _draw(said: str, parts: Sequence[str]) -> None:
    drawn = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">{"".join(parts)}</svg>'
    ui.html(drawn, sanitize=False).classes("n-chart").props(
        f'role="img" aria-label="{escape(said, quote=True)}"'
    )


@dataclass(frozen=True)
class _Axis:
    """Hours to pixels across, values to pixels up."""

    hours: Sequence[Hour]
    offset: int
    low: float
    high: float

    @property
    def step(self) -> float:
        """Pixels of an hour."""
        return (WIDTH - LEFT - RIGHT) / len(self.hours)

    def x(self, place: float) -> float:
        return LEFT + place * self.step

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.low) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)

    def grid(self, said: Callable[[float], str], *, whole: bool = False) -> list[str]:
        """Values at the left, hours below."""
        values = [value for value in ticks(self.low, self.high, 4) if not whole or value == int(value)]
        lines = [_across("n-grid-line", self.y(value)) for value in values]
        numbers = [_number(LEFT - 6, self.y(value) + 4, "end", said(value)) for value in values]
        return [*lines, *numbers, _across("n-chart-base", HEIGHT - BOTTOM), *self._times()]

    def _times(self) -> list[str]:
        """At hours that divide the reader's day evenly, or at its days."""
        step = next((each for each in STEPS if len(self.hours) / each <= LABELS), STEPS[-1])
        found = []
        for place, hour in enumerate(self.hours):
            there = hour.start + timedelta(minutes=self.offset)
            since = there.toordinal() * 24 + there.hour  # hours of the reader's days
            if since % step == 0:
                anchor = "start" if place == 0 else "middle"
                found.append(_number(self.x(place), HEIGHT - 8, anchor, moment(hour.start), "n-hour"))
        return found


def _number(x: float, y: float, anchor: str, said: str, more: str = "") -> str:
    return f'<text class="n-chart-number {more}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{said}</text>'


def _across(kind: str, y: float) -> str:
    return f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _bar(axis: _Axis, place: int, hour: Hour) -> str:
    """One hour's decisions on each other; what is there at all is at least a pixel high."""
    below, parts = axis.y(0), []
    for decision in STACK:
        if count := hour.decided[decision]:
            rise = max(1.5, axis.y(0) - axis.y(count))
            width = max(0.7, axis.step - (1 if axis.step > 3 else 0))
            at = f'x="{axis.x(place):.1f}" y="{below - rise:.1f}" width="{width:.1f}" height="{rise:.1f}"'
            parts.append(f'<rect class="n-day-{decision}" {at}/>')
            below -= rise
    said = TEXT.bar.format(hour=moment(hour.start), **hour.decided)
    return f"<g><title>{escape(said)}</title>{''.join(parts)}</g>" if parts else ""


def _line(axis: _Axis, kind: str, name: str) -> str:
    """Through the middle of each hour; a dot per hour where there is room."""
    path, dots, drawing = [], [], False
    for place, hour in enumerate(axis.hours):
        value = getattr(hour, kind)
        if value is None:
            drawing = False
            continue
        x, y = axis.x(place + 0.5), axis.y(value)
        path.append(f"{'L' if drawing else 'M'}{x:.1f} {y:.1f}")
        said = TEXT.point.format(hour=moment(hour.start), name=name, value=score(value))
        at = f'cx="{x:.1f}" cy="{y:.1f}" r="{3 if axis.step > 8 else 1}"'
        dots.append(f'<circle class="n-dot-{kind}" {at}><title>{escape(said)}</title></circle>')
        drawing = True
    return f'<path class="n-line-{kind}" d="{"".join(path)}"/>{"".join(dots)}'
