"""One self-contained HTML page of inspections: image, overlay, score, decision, threshold and two histograms."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from core.files import write_atomically

BINS = 24
CHART_WIDTH, CHART_HEIGHT = 720, 180


@dataclass(frozen=True)
class ReportItem:
    """One inspected image. truth: ``nominal``, ``defective`` or empty when unknown; pictures are PNG bytes."""

    name: str
    truth: str
    score: float
    decision: str
    image: bytes
    overlay: bytes

    @property
    def image_url(self) -> str:
        return _data_url(self.image)

    @property
    def overlay_url(self) -> str:
        return _data_url(self.overlay)

    @property
    def agrees(self) -> bool:
        """Whether the decision is what the truth asks for; an unknown truth agrees with anything."""
        return not self.truth or (self.decision == "accept") == (self.truth == "nominal")


@dataclass(frozen=True)
class Series:
    """Scores of one kind, drawn as one histogram."""

    label: str
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Bar:
    """One histogram bar in chart pixels, with the text that hovering shows."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class Chart:
    """The histograms of all series over one score axis, and where the threshold lies on it."""

    series: tuple[tuple[str, tuple[Bar, ...]], ...]
    threshold_x: float
    ticks: tuple[tuple[float, str], ...]
    width: int = CHART_WIDTH
    height: int = CHART_HEIGHT


def chart(series: Sequence[Series], threshold: float) -> Chart:
    """Histograms of shares (each series sums to 1) over a common axis from the least to the largest score."""
    everything = np.concatenate([[threshold], *(np.asarray(s.scores, dtype=float) for s in series)])
    low, high = float(everything.min()), float(everything.max())
    margin = 0.03 * (high - low) or 1.0
    edges = np.linspace(low - margin, high + margin, BINS + 1)
    counts = [np.histogram(s.scores, edges)[0] for s in series]
    tallest = max((c.max() / max(1, c.sum()) for c in counts), default=1.0) or 1.0
    return Chart(
        series=tuple((s.label, _bars(c, edges, tallest)) for s, c in zip(series, counts, strict=True)),
        threshold_x=_place(threshold, edges),
        ticks=tuple((_place(t, edges), f"{t:.2f}") for t in np.linspace(edges[0], edges[-1], 7)),
    )


def write_report(
    path: Path,
    *,
    title: str,
    lead: str,
    facts: Sequence[tuple[str, str]],
    threshold: float,
    series: Sequence[Series],
    items: Sequence[ReportItem],
    notes: Sequence[str] = (),
) -> None:
    """Write the page atomically.

    lead: one sentence under the title; facts: (name, value) pairs shown as tiles; notes: sentences on the misses.
    """
    environment = Environment(
        loader=PackageLoader("bench"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    page = environment.get_template("report.html").render(
        title=title,
        lead=lead,
        facts=facts,
        threshold=threshold,
        chart=chart(series, threshold),
        items=items,
        notes=notes,
    )
    write_atomically(path, page.encode())


def _bars(counts: np.ndarray, edges: np.ndarray, tallest: float) -> tuple[Bar, ...]:
    total, width = max(1, int(counts.sum())), CHART_WIDTH / BINS
    heights = counts / total / tallest * (CHART_HEIGHT - 10)
    return tuple(
        Bar(
            x=i * width + 1,
            y=CHART_HEIGHT - h,
            width=width - 2,
            height=float(h),
            title=f"{int(c)} of {total} from {edges[i]:.2f} to {edges[i + 1]:.2f}",
        )
        for i, (c, h) in enumerate(zip(counts, heights, strict=True))
        if c
    )


def _place(score: float, edges: np.ndarray) -> float:
    return float((score - edges[0]) / (edges[-1] - edges[0]) * CHART_WIDTH)


def _data_url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
