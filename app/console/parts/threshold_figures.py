"""What the explored thresholds would do, in numbers: good parts by expectation, reviewed ones by count."""

from __future__ import annotations

from nicegui import ui

from app.console.formats import percent
from app.console.parts.explorer import Explorer
from app.console.text.thresholds import THRESHOLDS as TEXT
from app.console.widgets.badges import decision_count
from app.console.widgets.layout import figure, section
from core.judging.exploration import ExpectedRate, Share


def threshold_figures(explorer: Explorer) -> None:
    """Two blocks, written anew whenever other thresholds are tried."""
    with section(TEXT.expected):
        expected = ui.element("div").classes("n-stack").props('aria-live="polite"')
    with section(TEXT.measured):
        measured = ui.element("div").classes("n-stack").props('aria-live="polite"')

    def show() -> None:
        expected.clear()
        measured.clear()
        with expected:
            _expected(TEXT.rejected, explorer.found.expected_reject)
            if explorer.found.thresholds.review != explorer.found.thresholds.reject:
                _expected(TEXT.looked_at, explorer.found.expected_review)
        with measured:
            _measured(explorer)

    explorer.listeners.append(show)
    show()


def _expected(name: str, rate: ExpectedRate) -> None:
    hint = TEXT.between.format(
        low=percent(rate.low), high=percent(rate.high), above=rate.above, images=f"{rate.images:,}"
    )
    figure(name, TEXT.at_most.format(rate=percent(rate.expected)), hint)


def _measured(explorer: Explorer) -> None:
    found = explorer.found
    with ui.element("div"):
        ui.label(TEXT.decided.format(n=f"{found.inspections:,}")).classes("n-figure-name")
        with ui.element("div").classes("n-row n-counts"):
            decision_count("accept", found.decided["accept"])
            decision_count("review", found.decided["review"])
            decision_count("reject", found.decided["reject"])
    _share(TEXT.found, found.found)
    _share(TEXT.alarms, found.alarms)


def _share(name: str, share: Share) -> None:
    if not share.total:
        figure(name, TEXT.nothing_reviewed)
        return
    hint = TEXT.interval.format(low=percent(share.low), high=percent(share.high))
    figure(name, TEXT.of.format(count=f"{share.count:,}", total=f"{share.total:,}"), hint)
