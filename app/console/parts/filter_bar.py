"""The filters of lists of inspections: each change leads to an address that names it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from nicegui import ui

from app.console.filters import Wanted
from app.console.parts.elements import block
from app.console.text.inspections import INSPECTIONS as TEXT
from app.console.text.words import WORDS
from app.console.view import View
from app.console.widgets.buttons import secondary

FIELD = "outlined dense hide-bottom-space options-dense"


def filter_bar(view: View, wanted: Wanted, at: str, *, verdicts: bool) -> None:
    """``at`` is the page's address; ``verdicts`` offers the review as a filter."""

    def go(**changed: str | None) -> None:
        view.go(at + replace(wanted, **{name: value or "" for name, value in changed.items()}).query())

    with block("n-filters", role="search"):
        banks = {"": TEXT.any, **{bank.id: bank.title for bank in view.banks}}
        if wanted.bank not in banks:
            banks[wanted.bank] = wanted.bank  # of a bank that is deleted, or not among those offered
        _select(view, TEXT.bank, banks, wanted.bank, lambda value: go(bank=value))
        decisions = {"": TEXT.any, **WORDS.decisions}
        _select(view, TEXT.decision, decisions, wanted.decision, lambda value: go(decision=value))
        if verdicts:
            reviews = {"": TEXT.any, **TEXT.verdicts}
            _select(view, TEXT.verdict, reviews, wanted.verdict, lambda value: go(verdict=value))
        serial = ui.input(TEXT.serial, value=wanted.serial).props(f"{FIELD} clearable maxlength=128")
        for event in ("change", "clear"):
            serial.on(event, view.handler(lambda: go(serial=serial.value)), [])
        _day(view, TEXT.since, wanted.since, lambda value: go(since=value))
        _day(view, TEXT.until, wanted.until, lambda value: go(until=value))
        if wanted != Wanted():
            secondary(view, TEXT.clear, lambda: view.go(at), icon="filter_alt_off")


def export_links(view: View, wanted: Wanted) -> None:
    """What the filters name, as files."""
    for name, form in ((TEXT.csv, "csv"), (TEXT.jsonl, "jsonl")):
        url = view.url("export", "inspections") + wanted.query(format=form)
        with block("n-export", "a", href=url, download=""):
            ui.icon("download").props('aria-hidden="true"')
            ui.label(name)


def _select(
    view: View, name: str, options: dict[str, str], value: str, change: Callable[[str], None]
) -> None:
    chosen: Any = ui.select(options, label=name, value=value).props(FIELD)
    chosen.on_value_change(view.handler(lambda: change(chosen.value)))


def _day(view: View, name: str, value: str, change: Callable[[str], None]) -> None:
    day = ui.input(name, value=value).props(f"{FIELD} type=date stack-label")
    day.on("change", view.handler(lambda: change(day.value)), [])


def names(banks: Sequence[Any]) -> dict[str, str]:
    """Bank titles by id."""
    return {bank.id: bank.title for bank in banks}
