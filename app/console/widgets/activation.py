"""Activating a version: asked first, with what it would do to good parts beside what the version in use does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from app.console.view import View
from app.console.widgets.blocks import block, row, text
from app.console.widgets.controls import danger, dialog, primary, secondary
from app.console.widgets.words import ACTIVATION as TEXT
from app.console.words import SHELL, percent, score
from app.insight import calibration
from app.insight.calibration import Insight
from app.learning import versions
from app.store.schema import Bank

Done = Callable[[], Awaitable[None] | None]
LARGE, TWICE = (
    0.02,
    2.0,
)  # shares of good parts: one looks again at a rise to more than twice and at least that
ALARMING = 0.2  # where there is nothing to compare with


async def ask_activation(view: View, bank: Bank, number: int, done: Done) -> None:
    """Show both versions' expected rejects; activate on the state of the bank that the page shows, then call ``done``.

    Raises NotFound, BankError, BlobMissing.
    """

    def look(version: int) -> Insight:
        return calibration.of_version(view.service.inspecting, bank.id, version, bins=1, hardest=0)

    active = bank.active_version
    now = None if active is None else await view.run(lambda: look(active))
    then = await view.run(lambda: look(number))

    async def activate() -> None:
        made.close()
        await versions.activate(view.service.learning, bank.id, number, bank.revision, view.actor.id)
        await view.handler(done)(None)

    compare = view.url("banks", bank.id, "compare") + f"?a={bank.active_version}&b={number}"
    loud = then.thresholds is None or is_large(_expected(now), _expected(then))
    with view.client, dialog(TEXT.title.format(n=number)) as made:
        ui.label(TEXT.lead.format(old=bank.active_version) if now else TEXT.first)
        _table(now, then)
        if now is not None and _by_score(bank):
            _alert(TEXT.by_score.format(old=bank.active_version, new=number), "info")
        if then.reason:
            _alert(then.reason, "warning")
        elif loud:
            _alert(TEXT.large.format(rate=percent(_expected(then) or 0)), "warning")
        with block("n-row n-dialog-actions"):
            secondary(view, SHELL.cancel, made.close)
            if now is not None:
                secondary(view, TEXT.compare, lambda: view.go(compare), icon="compare_arrows")
            (danger if loud else primary)(view, TEXT.activate.format(n=number), activate, role="admin")


def is_large(before: float | None, after: float | None) -> bool:
    """Whether the expected share of rejected good parts rises so much that people are warned."""
    if after is None:
        return False
    return after >= ALARMING if before is None else after >= LARGE and after > TWICE * before


def _by_score(bank: Bank) -> bool:
    return bank.review_threshold is not None or bank.reject_threshold is not None


def _expected(found: Insight | None) -> float | None:
    return found.expected_reject.expected if found and found.expected_reject else None


def _table(now: Insight | None, then: Insight) -> None:
    shown = [found for found in (now, then) if found is not None]
    with block("n-figures"):
        for found in shown:
            with block("n-figure"):
                ui.label(TEXT.version.format(n=found.version)).classes("n-figure-name")
                _figures(found)


def _figures(found: Insight) -> None:
    rate, thresholds = found.expected_reject, found.thresholds
    if rate is None or thresholds is None:
        ui.label(TEXT.cannot).classes("n-strong")
        return
    ui.label(TEXT.rejects.format(rate=percent(rate.expected))).classes("n-strong")
    ui.label(TEXT.range.format(low=percent(rate.low), high=percent(rate.high))).classes("n-caption")
    ui.label(TEXT.above.format(value=score(thresholds.reject))).classes("n-caption")


def _alert(words: str, icon: str) -> None:
    with row() as made:
        made.classes("n-banner", remove="n-row").props('role="alert"')
        ui.icon(icon).props('aria-hidden="true"')
        text(words)
