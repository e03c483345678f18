"""Words of the page that tries versions on labelled images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.console.words import Plural, table


@dataclass(frozen=True)
class Check:
    """English."""

    name: str = "Check"
    lead: str = "{bank} · labelled images, good and bad: what each version finds and what it misses."
    add: str = "Labelled images"
    add_hint: str = (
        "Images that the bank has not learnt, of parts that people have judged. They stay with the bank, and every new"
        " version is tried on them by itself."
    )
    set: str = "Check set"
    new: str = "New set"
    new_title: str = "Begin another check set"
    new_name: str = "Name: a-z, 0-9, _ and -"
    new_word: str = "Begin"
    label: str = "The files show"
    labels: Mapping[str, str] = table(folders="What their folders say", good="Good parts", defect="Defects")
    kind: str = "Kind of defect"
    usual: str = "bad"
    first: str = "first"
    formats: Mapping[str, str] = table(
        folders="A folder per kind: good, scratch, dent. Folders, or a zip or tar of them, published sets too.",
        good="PNG, JPEG, TIFF, BMP or WebP, or a zip or tar of them. All of them count as good.",
        defect="PNG, JPEG, TIFF, BMP or WebP, or a zip or tar of them. All of them count as this kind of defect.",
    )
    totals: str = "{images}: {kinds}"
    images: Plural = Plural("{n} image", "{n} images")
    of_kind: str = "{n} {kind}"
    comma: str = ", "
    empty: str = "No image yet"
    delete: str = "Delete the set"
    delete_title: str = "Delete this check set?"
    delete_text: str = "{name} goes with {images} and with what versions found on them."
    try_it: str = "Result"
    version: str = "Version"
    active: str = "{n} (active)"
    run: str = "Try this version"
    cancel: str = "Stop"
    queued: str = "Waiting for the worker"
    stages: Mapping[str, str] = table(
        loading="Loading the version", scoring="Scoring: {done} of {total} images", saving="Saving"
    )
    failed: str = "The check failed. {why}"
    none: str = "No labelled image yet"
    none_hint: str = (
        "Add images of good parts, of defects, or both. The more there are, the narrower the intervals."
    )
    no_version: str = "No version to try yet"
    no_version_hint: str = "Build the bank. The version is then tried on these images by itself."
    untried: str = "Version {n} has not been tried on this set"
    untried_hint: str = "Try it: every image is scored by the worker, and inspections of the line go first."
    found: str = "Found"
    missed: str = "Missed"
    alarms: str = "False alarms"
    of: str = "{count} of {total}"
    interval: str = "{rate}; 95 % interval {low} to {high}"
    auroc: str = "AUROC"
    auroc_hint: str = "the chance that a defect scores above a good part"
    nothing: str = "none"
    scored: str = "Scored {time}. Reject above {reject}."
    kinds: str = "By kind of defect"
    kind_head: str = "Kind"
    share_head: str = "Share found"
    versions: str = "Versions"
    versions_hint: str = (
        "The same images, each version by the thresholds that it has, or would have as the active one."
    )
    when: str = "Scored"
    pictures: str = "Images"
    show: Mapping[str, str] = table(wrong="Missed and false alarms", all="All", aside="Not counted")
    show_label: str = "Which images are shown"
    none_wrong: str = "No defect is missed, and no good part is rejected."
    none_aside: str = "All images count."
    outcomes: Mapping[str, str] = table(
        missed="Missed", false_alarm="False alarm", found="Found", passed="Accepted", undecided="Not decided",
        learnt="Learnt", unreadable="Unreadable", unscored="Not scored",
    )  # fmt: skip
    about: str = "{kind} · {score}"
    unscored: str = "{kind}"
    learnt: Mapping[str, str] = table(
        image="The version learnt this image, so it does not count.",
        part="The version learnt another image of this part, so it does not count.",
    )
    look: str = "Look at {name}"
    previous: str = "Previous"
    next: str = "Next"
    place: str = "{n} of {total}"
    remove: str = "Remove from the set"


CHECK = Check()
