"""Words of the page that teaches a bank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.console.words import Plural, table


@dataclass(frozen=True)
class Teach:
    """English."""

    name: str = "Teach"
    lead: str = "{bank}: add images of good parts, then build a version from them."
    add: str = "Add images"
    set: str = "Nominal set"
    set_count: Plural = Plural("{n} image", "{n} images")
    set_size: str = "{count}, {size}"
    empty: str = "No image yet"
    empty_hint: str = "Add images of good parts: a false-reject rate of 1 % needs about a hundred."
    where: str = "Where to look"
    where_hint: str = (
        "Leave out what may differ on good parts: belts, clamps, labels, the ground beside the part. What is left out"
        " changes no score."
    )
    where_all: str = "The next build looks at all of a photograph."
    where_some: str = "The next build looks at {share} of a photograph."
    where_draw: str = "Draw a mask"
    build: str = "Build"
    build_hint: str = "Learns from the nominal set as it is now. You can compare an inactive version first."
    activate: str = "Make it the active version"
    alone: str = "Every image shows a different part"
    alone_hint: str = "Otherwise images that look alike count as one part."
    alike: str = "Ignore serial numbers"
    alike_hint: str = "Images that look alike count as one part."
    of_parts: str = "{images} of {parts}"
    part_count: Plural = Plural("{n} part", "{n} parts")
    some_without: Plural = Plural(
        "{n} image has no serial number. Send it again with one, or ignore serial numbers.",
        "{n} images have no serial number. Send them again with one, or ignore serial numbers.",
    )
    build_now: str = "Build version {n}"
    support_none: str = "The false-reject target is {target}."
    support: str = "{images} support a false-reject rate of {rate} or more; the target is {target}."
    support_few: str = "A build needs at least two images."
    support_few_parts: str = "A build needs images of at least two parts."
    few: str = (
        "Few images: good parts that look unlike all of them will be rejected. Teach the false alarms and build again. "
        "A bank can learn copies of each image, under Advanced where it is created."
    )
    unsupported_parts: Plural = Plural(
        "Add images of {n} more part, or set the target to the rate that these support.",
        "Add images of {n} more parts, or set the target to the rate that these support.",
    )
    unsupported: Plural = Plural(
        "Add {n} more image, or set the target to the rate that these support.",
        "Add {n} more images, or set the target to the rate that these support.",
    )
    use_rate: str = "Set the target to {rate}"
    rate_set: str = "The target is now {rate}."
    queued: str = "Waiting for the build worker"
    starting: str = "The worker is starting: it loads the backbone and looks for images of one part."
    stages: Mapping[str, str] = table(
        features="Read the images",
        coreset="Choose what to remember",
        index="Prepare the search",
        calibration="Score the nominal images",
        saving="Save the version",
        warming="Get ready to inspect",
    )
    units: Mapping[str, str] = table(
        features="{done} of {total} images",
        coreset="{done} of {total} picks",
        calibration="{done} of {total} images scored",
    )
    left: str = "about {time} left in this stage"
    cancel: str = "Cancel build"
    cancelling: str = "Stopping"
    succeeded: str = "Version {n} is built."
    not_activated: str = "Version {n} does not inspect: {reason}"
    see_version: str = "See version {n}"
    failed: str = "The build failed"
    cancelled: str = "The build was cancelled. Nothing changed."
    finished: str = "Finished {age}, after {time}"


@dataclass(frozen=True)
class Check:
    """English."""

    name: str = "Check the photographs"
    hint: str = (
        "Finds photographs of one part, copies, and photographs that may not belong among the good. Nothing is "
        "removed by itself."
    )
    start: str = "Check the photographs"
    cancel: str = "Stop checking"
    never: str = "Not checked yet"
    queued: str = "Waiting for the worker"
    stages: Mapping[str, str] = table(
        features="Reading: {done} of {total} images",
        calibration="Comparing: {done} of {total} images",
        saving="Saving",
    )
    failed: str = "The check failed. {why}"
    current: str = "Checked {time}"
    stale: str = "Checked {time}. The set has changed since; check it again."
    about: str = "about "
    headline: str = "{photographs} of {parts}; supports {rate}"
    photographs: Plural = Plural("{n} photograph", "{n} photographs")
    parts: Plural = Plural("{n} part", "{n} parts")
    suspects: str = "Suspects"
    suspects_hint: str = (
        "The worst first. Colour shows where each differs from the others. Untick what is not good."
    )
    lists: Mapping[str, str] = table(
        duplicates="Exact copies", near_duplicates="Parts with several photographs"
    )
    mixtures: Mapping[str, str] = table(
        products="Another product?",
        sizes="Other size",
        aspects="Other aspect ratio",
        colours="Other colour",
        unused_bits="Unused bits",
    )
    count: str = "{title} ({n})"
    kind: str = "{title} ({n}): {what}"
    more: str = "and {n} more"
    keep: str = "Keep {name}"
    remove: Plural = Plural("Remove {n} unticked image", "Remove {n} unticked images")
    remove_title: str = "Remove from the nominal set?"
    remove_text: Plural = Plural(
        "{n} image leaves the nominal set. Versions built with it stay as they are.",
        "{n} images leave the nominal set. Versions built with them stay as they are.",
    )
    remove_word: str = "Remove"
    removed: Plural = Plural(
        "{n} image removed. Build a version to learn without it.",
        "{n} images removed. Build a version to learn without them.",
    )


TEACH, CHECK = Teach(), Check()
