"""Check sets: labelled images that every version of a bank is tried on, and what it finds and misses of them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from nominal_client.answers import Answer, JsonObject
from nominal_client.answers.banks import UploadedFiles
from nominal_client.answers.insight import Share
from nominal_client.answers.inspections import Decision, Thresholds
from nominal_client.answers.jobs import Job

Outcome = Literal["missed", "false_alarm", "found", "passed", "undecided", "learnt", "unreadable", "unscored"]


class CheckSet(Answer):
    """A check set at a glance."""

    name: str
    created_at: datetime
    images: int
    bytes: int
    kinds: dict[str, int] = Field(description="Images of each kind: good, or the kinds of defects.")


class CheckSetList(Answer):
    """The check sets of a bank, by name."""

    items: list[CheckSet]


class LabelledImage(Answer):
    """An image of a check set."""

    sha256: str
    name: str
    kind: str = Field(description="good, or the kind of defect that it shows.")
    bytes: int
    width: int
    height: int
    serial: str | None = Field(description="Serial number of the part that it shows, if it was said.")
    added_at: datetime


class KindFound(Answer):
    """A kind of defect."""

    kind: str
    found: Share = Field(description="Those that are not accepted.")


class Tried(Answer):
    """What a version finds and misses of a set, by the thresholds that it has, or would have as the active version."""

    version: int
    created_at: datetime = Field(description="When the images were scored.")
    thresholds: Thresholds | None = Field(description="Null where it does not support the bank's rates.")
    reason: str | None = Field(description="Why there are no thresholds; nothing is decided then.")
    found: Share = Field(description="Defects that are not accepted.")
    missed: int = Field(description="Defects that are accepted.")
    alarms: Share = Field(description="Good images that are not accepted.")
    auroc: float | None = Field(description="Null unless good and defective images are counted.")
    kinds: list[KindFound]
    says: list[str] = Field(
        description="What a person must know before believing the figures, a sentence each."
    )


class CheckSetDetail(CheckSet):
    """A check set, its newest job, and the versions that were tried on it, the newest 20 first."""

    job: Job | None
    tried: list[Tried]


class CheckedImage(Answer):
    """What became of an image. Images that the version learnt, and those without a score, do not count."""

    image: LabelledImage
    outcome: Outcome
    score: float | None
    decision: Decision | None
    learnt: Literal["image", "part"] | None = Field(
        description="Whether the version learnt this very image, or another of its part."
    )
    problem: str | None = Field(description="Why it has no score.")
    regions: list[JsonObject] = Field(description="Where it is unusual: x, y, width, height, area, peak.")


class CheckedPage(Tried):
    """A version on a set with a page of its images: missed defects first, then false alarms."""

    items: list[CheckedImage]
    next: str | None = Field(description="Cursor for more of them.")


class CheckUploaded(UploadedFiles):
    """An upload into a check set."""

    images: int = Field(description="In the set now.")
