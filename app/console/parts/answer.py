"""An inspection as it is shown everywhere: the picture, and beside it what was found."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.console.formats import moment, percent, score
from app.console.parts.elements import block, text
from app.console.parts.gauge import gauge
from app.console.parts.viewer import viewer
from app.console.text.answer import ANSWER as TEXT
from app.console.view import View
from app.console.widgets.badges import badge, decision_badge
from app.store.schema import Inspection, Verdict

LISTED = 8  # regions by name; the rest are counted
STAGES = ("queue", "decode", "preprocess", "features", "search", "map")
VERDICTS: dict[Verdict, tuple[str, str]] = {
    "confirmed_defect": ("report", "reject"),
    "false_alarm": ("thumb_up", "accept"),
    "missed_defect": ("report", "reject"),
}


def answer(view: View, row: Inspection) -> ui.element:
    """All of it; a page may put more into the element this gives, which lies under the picture."""
    with block("n-inspection").mark(f"answer-{row.id}"):
        with block("n-inspection-picture"):
            with block("n-section"):
                viewer(view, row)
            below = block("n-inspection-below")
        with block("n-inspection-facts"):
            with block("n-section n-verdict"):
                _decided(row)
            _unlike(view, row)
            _regions(row)
            _timings(row)
            _details(view, row)
    return below


def name_of(row: Inspection) -> str:
    """What people call it: its serial number, else its file."""
    return row.serial or row.name or TEXT.unnamed


def verdict_badge(row: Inspection) -> ui.element:
    """What a person found, if anybody looked."""
    if row.verdict is None:
        return badge(TEXT.not_reviewed, "pending")
    icon, kind = VERDICTS[row.verdict]
    agreed = row.verdict == "false_alarm" and row.decision == "accept"
    return badge(TEXT.good_verdict if agreed else TEXT.verdicts[row.verdict], icon, kind)


def _decided(row: Inspection) -> None:
    with block("n-decided"):
        decision_badge(row.decision).classes("n-badge-large")
        if row.verdict is not None:
            verdict_badge(row)
        with block("n-score", title=TEXT.score_hint):
            ui.label(TEXT.score).classes("n-figure-name")
            ui.label(score(row.score)).classes(f"n-score-value n-ink-{row.decision}")
    gauge(row)


def _unlike(view: View, row: Inspection) -> None:
    """The worst place beside the good place that comes nearest to it."""
    if row.nearest is None:
        return
    with block("n-section"):
        text(TEXT.unlike, tag="h2")
        if row.nearest.get("sha256") is None:
            ui.label(TEXT.foreign).classes("n-caption")
            return
        at = view.url("media", "inspections", row.id)
        with block("n-pair"):
            _crop(f"{at}/worst", TEXT.this_part, TEXT.place)
            _crop(f"{at}/nearest", TEXT.good_part, TEXT.good_place)
        ui.label(TEXT.distance.format(distance=score(row.nearest["distance"]))).classes("n-caption")


def _crop(url: str, name: str, described: str) -> None:
    with block("n-crop", "figure"):
        with block("n-crop-stage"):
            block("n-crop-image", "img", src=url, alt=described, title=described, decoding="async")
            block("n-picture-fault", "p")
        text(name, "n-caption", "figcaption")


def _regions(row: Inspection) -> None:
    with block("n-section"):
        text(TEXT.regions, tag="h2")
        if not row.regions:
            ui.label(TEXT.no_regions).classes("n-caption")
            return
        with block("n-region-list", "ul"):
            for number, region in enumerate(row.regions[:LISTED], 1):
                _region(number, region)
        if (more := len(row.regions) - LISTED) > 0:
            ui.label(TEXT.more_regions(more)).classes("n-caption")


def _region(number: int, region: dict[str, Any]) -> None:
    named = TEXT.region.format(n=number)
    with block("n-region-item", "li", data_region=number, tabindex=0, aria_label=named):
        text(str(number), "n-region-number")
        area, share = f"{region['area']:,}", percent(region["share"])
        ui.label(TEXT.region_area.format(area=area, share=share))
        ui.label(TEXT.region_peak.format(peak=score(region["peak"]))).classes("n-caption")


def _timings(row: Inspection) -> None:
    spent = {stage: float(row.timings.get(stage, 0.0)) for stage in STAGES}
    total = float(row.timings.get("total", sum(spent.values())))
    most = max([*spent.values(), 1e-9])
    with block("n-section"):
        with block("n-section-head"):
            text(TEXT.timings, tag="h2")
            ui.label(TEXT.timing_total.format(n=_ms(total))).classes("n-caption")
        with block("n-timings"):
            for stage, value in spent.items():
                ui.label(TEXT.stages[stage]).classes("n-caption")
                with block("n-timing-bar"):
                    block("n-timing-fill").style(f"width: {100 * value / most:.1f}%")
                ui.label(TEXT.milliseconds.format(n=_ms(value))).classes("n-timing-value")


def _details(view: View, row: Inspection) -> None:
    facts = {
        TEXT.bank: f"{row.bank} · {TEXT.version.lower()} {row.version}",
        TEXT.serial: row.serial,
        TEXT.station: row.station,
        TEXT.file: row.name,
        TEXT.size: TEXT.pixels.format(w=row.width, h=row.height),
        TEXT.when: moment(row.created_at),
        TEXT.actor: row.actor,
        TEXT.nominal_image: row.nearest["image"] if row.nearest else None,
    }
    with block("n-section"):
        text(TEXT.details, tag="h2")
        with block("n-facts", "dl"):
            with block("n-fact"):
                text(TEXT.id, tag="dt")
                with ui.element("dd"), block("n-id", "a", href=view.url("inspections", row.id)):
                    ui.label(row.id)
            for name, value in facts.items():
                if value is not None:
                    with block("n-fact"):
                        text(name, tag="dt")
                        text(value, tag="dd")


def _ms(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"
