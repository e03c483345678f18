"""What a bank's thresholds became, when, by whom and why."""

from __future__ import annotations

from nicegui import ui

from app.console.formats import moment, percent, score
from app.console.text.shell import SHELL
from app.console.text.thresholds import THRESHOLDS as TEXT
from app.console.view import View
from app.console.widgets.buttons import secondary
from app.store.schema import ThresholdChange

PAGE = 10


async def threshold_history(view: View, bank: str, shown: int = PAGE) -> None:
    """A table of the latest changes, and a button for more of them."""
    holder = ui.element("div")

    async def show(count: int) -> None:
        changes = await view.run(lambda: view.service.store.banks.threshold_changes(bank, limit=count + 1))
        holder.clear()
        with holder:
            if not changes:
                ui.label(TEXT.no_history).classes("n-caption")
                return
            _table(changes[:count])
            if len(changes) > count:
                with ui.element("div").classes("n-more"):
                    secondary(view, SHELL.load_more, lambda: show(count + 5 * PAGE))

    await show(shown)


def _table(changes: list[ThresholdChange]) -> None:
    with ui.element("table").classes("n-table"):
        with ui.element("thead"), ui.element("tr"):
            for name in (TEXT.when, TEXT.what, TEXT.why, TEXT.who):
                with ui.element("th").props('scope="col"'):
                    ui.label(name)
        with ui.element("tbody"):
            for change in changes:
                _row(change)


def _row(change: ThresholdChange) -> None:
    who = TEXT.local if change.actor == "local" else change.actor
    with ui.element("tr"):
        for text in (moment(change.created_at), became(change), change.note or TEXT.no_note, who):
            with ui.element("td"):
                ui.label(text).classes("n-caption" if text == TEXT.no_note else "")


def became(change: ThresholdChange) -> str:
    """In words: scores where they were set by hand, else rates, else the version's own."""
    said = []
    for threshold, rate, by_score, by_rate in (
        (change.reject_threshold, change.target_false_reject, TEXT.reject_score, TEXT.reject_target),
        (change.review_threshold, change.target_review, TEXT.review_score, TEXT.review_target),
    ):
        if threshold is not None:
            said.append(by_score.format(value=score(threshold)))
        elif rate is not None:
            said.append(by_rate.format(value=percent(rate)))
    return ", ".join(said) or TEXT.from_version
