"""A histogram of scores with thresholds, as SVG in the console's colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from nicegui import ui

from app.console.words import ticks

WIDTH, HEIGHT = 880, 240
LEFT, RIGHT, TOP, BOTTOM = 8, 8, 28, 40
TICKS = 6


@dataclass(frozen=True)
class Mark:
    """A line at a score. ``kind``: review or reject; ``after``: whether its label stands to its right."""

    value: float
    label: str
    kind: str
    after: bool = True


def histogram(
    edges: Sequence[float], counts: Sequence[int], marks: Sequence[Mark], axis: str, said: str
) -> ui.html:
    """``counts`` between consecutive ``edges``; ``said`` is read aloud in its place."""
    scale = _Scale.of(edges, marks)
    parts = [
        *_bars(edges, counts, marks, scale),
        *_axis(scale, axis),
        *(_mark(mark, scale) for mark in marks),
    ]
    drawn = (
        f'<svg class="n-histogram" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(said)}">'
        f"{''.join(parts)}</svg>"
    )
    return ui.html(drawn, sanitize=False)


@dataclass(frozen=True)
class _Scale:
    """Scores to pixels."""

    low: float
    high: float

    @classmethod
    def of(cls, edges: Sequence[float], marks: Sequence[Mark]) -> _Scale:
        """Room for every bar and mark."""
        values = [*edges, *(mark.value for mark in marks)]
        low, high = min(values), max(values)
        margin = (high - low) * 0.02 or 1.0
        return cls(low - margin, high + margin)

    def ticks(self) -> list[float]:
        """Round numbers, about ``TICKS`` of them."""
        return ticks(self.low, self.high, TICKS)

    def x(self, value: float) -> float:
        """Pixels from the left."""
        return LEFT + (value - self.low) / (self.high - self.low) * (WIDTH - LEFT - RIGHT)


def _bars(edges: Sequence[float], counts: Sequence[int], marks: Sequence[Mark], scale: _Scale) -> list[str]:
    """One for each bin, cut where a threshold passes through it; each piece in the colour of its decision."""
    most, floor = max([*counts, 1]), HEIGHT - BOTTOM
    drawn = []
    for (low, high), count in zip(pairwise(edges), counts, strict=True):
        if not count:
            continue
        tall = max(2.0, count / most * (floor - TOP))
        cuts = [low, *sorted(m.value for m in marks if low < m.value < high), high]
        for start, end in pairwise(cuts):
            left, right = scale.x(start), scale.x(end) - (end == high)
            drawn.append(
                f'<rect class="n-bar {_kind(start, marks)}" x="{left:.1f}" y="{floor - tall:.1f}"'
                f' width="{max(1.0, right - left):.1f}" height="{tall:.1f}"><title>{count}</title></rect>'
            )
    return drawn


def _kind(value: float, marks: Sequence[Mark]) -> str:
    """What scores from ``value`` on are decided."""
    below = [mark for mark in marks if mark.value <= value]
    return max(below, key=lambda mark: mark.value).kind if below else "accept"


def _axis(scale: _Scale, name: str) -> list[str]:
    floor = HEIGHT - BOTTOM
    values = scale.ticks()
    ticks = [
        f'<text class="n-tick" x="{scale.x(value):.1f}" y="{floor + 16}" text-anchor="middle">{value:.3g}</text>'
        for value in values
    ]
    line = f'<line class="n-axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor}" y2="{floor}"/>'
    label = (
        f'<text class="n-tick" x="{WIDTH / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(name)}</text>'
    )
    return [line, *ticks, label]


def _mark(mark: Mark, scale: _Scale) -> str:
    x, floor = scale.x(mark.value), HEIGHT - BOTTOM
    after = mark.after if x < WIDTH * 0.8 else False
    anchor, shift = ("start", 6) if after else ("end", -6)
    return (
        f'<line class="n-mark-line {mark.kind}" x1="{x:.1f}" x2="{x:.1f}" y1="8" y2="{floor}"/>'
        f'<text class="n-mark-label {mark.kind}" x="{x + shift:.1f}" y="18" text-anchor="{anchor}">'
        f"{escape(mark.label)}</text>"
    )
