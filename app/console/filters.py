"""Which inspections a page or an export shows: read from an address, written into one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import get_args
from urllib.parse import urlencode

from app.store.inspections import Filter
from app.store.schema import Decision, Verdict

LONGEST = 128  # characters of a serial number
NONE = "none"  # the verdict of what nobody reviewed


@dataclass(frozen=True)
class Wanted:
    """Empty fields do not matter. ``since`` and ``until`` are days, both included, in UTC."""

    bank: str = ""
    decision: str = ""
    serial: str = ""
    verdict: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        """What an address asks for; what it cannot mean is left out."""
        known = {name: query.get(name, "").strip() for name in cls.__dataclass_fields__}
        known["serial"] = known["serial"][:LONGEST]
        for name, words in (("decision", get_args(Decision)), ("verdict", (*get_args(Verdict), NONE))):
            if known[name] not in words:
                known[name] = ""
        for name in ("since", "until"):
            if _day(known[name]) is None:
                known[name] = ""
        return cls(**known)

    def query(self, **more: str | None) -> str:
        """For an address: '?bank=caps&decision=reject', or nothing."""
        said = {name: value for name, value in {**asdict(self), **more}.items() if value}
        return f"?{urlencode(said)}" if said else ""

    def filter(self) -> Filter:
        """For the store."""
        until = _day(self.until)
        return Filter(
            bank=self.bank or None,
            decision=self.decision or None,  # type: ignore[arg-type]
            serial=self.serial or None,
            verdict=self.verdict if self.verdict not in ("", NONE) else None,  # type: ignore[arg-type]
            reviewed=False if self.verdict == NONE else None,
            since=_day(self.since),
            until=until and until + timedelta(days=1),
        )


def _day(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
