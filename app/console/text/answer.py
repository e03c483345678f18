"""Words of one inspection as it is shown everywhere: picture, score, regions, the nearest good part, timings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app.console.text.plural import Plural


def _frozen(**words: str) -> Mapping[str, str]:
    return MappingProxyType(words)


@dataclass(frozen=True)
class Answer:
    """English."""

    picture: str = "Picture"
    modes: Mapping[str, str] = field(
        default_factory=lambda: _frozen(photo="Original", overlay="Overlay", map="Map")
    )
    mode_hint: str = "{name} (key {key})"
    opacity: str = "Opacity"
    boxes: str = "Regions"
    photo_alt: str = "The inspected part"
    map_alt: str = "Where it differs from good parts"
    scale_low: str = "as usual"
    scale_middle: str = "threshold of the map"
    scale_high: str = "twice that"
    no_picture: str = "No picture of this part was kept"
    kept_only: Mapping[str, str] = field(
        default_factory=lambda: _frozen(
            none="This server keeps no images (NOMINAL_IMAGE_KEEP=none). Set it to rejected or all to see later"
            " parts.",
            rejected="This server keeps images of parts that are not accepted (NOMINAL_IMAGE_KEEP=rejected). Set it"
            " to all to see later parts.",
            all="It was inspected before this server kept images, or retention has deleted the image. Inspect the"
            " part again to see it.",
        )
    )
    passing: str = (
        "Shown from memory for now: this server does not keep such images (NOMINAL_IMAGE_KEEP={keep})."
    )
    score: str = "Score"
    score_hint: str = "Distance from good parts; larger is more unlike them."
    gauge: str = "Score {score}; review above {review}, reject above {reject}"
    gauge_one: str = "Score {score}; reject above {reject}"
    review_above: str = "review above"
    reject_above: str = "reject above"
    unlike: str = "Unlike this good part, here"
    this_part: str = "This part"
    good_part: str = "Good part"
    place: str = "The worst place of the inspected part"
    good_place: str = "The nearest place of a good part"
    distance: str = "Distance {distance}"
    foreign: str = "The nearest good part lies where this version was built; its images did not come along."
    regions: str = "Regions"
    no_regions: str = "Nothing stands out."
    region: str = "Region {n}"
    region_area: str = "{area} px · {share}"
    region_peak: str = "peak {peak}"
    region_count: Plural = Plural("{n} region", "{n} regions")
    more_regions: Plural = Plural("and {n} smaller one", "and {n} smaller ones")
    timings: str = "Time"
    timing_total: str = "{n} ms in all"
    stages: Mapping[str, str] = field(
        default_factory=lambda: _frozen(
            queue="Queue",
            decode="Decode",
            preprocess="Prepare",
            features="Features",
            search="Search",
            map="Map",
        )
    )
    milliseconds: str = "{n} ms"
    details: str = "Details"
    id: str = "Inspection"
    bank: str = "Bank"
    version: str = "Version"
    serial: str = "Serial number"
    station: str = "Station"
    file: str = "File"
    size: str = "Image"
    pixels: str = "{w} x {h} px"
    when: str = "Inspected"
    actor: str = "By"
    nominal_image: str = "Nearest image"
    none: str = "none"
    unnamed: str = "Unnamed part"
    verdicts: Mapping[str, str] = field(
        default_factory=lambda: _frozen(
            confirmed_defect="Defect confirmed",
            false_alarm="False alarm",
            missed_defect="Missed defect",
            withdrawn="Withdrawn",
        )
    )
    good_verdict: str = "Good part confirmed"
    not_reviewed: str = "Not reviewed"


ANSWER = Answer()
