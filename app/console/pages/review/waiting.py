"""What waits beside the inspection shown: a page of the queue, and how people judged what was decided."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from app.console.pages.review.words import REVIEW as TEXT
from app.console.view import View
from app.console.widgets.answer import name_of
from app.console.widgets.blocks import block, decision_count, decision_icon, fact, text, verdict_badge
from app.console.words import age, percent, score
from app.insight.review_queue import ORDER, Agreement
from app.store.schema import Inspection


def waiting_list(
    view: View,
    rows: list[Inspection],
    shown: Inspection | None,
    choose: Callable[[Inspection], Awaitable[None]],
) -> None:
    """One page of the queue; the row shown is marked."""
    with block("n-waiting", "ul", aria_label=TEXT.list):
        for row in rows:
            with ui.element("li"):
                _waiting(view, row, shown is not None and row.id == shown.id, choose)


def counters(agreement: Agreement) -> None:
    """How much waits, and how often people agreed."""
    with block("n-section n-counters"):
        text(TEXT.queue, tag="h2")
        with block("n-row n-counts"):
            for decision in ORDER:
                decision_count(decision, agreement.waiting[decision])
    with block("n-section n-counters"):
        text(TEXT.agreement, tag="h2")
        share = agreement.agreed
        if share.rate is None:
            ui.label(TEXT.agreement_none).classes("n-caption")
        else:
            ui.label(percent(share.rate)).classes("n-figure-value")
            hint = TEXT.agreement_hint.format(count=f"{share.count:,}", total=f"{share.total:,}")
            ui.label(hint).classes("n-caption")
        with block("n-tally", "dl"):
            fact(TEXT.confirmed, f"{agreement.confirmed:,}")
            fact(TEXT.alarms, f"{agreement.false_alarms:,}")
            fact(TEXT.missed_total, f"{agreement.missed:,}")


def _waiting(
    view: View, row: Inspection, shown: bool, choose: Callable[[Inspection], Awaitable[None]]
) -> None:
    with block(f"n-wait {'n-chosen' if shown else ''}", "button", type="button") as item:
        if shown:
            item.props["aria-current"] = "true"
        with block(f"n-result-line n-ink-{row.decision}"):
            decision_icon(row.decision)
            ui.label(score(row.score))
            text(age(row.created_at), "n-caption n-wait-age")
        ui.label(f"{name_of(row)} · {row.bank}").classes("n-result-name")
        if row.verdict is not None:
            verdict_badge(row.verdict, row.decision)
    item.on("click", view.handler(lambda: choose(row)))
