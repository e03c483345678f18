"""Which sinks want an event: their filters, as they are in the transaction that asks.

A mark changes with every change of a sink, so that what was read before is believed while the mark is the same, on
every server. Where there was never a sink there is no mark, and that is all that is asked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from app.store.database import Ask
from app.store.envelopes import OF_INSPECTIONS, Happening

SINKS = "sinks"  # the mark
REVISION = f"SELECT value FROM marks WHERE name = '{SINKS}'"
WISHES = "SELECT id, kinds, banks, decisions, stations FROM sinks WHERE enabled"


class Wish(NamedTuple):
    """What an enabled sink wants; None is everything."""

    sink: str
    kinds: frozenset[str] | None
    banks: frozenset[str] | None
    decisions: frozenset[str] | None
    stations: frozenset[str] | None

    def takes(self, event: Happening) -> bool:
        """Decisions and stations are asked of inspections; a station also of anything else that has one."""
        about = event.kind in OF_INSPECTIONS
        return (
            (self.kinds is None or event.kind in self.kinds)
            and (self.banks is None or event.bank in self.banks)
            and (self.decisions is None or not about or event.decision in self.decisions)
            and (
                self.stations is None
                or not (about or event.station is not None)
                or event.station in self.stations
            )
        )


class Wishes:
    """Those of all enabled sinks. Safe to share between threads."""

    def __init__(self) -> None:
        self._known: tuple[str | None, tuple[Wish, ...]] = (None, ())

    def now(self, ask: Ask) -> tuple[Wish, ...]:
        """Read again where the mark has changed."""
        found = ask(REVISION)
        revision = found[0][0] if found else None
        if (known := self._known)[0] != revision:
            known = self._known = revision, tuple(_wish(row) for row in ask(WISHES))
        return known[1]


def _wish(row: Sequence[Any]) -> Wish:
    """SQLite's driver gives JSON as text, PostgreSQL's as lists."""
    lists = [json.loads(value) if isinstance(value, str) else value for value in row[1:]]
    return Wish(row[0], *(None if each is None else frozenset(each) for each in lists))
