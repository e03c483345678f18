"""Words of the page that compares versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class Compare:
    """English."""

    name: str = "Compare versions"
    lead: str = "{bank} · the same kept images under two versions, before one is activated."
    none: str = "Nothing to compare yet"
    none_hint: str = (
        "Comparing takes two versions. Build again, for example once false alarms joined the images."
    )
    teach: str = "Teach"
    setup: str = "What to compare"
    setup_hint: str = "Reviewed parts first, then the newest. The line is not held up by it."
    first: str = "Version in use"
    second: str = "Candidate"
    version: str = "Version {n}"
    active: str = "Version {n} (active)"
    built: str = "{images} images, {when}"
    count: str = "Images"
    counts: Mapping[int, str] = field(
        default_factory=lambda: MappingProxyType(
            {25: "25 at most", 100: "100 at most", 250: "250 at most", 500: "500 at most"}
        )
    )
    start: str = "Compare"
    cancel: str = "Cancel"
    preparing: str = "Loading both versions"
    running: str = "{done} of {total}"
    progress: str = "Progress"
    same: str = "Choose two different versions."
    cancelled: str = "Cancelled after {done} of {total}. What was compared is below."
    ended_early: str = "The server is shutting down. What was compared is below."
    nothing_kept: str = "No kept images"
    nothing_kept_hint: str = (
        "Comparing looks again at images of past inspections, and none was kept for this bank. Inspect some parts; the"
        " setting NOMINAL_IMAGE_KEEP says which images are kept."
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
    right: str = "Right, version {n}"
    right_hint: str = "of {total} reviewed"
    none_reviewed: str = "none reviewed"
    show: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({"flips": "Decided otherwise", "all": "All"})
    )
    show_label: str = "Which parts are shown"
    no_flips: str = "Both versions decide every part alike."
    part: str = "Part"
    verdict: str = "Review"
    not_reviewed: str = "Not reviewed"
    not_scored: str = "Its image could not be read."
    activate: str = "Activate version {n}"
    activate_title: str = "Activate version {n}?"
    activate_text: str = (
        "Inspections are judged by it from now on; those in flight finish on version {old}. Activating version {old}"
        " again takes it back."
    )
    is_active: str = "It is active already."


COMPARE = Compare()
