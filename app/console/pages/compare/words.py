"""Words of the page that compares versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.console.words import table


@dataclass(frozen=True)
class Compare:
    """English."""

    name: str = "Compare versions"
    lead: str = "{bank} · the same kept images, judged by two versions, before you activate one."
    none: str = "Nothing to compare yet"
    none_hint: str = "You need two versions. Build again, for example after you have taught false alarms."
    setup: str = "What to compare"
    setup_hint: str = (
        "Reviewed parts first, then the newest. Inspections of the line go first, so it does not wait."
    )
    first: str = "Version in use"
    second: str = "Candidate"
    version: str = "Version {n}"
    active: str = "Version {n} (active)"
    built: str = "{images} images, {when}"
    count: str = "Images"
    counts: Mapping[int, str] = table({n: f"At most {n}" for n in (25, 100, 250, 500)})
    start: str = "Compare"
    cancel: str = "Cancel"
    preparing: str = "Loading both versions"
    running: str = "{done} of {total}"
    progress: str = "Progress"
    same: str = "Choose two different versions."
    cancelled: str = "Cancelled after {done} of {total}. The result so far is below."
    ended_early: str = "The server is shutting down. The result so far is below."
    nothing_kept: str = "No kept images"
    nothing_kept_hint: str = (
        "A comparison uses kept images of past inspections, and this bank has none. Inspect some parts; the setting"
        " NOMINAL_IMAGE_KEEP decides which images are kept."
    )
    not_yet: str = "Choose two versions and compare them"
    not_yet_hint: str = (
        "The result shows every part that the candidate would decide otherwise, with both scores."
    )
    result: str = "Result"
    compared: str = "Compared"
    alike: str = "Decided alike"
    flips: str = "Decided otherwise"
    turned: str = "From one decision to another"
    failed: str = "Not compared"
    learnt: str = "Learnt, not counted"
    learnt_hint: str = "images that one of the two versions learnt"
    both: str = " and "
    learnt_by: Mapping[bool, str] = table({True: "Learnt by versions {n}", False: "Learnt by version {n}"})
    right: str = "Right, version {n}"
    right_hint: str = "of {total} reviewed"
    none_reviewed: str = "none reviewed"
    show: Mapping[str, str] = table(flips="Decided otherwise", learnt="Learnt", all="All")
    show_label: str = "Which parts are shown"
    no_flips: str = "Both versions decide every part alike."
    none_learnt: str = "No version has learnt any of these images."
    part: str = "Part"
    verdict: str = "Review"
    not_scored: str = "Its image could not be read."
    activate: str = "Activate version {n}"
    is_active: str = "It is already active."


COMPARE = Compare()
