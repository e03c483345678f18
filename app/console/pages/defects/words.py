"""Words of a bank's defects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.console.words import Plural, table


@dataclass(frozen=True)
class Defects:
    """English."""

    name: str = "Defects"
    span: str = "{since} to {until}"
    days: str = "Time"
    spans: Mapping[int, str] = table({1: "Last 24 hours", 7: "Last 7 days", 31: "Last 31 days"})
    station: str = "Station"
    every: str = "All stations"
    none: str = "No defect in this time"
    none_hint: str = "Name the kind of a defect when you review it; this page then counts it."
    by_kind: str = "Defects by kind"
    hint: str = "Kinds are the names that reviews give. Groups look alike and have no name yet: review one to name it."
    group: str = "Unnamed, group {n}"
    rest: str = "Unnamed, in no group"
    count: Plural = Plural("{n} part", "{n} parts")
    share: str = "{share} of all defects"
    days_said: str = "By day: {counts}"
    stations: str = "By station: {counts}"
    no_station: str = "none said"
    places: str = "Where on the part"
    places_said: str = (
        "Places of the newest {n}; redder cells have more defects. Beneath it is a nominal image."
    )
    rename: str = "Rename"
    rename_named: str = "Rename {kind}"
    rename_title: str = "Rename this kind"
    rename_text: str = "The name of another kind makes the two one. Reviews carry the new name."
    new_name: str = "New name"
    renamed: Plural = Plural("{n} inspection renamed.", "{n} inspections renamed.")
    list: str = "List them"
    csv: str = "CSV"
    all_banks: str = "Defects of all banks"
    all_hint: str = (
        "Kinds of the same name are one. Choose a bank to see examples, places and unnamed groups."
    )
    unnamed: str = "Unnamed"
    bank_count: str = "{bank}: {n}"
    report: str = "Report"


@dataclass(frozen=True)
class Patterns:
    """English."""

    name: str = "Patterns in rejects"
    hint: str = (
        "Mined by PatternNet: what is frequent in rejects and absent from nominal images. A pattern is not a kind of "
        "defect; kinds are told apart better by the groups above."
    )
    start: str = "Mine patterns"
    cancel: str = "Cancel"
    queued: str = "Waiting for the worker."
    running: str = "Mining: {stage}, {done} of {total}."
    failed: str = "Mining failed: {why}"
    cancelled: str = "Cancelled before anything was found."
    never: str = "No patterns yet."
    current: str = "Mined {time}."
    stale: str = "Mined {time}, by a version that is not active any more."
    of: str = "{rejects} rejects against {nominal} nominal images."
    inputs: Mapping[str, str] = table(
        residual="In what differs from the nearest good patch", whole="In every patch of the image"
    )
    figures: Mapping[str, str] = table(
        separation="separation from nominal images {n}",
        stability="stability over seeds {n}",
        purity="purity by kinds {n}",
    )
    shown: str = "In {rejects} of the rejects, in {nominal} of the nominal images."


PATTERNS = Patterns()
DEFECTS = Defects()
