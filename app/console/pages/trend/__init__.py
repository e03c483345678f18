"""Trend: a bank's decisions, accepted scores and reviews by hour, of a station or of all; it follows the line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from app.console.pages.trend.chart import LINES, STACK, decision_chart, score_chart
from app.console.pages.trend.words import TREND as TEXT
from app.console.view import View, page
from app.console.widgets.blocks import (
    block,
    decision_count,
    empty_state,
    figure,
    page_header,
    section,
    table,
    text,
)
from app.console.widgets.filters import FIELD, Wanted
from app.console.words import WORDS, moment, percent, score
from app.insight.trend import HOUR, Hour, Trend, trend

USUAL = 24
LOOK_SECONDS = 10.0


@page("/banks/{bank}/trend", TEXT.name, icon="show_chart", order=45)
async def show(view: View) -> None:
    """The page; the address names time and station."""
    await Day(view).open()


class Day:
    """One span of a bank, looked at anew while the page is open."""

    def __init__(self, view: View) -> None:
        self._view, self._offset = view, Wanted.asked(view).offset
        asked = view.query("hours") or ""
        self._hours = int(asked) if asked.isdecimal() and int(asked) in TEXT.spans else USUAL
        self._station = (view.query("station") or "")[:128] or None
        self._shown: object = None

    async def open(self) -> None:
        found = await self._read()
        with page_header(TEXT.name, _span(found)):
            self._choices(found)
        self._body = block("n-trend")
        self._draw(found)
        ui.timer(LOOK_SECONDS, self._view.handler(self._follow), immediate=False)

    async def _read(self) -> Trend:
        view, until = self._view, datetime.now(UTC)
        since = max(until - timedelta(hours=self._hours), until - 31 * 24 * HOUR)
        return await view.run(
            lambda: trend(view.service.inspecting, view.own_bank.id, since, until, self._station)
        )

    async def _follow(self) -> None:
        self._draw(await self._read())

    def _draw(self, found: Trend) -> None:
        """Anew only where something has changed."""
        if found.hours == self._shown:
            return
        self._shown = found.hours
        self._body.clear()
        with self._body:
            if not sum(found.decided.values()):
                empty_state("show_chart", TEXT.none, TEXT.none_hint)
                return
            _figures(found)
            _charts(found, self._offset)
            _numbers(found)

    def _choices(self, found: Trend) -> None:
        names = {*found.stations, *([self._station] if self._station else [])}
        stations = {"": TEXT.every, **{name: name for name in sorted(names)}}
        _select(TEXT.hours, dict(TEXT.spans), self._hours, lambda value: self._go(hours=value))
        _select(TEXT.station, stations, self._station or "", lambda value: self._go(station=value))

    def _go(self, **changed: Any) -> None:
        said = {"hours": self._hours, "station": self._station, **changed}
        query = urlencode({name: value for name, value in said.items() if value})
        self._view.go(f"{self._view.url('banks', self._view.own_bank.id, 'trend')}?{query}")


def _select(name: str, options: dict[Any, str], value: Any, change: Callable[[Any], None]) -> None:
    chosen: Any = ui.select(options, label=name, value=value).props(FIELD).classes("n-trend-choice")
    chosen.on_value_change(lambda: change(chosen.value))


def _span(found: Trend) -> str:
    return TEXT.span.format(since=moment(found.since), until=moment(found.until))


def _figures(found: Trend) -> None:
    total, agreed = sum(found.decided.values()), found.agreement.agreed
    with section(), block("n-figures"):
        with figure(TEXT.inspected, f"{total:,}"), block("n-row n-counts"):
            for decision in reversed(STACK):
                decision_count(decision, found.decided[decision])
        figure(TEXT.rejected, percent(found.decided["reject"] / total))
        figure(TEXT.median, _score(found.median))
        figure(TEXT.high, _score(found.high), TEXT.high_hint)
        said = TEXT.agreement_value.format(count=f"{agreed.count:,}", total=f"{agreed.total:,}")
        figure(TEXT.agreement, said if agreed.total else TEXT.agreement_none, TEXT.agreement_hint)


def _charts(found: Trend, offset: int) -> None:
    with section(TEXT.decisions):
        decision_chart(found.hours, offset)
        _legend([(WORDS.decisions[decision], f"n-day-{decision}") for decision in reversed(STACK)])
    if found.median is not None:
        with section(TEXT.scores, TEXT.scores_hint):
            score_chart(found.hours, offset)
            _legend([(name, f"n-dot-{kind}") for kind, name in LINES])


def _legend(names: list[tuple[str, str]]) -> None:
    with block("n-row n-legend"):
        for name, kind in names:
            with block("n-legend-item", "span"):
                ui.element("span").classes(f"n-swatch {kind}").props('aria-hidden="true"')
                ui.label(name)


def _numbers(found: Trend) -> None:
    """The charts' numbers, newest first; hours without an inspection are left out."""
    decisions = [WORDS.decisions[decision] for decision in reversed(STACK)]
    with section(TEXT.numbers), table(TEXT.hour, *decisions, TEXT.median, TEXT.high, TEXT.reviewed):
        for hour in reversed(found.hours):
            if sum(hour.decided.values()):
                _row(hour)


def _row(hour: Hour) -> None:
    with ui.element("tr"):
        text(moment(hour.start), "n-when", "td")
        for decision in reversed(STACK):
            text(f"{hour.decided[decision]:,}", "n-number", "td")
        text(_score(hour.median), "n-number", "td")
        text(_score(hour.high), "n-number", "td")
        agreed = TEXT.agreement_value.format(count=hour.agreed, total=hour.reviewed)
        text(agreed if hour.reviewed else TEXT.nothing, "n-number", "td")


def _score(value: float | None) -> str:
    return TEXT.nothing if value is None else score(value)
