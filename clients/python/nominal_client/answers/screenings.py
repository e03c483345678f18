"""Screenings of nominal sets: the report, whose fields are those that are stored."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from nominal_client.answers import Answer, JsonObject
from nominal_client.answers.jobs import Job


class Part(Answer):
    """The photographs of one part."""

    part: str | None = Field(description="Its serial number, where it is known.")
    images: list[str]


class Kind(Answer):
    """Images that have something in common, such as their size."""

    what: str = Field(description="In words, such as '640 x 480 pixels'.")
    images: list[str]


class Suspect(Answer):
    """An image that may not belong, and the worst place of its map."""

    image: str
    doubt: float = Field(
        description="Mean of the ranks of score and outlier, in (0, 1]; 1 is the worst in both."
    )
    score: float = Field(description="Its largest distance to a bank of the other parts.")
    outlier: float | None = Field(
        description="How many times lonelier it is than its neighbours; null where there was nothing to compare with."
    )
    part: int = Field(description="Its part's place in `groups`.")
    x: int = Field(description="Pixels from the left.")
    y: int = Field(description="Pixels from the top.")


class Unreadable(Answer):
    """An image that was left aside."""

    image: str
    reason: str


class LeftOutOfFolder(Answer):
    """A file, or a folder with all in it, that was not taken for an image; uploaded sets have none."""

    name: str
    reason: str
    files: int = 1


class Settings(Answer):
    """What the result depends on besides the images."""

    backbone: str
    weights: str = Field(description="Digest of the weights.")
    config: JsonObject


class Findings(Answer):
    """What a look over a nominal set found. Images go by their sha256."""

    names: dict[str, str] = Field(description="Of the images, by their sha256.")
    images: int
    parts: int
    supported_false_reject: float = Field(
        description="The least false-reject rate that so many parts support."
    )
    grouped_by: str = Field(description="How parts were told apart, such as auto or serial.")
    says: list[str] = Field(description="What a person should look at, a sentence each.")
    groups: list[Part] = Field(description="Every part.")
    duplicates: list[list[str]] = Field(description="Exact copies.")
    near_duplicates: list[list[str]] = Field(description="Parts with several photographs.")
    expected: float = Field(description="Share of images that may not belong, as it was asked.")
    map_level: float = Field(description="Score that a suspect's map shows as unusual.")
    suspects: list[Suspect] = Field(description="The worst first.")
    sizes: list[Kind]
    aspects: list[Kind]
    colours: list[Kind]
    products: list[Kind]
    unused_bits: list[Kind] = Field(description="Images whose highest bits are unused.")
    unreadable: list[Unreadable]
    left_out: list[LeftOutOfFolder]
    settings: Settings


class Report(Answer):
    """What a screening found; nothing was removed."""

    created_at: datetime
    current: bool = Field(description="Whether the nominal set is still the one that was looked over.")
    report: Findings


class Screening(Answer):
    """A bank's newest screening job, and the newest report; each is null before there is one."""

    job: Job | None
    found: Report | None
