"""Words of the threshold explorer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.console.words import Plural, table


@dataclass(frozen=True)
class Thresholds:
    """English."""

    name: str = "Thresholds"
    lead: str = "{bank} · version {n}. Try thresholds here; nothing changes until you save."
    none: str = "Nothing to explore yet"
    none_hint: str = "Thresholds follow from the scores of a version. Teach the bank and build it first."
    save: str = "Save"
    reset: str = "Reset"
    nothing_changed: str = "These are the thresholds in use."
    scores: str = "Scores"
    scores_hint: str = "Larger is less like a good part. A score equal to a threshold is not above it."
    chart: str = "Histogram of nominal calibration scores and of recorded inspections, with both thresholds."
    nominal: str = "Nominal images, each without its own patches: {n}"
    recorded: str = "Recorded inspections of this version: {n}"
    recorded_none: str = "Recorded inspections of this version: none yet"
    groups: Mapping[str, str] = table(
        nominal="Nominal",
        unreviewed="Not reviewed",
        false_alarm="Reviewed as good",
        confirmed_defect="Confirmed defect",
        missed_defect="Missed defect",
    )
    review: str = "Review"
    reject: str = "Reject"
    review_above: str = "Review above"
    reject_above: str = "Reject above"
    modes: Mapping[str, str] = table(score="By score", rate="By false-reject rate")
    mode: str = "How thresholds are set"
    reject_rate: str = "Rejected good parts, %"
    review_rate: str = "Reviewed or rejected good parts, %"
    review_rate_hint: str = "Empty: as when the version was built."
    rate_hint: str = (
        "Each version derives the thresholds from its own calibration, including versions you build later."
    )
    expected: str = "Good parts"
    rejected: str = "Rejected, expected"
    looked_at: str = "Reviewed or rejected, expected"
    at_most: str = "{rate} at most"
    between: str = "95 % between {low} and {high}; {above} of {images} nominal images score above."
    measured: str = "Recorded and reviewed"
    found: str = "Defects found"
    alarms: str = "Good parts stopped"
    of: str = "{count} of {total}"
    nothing_reviewed: str = "none reviewed"
    interval: str = "95 % between {low} and {high}"
    decided: str = "All {n} recorded"
    by_cost: str = "By cost"
    by_cost_hint: str = (
        "Give both costs in one currency. Nominal scores say how many good parts a threshold rejects; reviewed defects"
        " of this version say how many it misses."
    )
    missed_cost: str = "A missed defect costs"
    reject_cost: str = "A false reject costs"
    defect_rate: str = "Defective parts, %"
    not_a_cost: str = "Between 0 and 1,000,000,000,000."
    not_a_rate: str = "Between 0 and 100, both excluded."
    find: str = "Find the cheapest"
    try_it: str = "Try this threshold"
    cheapest: str = "Cheapest reject threshold"
    alike: str = "{low} to {high} cost about the same."
    cost: str = "Cost per 1,000 parts"
    cost_now: str = "With {threshold}, as now"
    unsupported: str = "no threshold in use"
    saved_cost: str = "Saved per 1,000 parts"
    errors: str = "Rejects {rejected} of good parts, misses {missed} of defects."
    counted: str = (
        "From {parts} nominal parts and {defects} reviewed defects, {missed} of them missed by the decision."
    )
    flips: str = "Would be decided otherwise"
    flips_hint: str = "Recorded inspections of this version, newest first."
    flips_count: Plural = Plural("{n} inspection", "{n} inspections")
    no_flips: str = "No recorded inspection would be decided otherwise."
    no_records: str = "This version has inspected nothing yet, so there is nothing to decide otherwise."
    history: str = "History"
    no_history: str = "Never changed: the thresholds follow from the false-reject target of the build."
    when: str = "When"
    who: str = "By"
    what: str = "Changed to"
    why: str = "Note"
    no_note: str = "none"
    local: str = "this machine"
    reject_score: str = "reject above {value}"
    review_score: str = "review above {value}"
    reject_target: str = "reject {value} of good parts"
    review_target: str = "review {value} of good parts"
    from_version: str = "the version's own thresholds"
    save_title: str = "Save these thresholds?"
    save_anyway: str = "Save all the same"
    expected_rejects: str = "Good parts rejected, expected at most"
    many_rejects: str = "Expect up to {rate} of good parts to be rejected. Is that what you want?"
    lost: Plural = Plural(
        "{n} reviewed defect that is found now would be accepted.",
        "{n} reviewed defects that are found now would be accepted.",
    )
    from_to: str = "{before} to {after}"
    unchanged: str = "{value}, as before"
    counts_from: str = "They apply from the next inspection on. Past decisions do not change."
    note: str = "Why (for the history)"
    saved: str = "Saved. These thresholds apply from the next inspection on."
    stale_title: str = "Somebody changed this bank meanwhile"
    stale: str = (
        "Nothing was overwritten. In use now: review above {review}, reject above {reject}. Save yours over them, or"
        " take theirs."
    )
    stale_version: str = (
        "Nothing was overwritten. The bank now serves version {n}, whose scores are not comparable."
    )
    take_theirs: str = "Take theirs"
    save_over: str = "Save mine over it"


THRESHOLDS = Thresholds()
