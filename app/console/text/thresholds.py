"""Words of the threshold explorer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app.console.text.plural import Plural


def _frozen(**words: str) -> Mapping[str, str]:
    return MappingProxyType(words)


@dataclass(frozen=True)
class Thresholds:
    """English."""

    name: str = "Thresholds"
    lead: str = "{bank} · version {n}. Try thresholds here; nothing changes before it is saved."
    none: str = "Nothing to explore yet"
    none_hint: str = "Thresholds rest on the scores of a version. Teach the bank and build it first."
    teach: str = "Teach"
    save: str = "Save"
    reset: str = "Reset"
    nothing_changed: str = "These are the thresholds in use."
    scores: str = "Scores"
    scores_hint: str = "Larger is less like a good part. A score equal to a threshold does not pass it."
    chart: str = "Histogram of nominal calibration scores and of recorded inspections, with both thresholds."
    nominal: str = "Nominal images, each without its own patches: {n}"
    recorded: str = "Recorded inspections of this version: {n}"
    recorded_none: str = "Recorded inspections of this version: none yet"
    groups: Mapping[str, str] = field(
        default_factory=lambda: _frozen(
            nominal="Nominal",
            unreviewed="Not reviewed",
            false_alarm="False alarm",
            confirmed_defect="Confirmed defect",
            missed_defect="Missed defect",
        )
    )
    review: str = "Review"
    reject: str = "Reject"
    review_above: str = "Review above"
    reject_above: str = "Reject above"
    modes: Mapping[str, str] = field(
        default_factory=lambda: _frozen(score="By score", rate="By false-reject rate")
    )
    mode: str = "How thresholds are set"
    reject_rate: str = "Rejected good parts, %"
    review_rate: str = "Reviewed or rejected good parts, %"
    review_rate_hint: str = "Empty: as the version was built."
    rate_hint: str = "The thresholds follow from each version's own calibration, also after the next build."
    expected: str = "Good parts"
    rejected: str = "Rejected, expected"
    looked_at: str = "Reviewed or rejected, expected"
    at_most: str = "{rate} at most"
    between: str = "95 % between {low} and {high}; {above} of {images} nominal images score above."
    measured: str = "Recorded and reviewed"
    found: str = "Defects found"
    alarms: str = "False alarms left"
    of: str = "{count} of {total}"
    nothing_reviewed: str = "none reviewed"
    interval: str = "95 % between {low} and {high}"
    decided: str = "All {n} recorded"
    flips: str = "Would be decided otherwise"
    flips_hint: str = "Recorded inspections of this version, newest first."
    flips_count: Plural = Plural("{n} inspection", "{n} inspections")
    no_flips: str = "No recorded inspection would be decided otherwise."
    no_records: str = "This version has inspected nothing yet, so there is nothing to decide otherwise."
    no_image: str = "Image not kept"
    becomes: str = "becomes"
    verdicts: Mapping[str, str] = field(
        default_factory=lambda: _frozen(
            confirmed_defect="Confirmed defect",
            false_alarm="False alarm",
            missed_defect="Missed defect",
        )
    )
    history: str = "History"
    no_history: str = "Never changed: the thresholds follow from the false-reject target of the build."
    when: str = "When"
    who: str = "By"
    what: str = "Became"
    why: str = "Note"
    no_note: str = "none"
    local: str = "this machine"
    reject_score: str = "reject above {value}"
    review_score: str = "review above {value}"
    reject_target: str = "reject {value} of good parts"
    review_target: str = "review {value} of good parts"
    from_version: str = "as the version's own"
    save_title: str = "Save these thresholds?"
    from_to: str = "{before} to {after}"
    unchanged: str = "{value}, as before"
    counts_from: str = "They count from the next inspection on. What was decided stays as it is."
    note: str = "Why (for the history)"
    saved: str = "Saved. The next inspection is judged by it."
    stale_title: str = "Somebody changed this bank meanwhile"
    stale: str = (
        "Nothing was overwritten. In use now: review above {review}, reject above {reject}. Look at it, then save yours"
        " over it or take theirs."
    )
    stale_version: str = "Nothing was overwritten. The bank serves version {n} now, whose scores are others."
    take_theirs: str = "Take theirs"
    save_over: str = "Save mine over it"


THRESHOLDS = Thresholds()
