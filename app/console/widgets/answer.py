"""An inspection as it is shown everywhere: the picture, and beside it what was found."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.console.view import View
from app.console.widgets.blocks import block, decision_badge, fact, styled, text, verdict_badge
from app.console.widgets.viewer import picture_url, viewer
from app.console.widgets.words import ANSWER as TEXT
from app.console.words import WORDS, moment, percent, score
from app.store.schema import Inspection

ROOM = 1.4  # of the gauge's length to what lies furthest right on it
LISTED = 8  # regions by name; the rest are counted
STAGES = ("queue", "decode", "preprocess", "features", "search", "map")


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
            _location(row.location)
            _timings(row)
            _details(view, row)
    return below


def name_of(row: Inspection) -> str:
    """What people call it: its serial number, else its file, else the end of its id."""
    return row.serial or row.name or TEXT.unnamed.format(id=row.id[-6:])


def _decided(row: Inspection) -> None:
    with block("n-decided"):
        decision_badge(row.decision).classes("n-badge-large")
        if row.verdict is not None:
            verdict_badge(row.verdict, row.decision)
        with block("n-score", title=TEXT.score_hint):
            ui.label(TEXT.score).classes("n-figure-name")
            ui.label(score(row.score)).classes(f"n-score-value n-ink-{row.decision}")
    if row.location is None or row.location["located"]:
        _gauge(row)
    else:
        ui.label(TEXT.not_located.format(reason=row.location["reason"])).classes("n-caption")


def _unlike(view: View, row: Inspection) -> None:
    """The worst place beside the good place that comes nearest to it."""
    if row.nearest is None:
        return
    with block("n-section"):
        text(TEXT.unlike, tag="h2")
        if row.nearest.get("sha256") is None:
            ui.label(TEXT.foreign).classes("n-caption")
            return
        at = picture_url(view, row)
        with block("n-pair"):
            _crop(f"{at}worst", TEXT.this_part, TEXT.worst_place)
            _crop(f"{at}nearest", TEXT.good_part, TEXT.good_place)
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
        if row.location is not None and not row.location["located"]:
            ui.label(TEXT.no_map).classes("n-caption")
            return
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


def _location(found: dict[str, Any] | None) -> None:
    """The figures by which a part was located, or was not."""
    if found is None:
        return
    shown = {
        TEXT.inliers: None if found["inliers"] is None else f"{found['inliers']:,}",
        TEXT.found_by: TEXT.by_edges if found.get("method") == "edges" else None,
        TEXT.rotation: _figure(found["rotation"], TEXT.degrees),
        TEXT.scale: _figure(found["scale"], TEXT.times),
        TEXT.fit: _figure(found["fit"], "{n:.3f}"),
        TEXT.in_view: None if found["inspected_share"] is None else percent(found["inspected_share"]),
    }
    with block("n-section"):
        text(TEXT.location, tag="h2")
        with block("n-facts", "dl"):
            for name, value in shown.items():
                if value is not None:
                    fact(name, value)


def _figure(value: float | None, words: str) -> str | None:
    return None if value is None else words.format(n=value)


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
                    fact(name, value)


def _ms(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _gauge(row: Inspection) -> None:
    """The score as a needle on a bar of three zones, from 0 to a little beyond score and thresholds."""
    review, reject = row.review_threshold, row.reject_threshold
    end = ROOM * max(row.score, reject, 1e-9)
    one = review == reject
    words = TEXT.gauge_one if one else TEXT.gauge
    said = words.format(score=score(row.score), review=score(review), reject=score(reject))
    with block("n-gauge", role="img", aria_label=said):
        with block("n-gauge-bar"):
            _zone("accept", 0, review / end)
            _zone("review", review / end, reject / end)
            _zone("reject", reject / end, 1)
            styled(block(f"n-needle n-ink-{row.decision}"), at=f"{100 * row.score / end:.2f}%")
        with block("n-gauge-marks"):
            if not one:
                _mark(review, end, TEXT.review_above, left=True)
            _mark(reject, end, TEXT.reject_above, left=False)


def _zone(name: str, start: float, stop: float) -> None:
    if stop <= start:
        return
    with styled(block(f"n-band n-band-{name}"), share=f"{100 * (stop - start):.2f}%"):
        if stop - start > 0.15:
            ui.label(WORDS.decisions[name])


def _mark(value: float, end: float, name: str, *, left: bool) -> None:
    side = "n-mark-left" if left else "n-mark-right"
    with styled(block(f"n-gauge-mark {side}"), at=f"{100 * value / end:.2f}%"):
        ui.label(name)
        ui.label(score(value)).classes("n-strong")
