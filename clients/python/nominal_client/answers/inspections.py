"""Inspections, reviews."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from nominal_client.answers import Answer, JsonObject

Verdict = Literal["confirmed_defect", "false_alarm", "missed_defect"]
Finding = Literal["confirmed_defect", "false_alarm", "missed_defect", "withdrawn"]
Decision = Literal["accept", "review", "reject"]


class Thresholds(Answer):
    """Above review a person looks, above reject the part is rejected; a score equal to one is not above it."""

    review: float
    reject: float


class Region(Answer):
    """A connected area of the map above its threshold, in original pixels; ``share`` of the image's."""

    x: int
    y: int
    width: int
    height: int
    area: int
    share: float
    peak: float
    peak_x: int
    peak_y: int


class NearestPatch(Answer):
    """What the worst place was compared with: a patch of a nominal image, by its cell, and still this far."""

    image: str
    sha256: str | None = Field(description="Of that image, where the bank was built here.")
    row: int
    column: int
    distance: float
    at_x: int
    at_y: int


class Location(Answer):
    """Where a part lies against the bank's reference, or why it was not located; null where nothing was found."""

    located: bool
    reason: str | None = Field(description="Why it was not located, with the figures.")
    method: Literal["sift", "edges"] = Field(
        "sift", description="What it was looked for by: points, or edges."
    )
    inliers: int | None = Field(description="Distinct points that agree with the reference; null by edges.")
    residual: float | None = Field(None, description="Pixels that these are apart, root mean square.")
    rotation: float | None = Field(description="Degrees clockwise from the reference.")
    shift: tuple[float, float] | None = Field(
        None, description="(x, y) from the image's middle to where the reference's is, pixels."
    )
    scale: float | None = Field(description="Its size against the reference's, as shares of the pictures.")
    fit: float | None = Field(description="Correlation of both pictures' edges, from -1 to 1.")
    inspected_share: float | None = Field(description="Of what is inspected, how much is in view.")
    transform: list[list[float]] | None = Field(
        description="3 x 3: from a pixel (x, y, 1) of the reference to one of the image."
    )
    outline: list[list[float]] | None = Field(
        description="The corners (x, y) of the reference's picture in the image, clockwise from its upper left."
    )


class Links(Answer):
    """Where to go on; pictures exist where the image was kept."""

    self: str
    reviews: str
    similar: str
    image: str | None
    heatmap: str | None
    overlay: str | None


class InlinePicture(Answer):
    """The map within the answer: ``data`` is base64 of a file of ``media_type``."""

    kind: Literal["png", "overlay", "raw"]
    media_type: str
    threshold: float = Field(
        description="The level that regions exceed; the middle of the picture's colours."
    )
    data: str


class Inspection(Answer):
    """One scored image. Scores are Euclidean distances, unbounded; larger is more anomalous."""

    id: str
    bank: str
    version: int
    created_at: datetime
    serial: str | None
    station: str | None
    name: str | None
    width: int
    height: int
    score: float
    thresholds: Thresholds
    decision: Decision
    regions: list[Region]
    nearest: NearestPatch | None
    reason: Literal["not_located"] | None = Field(
        None,
        description="Why it was rejected if not by its score, which is then 1e31, above every threshold.",
    )
    location: Location | None = Field(None, description="Of the part, where the bank registers parts.")
    digests: dict[str, str] = Field(
        description="Backbone, weights, bank file, config, runtime and precision."
    )
    timings: dict[str, float] = Field(
        description="Milliseconds: queue, decode, preprocess, features, search, map, total."
    )
    verdict: Verdict | None
    kind: str | None = Field(description="Of the defect, by the latest review.")
    image_sha256: str | None
    image_not_kept: str | None = Field(
        None,
        description="Why its image could not be kept, though it should be: a problem type, as storage-full.",
    )
    links: Links
    heatmap: InlinePicture | None = Field(None, description="Where it was asked for inline.")


class BatchItem(Answer):
    """One file of a batch: its inspection, or the problem with it."""

    name: str
    inspection: Inspection | None = None
    problem: JsonObject | None = None


class Batch(Answer):
    """A batch, file by file in the order sent."""

    items: list[BatchItem]


class Review(Answer):
    """One revision of what people found; earlier ones stay."""

    inspection_id: str
    revision: int
    verdict: Finding
    note: str
    kind: str | None
    actor: str
    created_at: datetime


class ReviewList(Answer):
    """All reviews of an inspection, oldest first."""

    items: list[Review]


class Taught(Answer):
    """What became of a false alarm's image."""

    status: Literal["accepted", "duplicate"]
    nominal_images: int
