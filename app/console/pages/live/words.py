"""Words of the page that follows the line."""

from __future__ import annotations

from dataclasses import dataclass

from app.console.words import Plural


@dataclass(frozen=True)
class Live:
    """English."""

    name: str = "Live"
    lead: str = "The last parts of every camera, folder and bank, as they are decided."
    none: str = "Nothing was inspected yet"
    none_hint: str = "Parts appear here by themselves, from cameras, watched folders and requests."
    none_of_bank: str = "Nothing was inspected yet."
    sources: str = "Cameras"
    camera: str = "Camera"
    bank: str = "Bank"
    state: str = "State"
    well: str = "Well"
    fails: str = "Held up"
    inspected: str = "Inspected"
    interval: str = "every {seconds} s"
    by_trigger: str = "by trigger"
    trigger: str = "Trigger"
    taken: str = "{name}: {decision}, {score}."
    last: str = "Last parts of {bank}"
    at_stations: str = "At {stations}"
    more_banks: Plural = Plural("{n} more bank is not shown.", "{n} more banks are not shown.")


LIVE = Live()
