"""Words of the list of inspections, and of one inspection's page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.console.words import Plural


@dataclass(frozen=True)
class Inspections:
    """English."""

    name: str = "Inspections"
    lead: str = "Every inspected image, newest first."
    one: str = "Inspection"
    none: str = "Nothing was inspected yet"
    none_hint: str = "Inspect a part, or send images to the API; each appears here as soon as it is recorded."
    no_match: str = "No inspection matches"
    live: str = "Follow the line"
    part: str = "Part"
    score: str = "Score"
    when: str = "When"
    newest: str = "Newest"
    newer: str = "Newer"
    older: str = "Older"
    page: Plural = Plural("{n} inspection on this page", "{n} inspections on this page")
    reviews: str = "Reviews"
    no_reviews: str = "Nobody has reviewed it yet."
    reviewed_by: str = "by {actor}, {when}"
    note: str = "Note"
    note_hint: str = "Optional; stored with the review."


INSPECTIONS = Inspections()


@dataclass(frozen=True)
class ExplanationWords:
    """English."""

    title: str = "Why this score"
    lead: str = "Where the score comes from, by a method of choice. The decision rests only on the patch map."
    no_image: str = "Its image was not kept, so it cannot be explained."
    not_located: str = "The part was not located, so there is nothing to explain."
    method: str = "Method"
    show: str = "Explain"
    picture: str = "The map of the method {method} over the image"
    decides: str = "The decision rests on this map."
    decides_not: str = "A view of the network, not a decision: what it highlights is not therefore a defect."
    deletion: str = "Deletion"
    insertion: str = "Insertion"
    area: str = "{n:.3f} (patch map {best:.3f}, random {random:.3f})"
    faithful_hint: str = (
        "Cells are replaced by their nearest good patch, the highlighted ones first (deletion), or put back "
        "(insertion). A faithful method has little area under the score by deletion, and much by insertion."
    )
    distance: str = "Distance of the worst place"
    layer: str = "Share of layer {layer}"
    channel: str = "Channel {n} of {layer}"
    more: str = "more than the nearest good patch"
    less: str = "less than the nearest good patch"
    methods: Mapping[str, str] = field(
        default_factory=lambda: {
            "patch-map": "Patch map",
            "saliency": "Saliency",
            "guided": "Guided backpropagation",
            "deconvnet": "Deconvnet",
            "cam": "CAM of the residual",
            "grad-cam": "Grad-CAM",
            "grad-cam++": "Grad-CAM++",
            "layer-cam": "LayerCAM",
        }
    )


EXPLANATION = ExplanationWords()
