"""Words of one inspection wherever it is shown, filtered or reviewed, of nominal images, and of uploads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.console.words import Plural, table


@dataclass(frozen=True)
class Answer:
    """English."""

    picture: str = "Picture"
    modes: Mapping[str, str] = table(photo="Original", overlay="Overlay", map="Map", both="Both")
    mode_hint: str = "{name} (key {key})"
    opacity: str = "Opacity"
    zoom: str = "Zoom"
    zooms: Mapping[str, str] = table(
        out="Zoom out (key -)", fit="Whole picture (key 0)", **{"in": "Zoom in (key +)"}
    )
    enlarge: str = "Full screen"
    frame: str = "Picture: turn the wheel or press + and - to zoom, drag or press the arrow keys to move"
    place: str = "x {x}, y {y} px"
    value: str = "value {value}"
    look: str = "Look at {name}"
    open_page: str = "Open the inspection"
    boxes: str = "Regions"
    outline: str = "Outline"
    photo_alt: str = "The inspected part"
    map_alt: str = "Where it differs from good parts"
    scale_low: str = "as usual"
    scale_middle: str = "threshold of the map"
    scale_high: str = "twice the threshold"
    not_located: str = "The part was not located in this picture: {reason}."
    no_map: str = "None: a part that is not located is not inspected."
    location: str = "Where the part lies"
    inliers: str = "Points that agree"
    found_by: str = "Found by"
    by_edges: str = "edges"
    rotation: str = "Turned by"
    degrees: str = "{n:+.1f} degrees"
    scale: str = "Size"
    times: str = "{n:.2f} times the reference's"
    fit: str = "Fit of edges"
    in_view: str = "In view"
    no_image: str = "Image not kept"
    lost: str = (
        "The part was decided, but its image could not be kept ({why}). Free disk space to see later parts."
    )
    no_picture: str = "No picture of this part was kept"
    kept_only: Mapping[str, str] = table(
        none="This server keeps no images (NOMINAL_IMAGE_KEEP=none). Set it to rejected or all to see later parts.",
        sample="Of accepted parts this server keeps a sample: some near the threshold and some at random"
        " (NOMINAL_IMAGE_KEEP=sample). This part is not among them. Set it to all to see every later part.",
        rejected="This server keeps images only of parts that are not accepted (NOMINAL_IMAGE_KEEP=rejected). Set it"
        " to all to see later parts.",
        all="It was inspected before this server kept images, or retention has deleted the image. Inspect the part"
        " again to see it.",
    )
    passing: str = "Shown from memory: this server does not keep such images (NOMINAL_IMAGE_KEEP={keep})."
    score: str = "Score"
    score_hint: str = "Distance from good parts; larger means more different."
    gauge: str = "Score {score}; review above {review}, reject above {reject}"
    gauge_one: str = "Score {score}; reject above {reject}"
    review_above: str = "review above"
    reject_above: str = "reject above"
    unlike: str = "Unlike this good part, here"
    this_part: str = "This part"
    good_part: str = "Good part"
    worst_place: str = "The worst place of the inspected part"
    good_place: str = "The most similar place of a good part"
    distance: str = "Distance {distance}"
    foreign: str = (
        "The most similar good part is stored where this version was built; its images did not come along."
    )
    regions: str = "Regions"
    no_regions: str = "Nothing stands out."
    region: str = "Region {n}"
    region_area: str = "{area} px · {share}"
    region_peak: str = "peak {peak}"
    more_regions: Plural = Plural("and {n} smaller one", "and {n} smaller ones")
    timings: str = "Time"
    timing_total: str = "{n} ms in total"
    stages: Mapping[str, str] = table(
        queue="Queue", decode="Decode", preprocess="Prepare", features="Features", search="Search", map="Map"
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
    nominal_image: str = "Most similar image"
    unnamed: str = "Part …{id}"
    becomes: str = "becomes"
    verdicts: Mapping[str, str] = table(
        confirmed_defect="Defect confirmed",
        false_alarm="False alarm",
        missed_defect="Missed defect",
        withdrawn="Withdrawn",
        none="Not reviewed",
    )
    good_verdict: str = "Good part confirmed"


@dataclass(frozen=True)
class Filters:
    """English."""

    bank: str = "Bank"
    decision: str = "Decision"
    verdict: str = "Review"
    verdicts: Mapping[str, str] = table(
        confirmed_defect="Defect confirmed",
        false_alarm="Good part or false alarm",
        missed_defect="Missed defect",
        none="Not reviewed",
    )
    serial: str = "Serial number"
    kind: str = "Kind of defect"
    since: str = "From"
    until: str = "To"
    any: str = "Any"
    clear: str = "Clear filters"
    hint: str = "Widen the filters or clear them."
    csv: str = "CSV"
    jsonl: str = "JSON Lines"


@dataclass(frozen=True)
class Reviewing:
    """English."""

    name: str = "Review"
    defect: str = "Confirm defect"
    missed: str = "Missed defect"
    alarm: str = "False alarm"
    good: str = "Good part"
    teach: str = "Teach as good"
    teach_hint: str = "A good part: its image joins the nominal set of {bank} for the next build."
    skip: str = "Skip"
    back: str = "Back"
    undo: str = "Undo"
    undo_none: str = "Nothing has been reviewed here yet."
    not_kept: str = "No image of it was kept, so it cannot be taught (NOMINAL_IMAGE_KEEP={keep})."
    done: Mapping[str, str] = table(
        confirmed_defect="{part}: defect confirmed.",
        false_alarm="{part}: false alarm.",
        missed_defect="{part}: missed defect.",
        taught="{part}: false alarm, and its image has joined the nominal set.",
        duplicate="{part}: false alarm; its image was already in the nominal set.",
        undone="{part}: review undone.",
    )
    done_good: Mapping[str, str] = table(
        false_alarm="{part}: good part confirmed.",
        taught="{part}: good part confirmed, and its image has joined the nominal set.",
        duplicate="{part}: good part confirmed; its image was already in the nominal set.",
    )
    keys: Mapping[str, str] = table(
        defect="D", alarm="F", teach="T", skip="S", back="B", undo="U", kind="K", all="A"
    )


@dataclass(frozen=True)
class Similar:
    """English."""

    name: str = "Similar past inspections"
    none: str = "Nothing that was rejected, held for review or reviewed is there to compare with."
    similarity: str = "{share} alike"
    kind: str = "Kind of defect"
    kind_hint: str = "Optional; stored with a review that says defect."
    suggested: str = "Suggested: {kind} ({share})"
    unsure: str = "Similar ones have several kinds; none is suggested."
    choose: str = "Choose {part}"
    give_all: str = "Same answer for the chosen"
    give_key: str = "A"
    give_hint: str = "What you answer next counts for the chosen ones too."
    choose_first: str = "Choose similar inspections first."
    judge_first: str = "Review the inspection shown: the chosen ones get the same verdict and kind."
    given: Plural = Plural("{n} similar inspection reviewed.", "{n} similar inspections reviewed.")


@dataclass(frozen=True)
class Nominal:
    """English."""

    held_out: str = "The map shows the image as version {n} would see it without the part that it shows."
    remove: str = "Remove"
    remove_named: str = "Remove {name}"
    remove_title: str = "Remove this image?"
    remove_text: str = "{name} leaves the nominal set. Versions built with it stay as they are."


@dataclass(frozen=True)
class Activation:
    """English."""

    title: str = "Activate version {n}?"
    lead: str = (
        "It judges all inspections from now on; those in flight finish on version {old}. To go back, activate"
        " version {old} again."
    )
    first: str = "It is the bank's first active version: inspections begin with it."
    version: str = "Version {n}: good parts rejected"
    rejects: str = "at most {rate} on average"
    range: str = "95 % of sets of this size: {low} to {high}"
    above: str = "Reject above {value}"
    cannot: str = "cannot decide"
    by_score: str = (
        "The thresholds set by score stay with version {old}, because scores of two versions are not comparable."
        " Version {new} uses its own, shown here."
    )
    large: str = "Expect {rate} of good parts to be rejected. Compare both versions first."
    compare: str = "Compare first"
    activate: str = "Activate version {n}"


@dataclass(frozen=True)
class Uploader:
    """English."""

    drop: str = "Drop images, folders or an archive here"
    formats: str = (
        "PNG, JPEG, TIFF, BMP or WebP, or a zip or tar of them. Only good parts, as the camera sees them."
    )
    files: str = "Choose files"
    folder: str = "Choose a folder"
    stop: str = "Stop"
    sending: str = "Sending"
    checking: str = "Sent; the server is checking every image"
    done: str = "Done"
    stopped: str = "Stopped; accepted images stay"
    failed: str = "Not all files were accepted"
    lost: str = "The connection is lost. Sending continues by itself; accepted images stay."
    accepted: str = "accepted"
    duplicate: str = "already there"
    rejected: str = "rejected"
    left_out: str = "left out"
    answers: str = "File by file"


ANSWER, FILTERS, REVIEWING, NOMINAL, ACTIVATION = Answer(), Filters(), Reviewing(), Nominal(), Activation()
SIMILAR = Similar()
UPLOADER = Uploader()
