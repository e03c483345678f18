"""Words of the page of all banks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.console.words import Plural, table


@dataclass(frozen=True)
class Banks:
    """English."""

    name: str = "Banks"
    lead: str = "A bank is what Nominal has learned about one view of one product."
    create: str = "Create bank"
    none: str = "No bank yet"
    none_hint: str = "Create one for each view of each product, then teach it with images of good parts."
    states: Mapping[str, str] = table(
        ready="Ready",
        loading="Loading",
        not_loaded="Ready, loads at first use",
        no_version="Not taught yet",
        quarantined="Quarantined",
        undecidable="Cannot decide",
        building="Building",
    )
    active_version: str = "Active version"
    no_version: str = "none"
    nominal: str = "Nominal images"
    target: str = "False-reject target"
    last_day: str = "Last 24 hours"
    nothing_inspected: str = "Nothing inspected"
    teach: str = "Teach"
    more: str = "More"
    rename: str = "Rename"
    delete: str = "Delete"
    delete_title: str = "Delete {title}?"
    delete_text: str = (
        "Its nominal images, versions and jobs are deleted for good. Its inspections stay in the ledger."
    )
    create_title: str = "Create a bank"
    title: str = "Name"
    title_hint: str = "Product and view, such as 'Bottle cap, top'."
    id: str = "Id"
    id_hint: str = "Part of addresses and API calls; it never changes."
    size: str = "Input size"
    size_hint: str = (
        "Every image is resized to this. A defect should be several pixels wide then; four times the pixels take about"
        " four times the time and memory."
    )
    sizes: Mapping[int, str] = table(
        {
            224: "224 x 224 pixels",
            256: "256 x 256 pixels, the default",
            320: "320 x 320 pixels",
            384: "384 x 384 pixels",
            512: "512 x 512 pixels",
            768: "768 x 768 pixels",
            1024: "1,024 x 1,024 pixels",
            1536: "1,536 x 1,536 pixels",
            2048: "2,048 x 2,048 pixels",
        }
    )
    other_size: str = "Other size, pixels"
    other_size_hint: str = "In place of the input size above: a multiple of 32, at most 2,048."
    fit: str = "Fit"
    fit_hint: str = "How a photograph of another shape than the input fits it."
    fits: Mapping[str, str] = table(
        stretch="Stretch: both sides to the size",
        short_side="Short side: keeps the shape, the long side may be longer",
        letterbox="Letterbox: keeps the shape, pads the short side",
    )
    crop: str = "Centre crop, pixels"
    crop_hint: str = "Only the middle of the resized image is seen. Empty: all of it."
    ratio: str = "Patches kept, %"
    ratio_hint: str = "More find subtler changes of varied surfaces and take longer; 1 is usual."
    register: str = "Find the part and bring it to where a reference has it"
    register_hint: str = (
        "For rigid parts with texture that arrive turned or moved. A build refuses parts that it cannot find; a"
        " part that is not found later is rejected."
    )
    turned: str = "Parts are turned by at most, degrees either way"
    turned_needed: str = "From 0 to 180."
    place: str = "Weight of the place"
    place_hint: str = (
        "For parts that always lie alike: 1 or 2 finds what is in a wrong place. 0: places do not count."
    )
    side_needed: str = "A multiple of 32, from 32 to {most}."
    ratio_needed: str = "More than 0 and at most 100."
    place_needed: str = "From 0 to {most}."
    bits: str = "Bits of grey samples"
    bits_hint: str = "A camera may fill 12 of 16 bits; its photographs are dark unless that is said."
    bits_of: Mapping[int, str] = table({0: "All", 10: "10", 12: "12", 14: "14"})
    metric: str = "Metric"
    metric_hint: str = (
        "Whitened needs 100 good parts. Compare both on a labelled test set before you choose it."
    )
    metrics: Mapping[str, str] = table(
        {"euclidean": "Euclidean: patches as they are", "whitened": "Whitened: rare changes count more"}
    )
    advanced: str = "Advanced"
    score: str = "Score"
    score_hint: str = "Compare both on a labelled test set before you choose the map."
    scores: Mapping[str, str] = table(
        {
            "patch": "Patch: the place least like a good part",
            "map": "Map: the highest value of the smoothed map",
        }
    )
    copies: str = "Also learn copies of each photograph"
    copies_hint: str = (
        "For few photographs, or parts that arrive turned, moved or lit otherwise. Copies hide such defects: a part "
        "that must not be mirrored or turned will be accepted so. A build takes longer; an inspection does not."
    )
    flips: str = "Mirrored left to right"
    quarter_turns: str = "Turned by 90, 180 and 270 degrees"
    ranges: Mapping[str, str] = table(
        rotation="Turned at random, degrees either way",
        shift="Moved at random, % of the shorter side",
        scale="Larger or smaller at random, %",
        light="Brighter or darker at random, %",
    )
    random_copies: str = "Random copies of each photograph"
    learned: Plural = Plural("A photograph is learned once.", "A photograph is learned {n} times.")
    rate: str = "False-reject target, %"
    rate_hint: str = "The share of good parts that may be rejected. It needs at least {n} good images."
    backbone_note: str = "The server sets the backbone: {name}."
    title_needed: str = "Enter a name."
    id_needed: str = "1 to 63 of a-z, 0-9, '_' and '-', starting with a letter or digit."
    rate_needed: str = "More than 0 and less than 50."
    save: str = "Save"


BANKS = Banks()
