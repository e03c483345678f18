"""Words of a bank's versions: all of them, and one."""

from __future__ import annotations

from dataclasses import dataclass

from app.console.text.plural import Plural


@dataclass(frozen=True)
class Versions:
    """English."""

    name: str = "Versions"
    lead: str = "{bank}: every build is a version and stays as it is. One of them is active and inspects."
    none: str = "No version yet"
    none_hint: str = "Teach the bank with images of good parts, then build."
    to_teach: str = "Teach this bank"
    one: str = "Version {n}"
    of_bank: str = "{bank}, built {time}"
    active: str = "Active"
    quarantined: str = "Quarantined"
    ready: str = "Ready"
    number: str = "Version"
    state: str = "State"
    created: str = "Built"
    images: str = "Nominal images"
    vectors: str = "Bank size"
    vectors_hint: Plural = Plural("of {n} patch", "of {n} patches")
    supports: str = "Supports from"
    supports_hint: str = "false rejects"
    file: str = "File"
    built_in: str = "Build time"
    unknown: str = "not recorded"
    backbone: str = "Backbone"
    activate: str = "Activate"
    roll_back: str = "Roll back to this version"
    activated: str = "Version {n} inspects now."
    download: str = "Download bundle"
    delete: str = "Delete"
    delete_title: str = "Delete version {n}?"
    delete_text: str = (
        "Its bank file is deleted and cannot be brought back. Its inspections stay in the ledger."
    )
    scores: str = "Nominal scores"
    scores_hint: str = (
        "Each nominal image, scored without its own patches. The threshold is taken from these scores."
    )
    axis: str = "Score, larger is more anomalous"
    bars: str = "{n} nominal scores from {low} to {high}"
    threshold: str = "Threshold {value}"
    review_at: str = "Review {value}"
    reject_at: str = "Reject {value}"
    expected: str = (
        "{above} of {images} lie above the threshold. Of new good parts at most {expected} are rejected on average;"
        " between {low} and {high} for 95\N{NO-BREAK SPACE}% of such sets."
    )
    hardest: str = "Hardest nominal images"
    hardest_hint: str = (
        "The highest scores among the good. Take out a part that is not good after all, then build again."
    )
    score: str = "Score {value}"
    above: str = "Above threshold"
    gone: str = "No longer in the set"
    not_here: str = "Built elsewhere: its images are not on this server."
    removed: str = "{name} is out of the nominal set. It counts from the next build on."


VERSIONS = Versions()
