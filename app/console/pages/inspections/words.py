"""Words of the list of inspections, and of one inspection's page."""

from __future__ import annotations

from dataclasses import dataclass

from app.console.words import Plural


@dataclass(frozen=True)
class Inspections:
    """English."""

    name: str = "Inspections"
    lead: str = "Every inspected image, newest first."
    one: str = "Inspection"
    none: str = "Nothing was inspected yet"
    none_hint: str = "Inspect a part, or send images to the API; each appears here as soon as it is recorded."
    no_match: str = "No inspection matches"
    live: str = "Follow the line"
    part: str = "Part"
    score: str = "Score"
    when: str = "When"
    newest: str = "Newest"
    newer: str = "Newer"
    older: str = "Older"
    page: Plural = Plural("{n} inspection on this page", "{n} inspections on this page")
    reviews: str = "Reviews"
    no_reviews: str = "Nobody has reviewed it yet."
    reviewed_by: str = "by {actor}, {when}"
    note: str = "Note"
    note_hint: str = "Optional; stored with the review."


INSPECTIONS = Inspections()
