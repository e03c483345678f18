"""Words of the page that teaches a bank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app.console.text.plural import Plural


@dataclass(frozen=True)
class Teach:
    """English."""

    name: str = "Teach"
    lead: str = "{bank}: images of good parts, then a build makes them a version."
    add: str = "Add images"
    set: str = "Nominal set"
    set_count: Plural = Plural("{n} image", "{n} images")
    set_size: str = "{count}, {size}"
    empty: str = "No image yet"
    empty_hint: str = "Add images of good parts: a hundred support a false-reject rate of 1 %."
    image_size: str = "{width} x {height}"
    false_alarm: str = "A false alarm that was taken in"
    remove: str = "Remove"
    remove_named: str = "Remove {name}"
    remove_title: str = "Remove this image?"
    remove_text: str = "{name} leaves the nominal set. Versions built with it stay as they are."
    build: str = "Build"
    build_hint: str = (
        "Learns from the nominal set as it is now. A version left inactive can be compared first."
    )
    activate: str = "Make it the active version"
    build_now: str = "Build version {n}"
    support: str = "{images} support a false-reject rate of {rate} or more; the target is {target}."
    support_few: str = "A build needs at least two images."
    unsupported: Plural = Plural(
        "Add {n} more image, or let the target be what these support.",
        "Add {n} more images, or let the target be what these support.",
    )
    use_rate: str = "Set the target to {rate}"
    rate_set: str = "The target is {rate} now."
    queued: str = "Waiting for the build worker"
    stages: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType(
            {
                "features": "Features",
                "coreset": "Coreset",
                "index": "Index",
                "calibration": "Calibration",
                "saving": "Saving",
                "warming": "Warming up",
            }
        )
    )
    units: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType(
            {
                "features": "{done} of {total} images",
                "coreset": "{done} of {total} picks",
                "calibration": "{done} of {total} images scored",
            }
        )
    )
    left: str = "about {time} left in this stage"
    cancel: str = "Cancel build"
    cancelling: str = "Stopping"
    succeeded: str = "Version {n} is built."
    see_version: str = "See version {n}"
    failed: str = "The build failed"
    cancelled: str = "The build was cancelled. Nothing changed."
    begun: str = "Started {age}"
    finished: str = "Finished {age}, after {time}"


TEACH = Teach()
