"""Banks and their nominal images."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from app.http.schemas.common import Answer, BankId, JsonObject, Note, Rate, Request, Score

Title = Annotated[str, Field(max_length=200)]


class InputSettings(Request):
    """How an image becomes the backbone's input."""

    size: int | None = Field(None, description="Side in pixels, a multiple of 32.")
    fit: Literal["stretch", "short_side", "letterbox"] | None = None
    crop: int | None = Field(None, description="Side of a centre crop; null for the whole image.")
    reduced_jpeg: bool | None = Field(
        None, description="Whether JPEG far larger than the input is decoded at a fraction of its scale."
    )


class PatchSettings(Request):
    """Neighbourhood of a patch."""

    size: int | None = None
    stride: int | None = None


class IndexSettings(Request):
    """Search among the bank's vectors; ``flat`` is exact."""

    kind: Literal["flat", "hnsw", "ivfpq"] | None = None
    links: int | None = None
    build_effort: int | None = None
    effort: int | None = None
    lists: int | None = None
    probes: int | None = None
    code_bytes: int | None = None
    rerank: int | None = None


class ConfigChange(Request):
    """Settings of builds; what is left out keeps its value."""

    input: InputSettings | None = None
    patch: PatchSettings | None = None
    index: IndexSettings | None = None
    coreset_ratio: float | None = Field(None, description="Share of all nominal patches kept, in (0, 1].")
    max_bank_vectors: int | None = None
    min_bank_vectors: int | None = Field(
        None, description="How many patches are kept at least, where there are so many."
    )
    projection: int | None = Field(None, description="Dimensions the coreset is searched in.")
    seed: int | None = Field(None, description="Same images, config and seed: the same bank.")
    reweight: bool | None = Field(None, description="Score by Eq. 7 of the paper instead of Eq. 6.")
    neighbours: int | None = None
    sigma: float | None = Field(None, description="Gaussian of the heatmap, input pixels.")
    target_false_reject: float | None = None
    target_review: float | None = None
    pca: int | None = Field(
        None, description="Principal components patch vectors are reduced to; null keeps them whole."
    )


class BankChange(Request):
    """What may change of a bank; null takes an override back, what is left out stays."""

    title: Title | None = None
    config: ConfigChange | None = Field(None, description="For the next builds; laid over the present one.")
    pinned: bool | None = Field(None, description="Whether its active version stays in memory.")
    target_false_reject: Rate | None = Field(None, description="Share of good parts that may be rejected.")
    target_review: Rate | None = Field(
        None, description="Share of good parts that may be reviewed or rejected."
    )
    review_threshold: Score | None = Field(
        None, description="Score above which a person looks; over any rate."
    )
    reject_threshold: Score | None = Field(None, description="Score above which a part fails; over any rate.")
    note: Note | None = Field(None, description="Why thresholds or rates change; kept in their history.")


class BankCreate(BankChange):
    """A new bank: one view of one product."""

    id: BankId
    title: Title = ""


class Bank(Answer):
    """One view of one product. The thresholds here override what the version's own calibration gives."""

    id: BankId
    title: str
    config: JsonObject
    target_false_reject: float | None
    target_review: float | None
    review_threshold: float | None
    reject_threshold: float | None
    pinned: bool
    active_version: int | None
    last_version: int
    revision: int = Field(description="Rises with every change; the ETag.")
    created_at: datetime
    updated_at: datetime


class BankDetail(Bank):
    """A bank with the size of its nominal set."""

    nominal_images: int
    nominal_bytes: int
    supported_false_reject: float = Field(
        description="The least false-reject rate these images support: 1 / (n + 1)."
    )


class ThresholdChange(Answer):
    """What a bank's thresholds and rates became, and why."""

    review_threshold: float | None
    reject_threshold: float | None
    target_false_reject: float | None
    target_review: float | None
    actor: str
    created_at: datetime
    note: str | None


class Image(Answer):
    """A nominal image."""

    sha256: str
    name: str
    bytes: int
    width: int
    height: int
    source: Literal["upload", "false_alarm"]
    inspection_id: str | None
    added_at: datetime


class UploadedFile(Answer):
    """What became of one file. ``problem`` says why it was rejected, in the form of every error."""

    name: str
    archive: str | None = Field(None, description="The archive it came in.")
    status: Literal["accepted", "duplicate", "rejected"]
    sha256: str | None = None
    bytes: int | None = None
    width: int | None = None
    height: int | None = None
    problem: JsonObject | None = None


class Uploaded(Answer):
    """An upload, file by file; sending it again changes nothing."""

    accepted: int
    duplicate: int
    rejected: int
    files: list[UploadedFile]
    nominal_images: int = Field(description="In the bank now.")
