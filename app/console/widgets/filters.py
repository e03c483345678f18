"""Which inspections a page or an export shows: read from an address, written into one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args
from urllib.parse import urlencode

from nicegui import ui

from app.console.view import View
from app.console.widgets.blocks import block
from app.console.widgets.controls import secondary
from app.console.widgets.words import FILTERS as TEXT
from app.console.words import WORDS
from app.store.inspections import Filter
from app.store.reviews import LONGEST_KIND
from app.store.schema import Decision, Verdict

LONGEST = 128  # characters of a serial number
FIELD = "outlined dense hide-bottom-space options-dense"
OFFSET = re.compile(r"-?\d{1,3}")  # within a day either way
NONE = "none"  # the verdict of what nobody reviewed


@dataclass(frozen=True)
class Wanted:
    """Empty fields do not matter. ``since`` and ``until`` are days, both included, ``offset`` minutes ahead of UTC."""

    bank: str = ""
    decision: str = ""
    serial: str = ""
    verdict: str = ""
    kind: str = ""
    since: str = ""
    until: str = ""
    offset: int = 0

    @classmethod
    def of(cls, query: Mapping[str, str], offset: str = "0") -> Wanted:
        """What an address asks for; what it cannot mean is left out. offset: of the browser, as its cookie has it."""
        names = [name for name in cls.__dataclass_fields__ if name != "offset"]
        known = {name: query.get(name, "").strip() for name in names}
        known["serial"], known["kind"] = known["serial"][:LONGEST], known["kind"][:LONGEST_KIND]
        for name, words in (("decision", get_args(Decision)), ("verdict", (*get_args(Verdict), NONE))):
            if known[name] not in words:
                known[name] = ""
        for name in ("since", "until"):
            if _day(known[name]) is None:
                known[name] = ""
        return cls(**known, offset=int(offset) if OFFSET.fullmatch(offset) else 0)

    @classmethod
    def asked(cls, view: View) -> Wanted:
        """What a page's address asks for, its days those of the browser's zone."""
        connection = view.connection
        return cls.of(connection.query_params, connection.cookies.get("nominal_offset", "0"))

    @property
    def anything(self) -> bool:
        """Whether any field matters."""
        return bool(self.query())

    def query(self, **more: str | None) -> str:
        """For an address: '?bank=caps&decision=reject', or nothing."""
        said = {name: value for name, value in {**asdict(self), "offset": "", **more}.items() if value}
        return f"?{urlencode(said)}" if said else ""

    def export_query(self, form: str) -> str:
        """For the API's export: '?bank=caps&since=2026-11-01T00%3A00%3A00%2B00%3A00&format=csv'."""
        asked = {name: value for name, value in asdict(self.filter()).items() if value is not None}
        return f"?{urlencode({name: _said(value) for name, value in asked.items()} | {'format': form})}"

    def filter(self) -> Filter:
        """For the store."""
        return Filter(
            bank=self.bank or None,
            decision=self.decision or None,  # type: ignore[arg-type]
            serial=self.serial or None,
            verdict=self.verdict if self.verdict not in ("", NONE) else None,  # type: ignore[arg-type]
            kind=self.kind or None,
            reviewed=False if self.verdict == NONE else None,
            since=_moved(_day(self.since), self.offset),
            until=_moved(_after(_day(self.until)), self.offset),
        )


def _said(value: object) -> str:
    """As the API reads it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _day(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None


def _moved(day: datetime | None, offset: int) -> datetime | None:
    """When a day begins in a zone that is so many minutes ahead; the calendar has two ends."""
    try:
        return day and day - timedelta(minutes=offset)
    except OverflowError:
        return day


def _after(day: datetime | None) -> datetime | None:
    """The day's end; the last day of the calendar has no next."""
    if day is None:
        return None
    return day + timedelta(days=1) if day.date() < date.max else datetime.max.replace(tzinfo=UTC)


def filter_bar(view: View, wanted: Wanted, at: str, *, verdicts: bool) -> None:
    """``at`` is the page's address; ``verdicts`` offers the review as a filter."""

    def go(**changed: str | None) -> None:
        said: dict[str, Any] = {name: value or "" for name, value in changed.items()}
        view.go(at + replace(wanted, **said).query())

    with block("n-filters", role="search"):
        banks = {"": TEXT.any, **{bank.id: bank.title for bank in view.banks}}
        if wanted.bank not in banks:
            banks[wanted.bank] = wanted.bank  # of a bank that is deleted, or not among those offered
        _select(view, TEXT.bank, banks, wanted.bank, lambda value: go(bank=value))
        decisions = {"": TEXT.any, **WORDS.decisions}
        _select(view, TEXT.decision, decisions, wanted.decision, lambda value: go(decision=value))
        if verdicts:
            reviews = {"": TEXT.any, **{name: TEXT.verdicts[name] for name in (*get_args(Verdict), NONE)}}
            _select(view, TEXT.verdict, reviews, wanted.verdict, lambda value: go(verdict=value))
        serial = ui.input(TEXT.serial, value=wanted.serial).props(f"{FIELD} clearable maxlength=128")
        for event in ("change", "clear"):
            serial.on(event, view.handler(lambda: go(serial=serial.value)), [])
        if wanted.kind:
            kind = ui.input(TEXT.kind, value=wanted.kind).props(f"{FIELD} clearable maxlength={LONGEST_KIND}")
            for event in ("change", "clear"):
                kind.on(event, view.handler(lambda: go(kind=kind.value)), [])
        _date(view, TEXT.since, wanted.since, lambda value: go(since=value))
        _date(view, TEXT.until, wanted.until, lambda value: go(until=value))
        if wanted.anything:
            secondary(view, TEXT.clear, lambda: view.go(at), icon="filter_alt_off")


def export_links(view: View, wanted: Wanted) -> None:
    """What the filters name, as files."""
    for name, form in ((TEXT.csv, "csv"), (TEXT.jsonl, "jsonl")):
        url = view.url("v1", "inspections", "export") + wanted.export_query(form)
        with block("n-export", "a", href=url, download=""):
            ui.icon("download").props('aria-hidden="true"')
            ui.label(name)


def _select(
    view: View, name: str, options: dict[str, str], value: str, change: Callable[[str], None]
) -> None:
    chosen: Any = ui.select(options, label=name, value=value).props(FIELD)
    chosen.on_value_change(view.handler(lambda: change(chosen.value)))


def _date(view: View, name: str, value: str, change: Callable[[str], None]) -> None:
    day = ui.input(name, value=value).props(f"{FIELD} type=date stack-label")
    day.on("change", view.handler(lambda: change(day.value)), [])
