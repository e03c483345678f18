"""Words of the list of inspections, of one inspection's page, and of filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app.console.text.plural import Plural


@dataclass(frozen=True)
class Inspections:
    """English."""

    name: str = "Inspections"
    lead: str = "Every image that was inspected, newest first."
    one: str = "Inspection"
    none: str = "Nothing was inspected yet"
    none_hint: str = "Inspect a part, or send images to the API; each appears here once it is written down."
    no_match: str = "No inspection matches"
    no_match_hint: str = "Widen the filters or clear them."
    export: str = "Export"
    csv: str = "CSV"
    jsonl: str = "JSON Lines"
    bank: str = "Bank"
    decision: str = "Decision"
    verdict: str = "Review"
    serial: str = "Serial number"
    since: str = "From"
    until: str = "To"
    any: str = "Any"
    clear: str = "Clear filters"
    part: str = "Part"
    score: str = "Score"
    when: str = "When"
    open: str = "Open {name}"
    newest: str = "Newest"
    newer: str = "Newer"
    older: str = "Older"
    page: Plural = Plural("{n} inspection on this page", "{n} inspections on this page")
    reviews: str = "Reviews"
    no_reviews: str = "Nobody has reviewed it yet."
    reviewed_by: str = "by {actor}, {when}"
    note: str = "Note"
    note_hint: str = "Optional; kept with the review."
    taught: str = "Its image is in the nominal set."
    verdicts: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType(
            {
                "confirmed_defect": "Defect confirmed",
                "false_alarm": "False alarm",
                "missed_defect": "Missed defect",
                "none": "Not reviewed",
            }
        )
    )


INSPECTIONS = Inspections()
