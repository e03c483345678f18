"""Words of a bank's versions: all of them, and one."""

from __future__ import annotations

from dataclasses import dataclass

from app.console.words import Plural

REMOVED = "{name} is out of the nominal set. This takes effect with the next build."


@dataclass(frozen=True)
class Versions:
    """English."""

    name: str = "Versions"
    lead: str = "{bank}: every build is a version and never changes. The active one inspects."
    none: str = "No version yet"
    none_hint: str = "Teach the bank with images of good parts, then build."
    one: str = "Version {n}"
    of_bank: str = "{bank}, built {time}"
    active: str = "Active"
    quarantined: str = "Quarantined"
    ready: str = "Ready"
    not_activated: str = "Not activated"
    number: str = "Version"
    state: str = "State"
    created: str = "Built"
    images: str = "Nominal images"
    vectors: str = "Bank size"
    vectors_hint: Plural = Plural("of {n} patch", "of {n} patches")
    supports: str = "Lowest supported rate"
    supports_hint: str = "of false rejects"
    file: str = "File"
    built_in: str = "Build time"
    inspected: str = "Inspected"
    inspected_hint: str = "of a photograph, by its mask"
    unknown: str = "not recorded"
    backbone: str = "Backbone"
    score_map: str = "score of the map"
    registered: str = "parts brought onto a reference"
    placed: str = "weight of places {n:g}"
    learned: str = "each image learned {n} times"
    activate: str = "Activate"
    roll_back: str = "Roll back to this version"
    download: str = "Download bundle"
    deletion: str = "Delete this version"
    delete: str = "Delete"
    delete_title: str = "Delete version {n}?"
    delete_text: str = "This deletes its bank file and cannot be undone. Its inspections stay in the ledger."
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
        "{above} of {images} nominal images are above the threshold. On average at most {expected} of new good parts"
        " are rejected; for 95\N{NO-BREAK SPACE}% of sets of this size, between {low} and {high}."
    )
    hardest: str = "Hardest nominal images"
    hardest_hint: str = (
        "The highest scores among the nominal images. Remove any part that is not good, then build again."
    )
    score: str = "Score {value}"
    above: str = "Above threshold"
    gone: str = "No longer in the set"
    not_here: str = "Built elsewhere: its images are not on this server."
    removed: str = REMOVED


@dataclass(frozen=True)
class Fits:
    """English."""

    name: str = "Where the parts lie"
    hint: str = (
        "Each photograph is brought to where the reference has the part. Shown after it are the nominal images that fit"
        " it least."
    )
    reference: str = "Reference"
    keypoints: Plural = Plural("{n} keypoint", "{n} keypoints")
    by_edges: str = "found by its edges"
    fit: str = "Fit {fit}"
    inliers: str = "Points"
    rotation: str = "Turned"
    shift: str = "Moved"
    pixels: str = "{x:+.0f}, {y:+.0f} px"
    scale: str = "Size"
    residual: str = "Apart"
    level: str = "{n} nominal images are learned. A part with a fit below {level} is not located."
    left_out: Plural = Plural("{n} image was left out", "{n} images were left out")
    removed: str = REMOVED


VERSIONS, FITS = Versions(), Fits()
