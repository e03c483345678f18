"""Banks and their nominal images."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from nominal_client.answers import Answer, BankId, JsonObject
from nominal_client.answers.server import Priority


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
    priority: Priority | None = Field(None, description="Of its inspections; normal when null.")
    share: float | None = Field(None, description="Guaranteed part of decoding and inference.")
    active_version: int | None
    last_version: int
    revision: int = Field(description="Rises with every change; the ETag.")
    created_at: datetime
    updated_at: datetime


class BankDetail(Bank):
    """A bank with the size of its nominal set."""

    nominal_images: int
    nominal_bytes: int
    images_with_serial: int = Field(description="Nominal images that came with their part's serial number.")
    serials: int = Field(description="Different serial numbers among them.")
    supported_false_reject: float = Field(
        description="The least false-reject rate these images support: 1 / (n + 1), where n counts the parts if every "
        "image has a serial number."
    )


class Mask(Answer):
    """Where photographs of a bank are inspected."""

    width: int = Field(description="Pixels that are kept of the mask, as its height.")
    height: int
    inspected_share: float = Field(description="Of a photograph's pixels.")
    patches: int = Field(description="Of an image at the bank's input size.")
    inspected_patches: int = Field(
        description="Those of which at least half is inspected: they are learned and scored."
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
    serial: str | None = Field(description="Serial number of the part it shows.")
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
    serial: str | None = Field(None, description="Serial number of the part it shows.")
    notice: str | None = Field(
        None, description="What to know of an image that was kept, such as unused bits."
    )
    problem: JsonObject | None = None


class LeftOut(Answer):
    """A file, or a folder with all in it, that was not read because it is not an image of the set."""

    name: str = Field(description="A folder's has a slash at its end.")
    archive: str | None = Field(None, description="The archive it came in.")
    reason: str
    files: int = Field(1, description="How many files it is or holds.")


class UploadedFiles(Answer):
    """An upload, file by file; sending it again changes nothing."""

    accepted: int
    duplicate: int
    rejected: int
    files: list[UploadedFile]
    left_out: list[LeftOut] = Field(
        [], description="Files that are not images of the set, such as hidden ones."
    )


class Uploaded(UploadedFiles):
    """An upload into the nominal set."""

    nominal_images: int = Field(description="In the bank now.")
