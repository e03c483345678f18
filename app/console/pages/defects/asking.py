"""What the pages of defects are asked for: a time and a station, named in the address; and what they export."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from app.console.pages.defects.words import DEFECTS as TEXT
from app.console.view import View
from app.console.widgets.blocks import block
from app.console.widgets.filters import FIELD

USUAL = 7  # days


def asked_of(view: View) -> tuple[int, str | None]:
    """The days and the station of a page's address."""
    asked = view.query("days") or ""
    days = int(asked) if asked.isdecimal() and int(asked) in TEXT.spans else USUAL
    return days, (view.query("station") or "")[:128] or None


def choices(view: View, asked: tuple[int, str | None], named: Collection[str], page: str) -> None:
    """Fields for both; a choice opens the page anew."""
    days, station = asked
    stations = {"": TEXT.every, **{name: name for name in sorted({*named, station or ""} - {""})}}
    for name, options, key, value in (
        (TEXT.days, dict(TEXT.spans), "days", days),
        (TEXT.station, stations, "station", station or ""),
    ):
        chosen: Any = ui.select(options, label=name, value=value).props(FIELD).classes("n-trend-choice")

        def go(key: str = key, chosen: Any = chosen) -> None:
            view.go(f"{page}?{query_of({'days': days, 'station': station, key: chosen.value})}")

        chosen.on_value_change(go)


def exported(words: str, url: str) -> None:
    """A link to a file."""
    with block("n-export", "a", href=url, download=""):
        ui.icon("download").props('aria-hidden="true"')
        ui.label(words)


def query_of(said: dict[str, Any]) -> str:
    """As an address has it, without what is empty."""
    return urlencode({name: value for name, value in said.items() if value})
