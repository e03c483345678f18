"""One version: its nominal scores and threshold, its hardest nominal images; activate, roll back, download."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.console.formats import duration, moment, percent, score, size
from app.console.parts.hardest import hardest
from app.console.parts.version_actions import actions
from app.console.registry import page
from app.console.text.versions import VERSIONS as TEXT
from app.console.view import View
from app.console.widgets.badges import badge
from app.console.widgets.histogram import Mark, histogram
from app.console.widgets.layout import figure, page_header, section
from app.insight import calibration as insight
from app.insight.calibration import Insight
from app.store.schema import Bank, Version

BINS, HARDEST = 48, 12


@page("/banks/{bank}/versions/{number:int}", TEXT.number)
async def show(view: View) -> None:
    """From the version's row and its calibration."""
    assert view.bank is not None
    bank, number = view.bank, int(view.params["number"])
    row = await view.run(lambda: view.service.store.versions.get(bank.id, number))
    title = TEXT.one.format(n=number)
    with page_header(title, TEXT.of_bank.format(bank=bank.title, time=moment(row.created_at))):
        actions(view, bank, row)
    found = await view.run(
        lambda: insight.of_version(view.service.inspecting, bank.id, number, BINS, HARDEST)
    )
    if row.state == "quarantined" or found.reason:
        _banner(row.reason or found.reason or "")
    with section():
        state_badge(bank, row)
        _figures(row, found)
    _scores(found)
    hardest(view, found)


def state_badge(bank: Bank, version: Version) -> None:
    """Active, ready or quarantined."""
    if version.state == "quarantined":
        badge(TEXT.quarantined, "gpp_bad", "reject")
    elif version.number == bank.active_version:
        badge(TEXT.active, "check_circle", "accept")
    else:
        badge(TEXT.ready, "inventory_2")


def _banner(reason: str) -> None:
    with ui.element("div").classes("n-banner").props('role="alert"'):
        ui.icon("warning")
        ui.label(reason)


def _figures(version: Version, found: Insight) -> None:
    summary: dict[str, Any] = version.summary
    built = duration(found.build_seconds) if found.build_seconds is not None else TEXT.unknown
    engine = ", ".join(str(summary[name]) for name in ("runtime", "precision") if name in summary)
    with ui.element("div").classes("n-figures n-figures-top"):
        figure(TEXT.images, f"{found.images:,}")
        figure(TEXT.supports, percent(found.supported_false_reject), TEXT.supports_hint)
        figure(TEXT.vectors, f"{found.vectors:,}", TEXT.vectors_hint(summary.get("source_patches", 0)))
        figure(TEXT.built_in, built)
        figure(TEXT.file, size(version.bytes))
        figure(TEXT.backbone, str(summary.get("backbone", TEXT.unknown)), engine)


def _scores(found: Insight) -> None:
    with section(TEXT.scores, TEXT.scores_hint):
        said = TEXT.bars.format(n=found.images, low=score(found.edges[0]), high=score(found.edges[-1]))
        histogram(found.edges, found.counts, _marks(found), TEXT.axis, said)
        if found.expected_reject is not None:
            expected = found.expected_reject
            ui.label(
                TEXT.expected.format(
                    above=expected.above,
                    images=expected.images,
                    expected=percent(expected.expected),
                    low=percent(expected.low),
                    high=percent(expected.high),
                )
            ).classes("n-reading")


def _marks(found: Insight) -> list[Mark]:
    if found.thresholds is None:
        return []
    review, reject = found.thresholds.review, found.thresholds.reject
    if review == reject:
        return [Mark(reject, TEXT.threshold.format(value=score(reject)), "reject")]
    return [
        Mark(review, TEXT.review_at.format(value=score(review)), "review", after=False),
        Mark(reject, TEXT.reject_at.format(value=score(reject)), "reject"),
    ]
