"""Banks and their nominal images."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, create_model

from app.http.schemas import Answer, BankId, JsonObject, Note, Rate, Request, Score
from core.config import DetectorConfig
from core.declared import Declared, own_settings, parts


def _change(config: type[Declared], name: str, doc: str | None) -> type[Request]:
    """Its bounds are in the words of each description: the config itself refuses what is out of them."""
    inner = {
        part: _change(kind, f"{part.title()}Settings", kind.__doc__) for part, kind in parts(config).items()
    }
    fields: dict[str, Any] = {part: (kind | None, None) for part, kind in inner.items()}
    for setting in own_settings(config):
        fields[setting.name] = (setting.kind | None, Field(None, description=setting.help))
    return create_model(name, __base__=Request, __doc__=doc, __module__=__name__, **fields)


if TYPE_CHECKING:

    class ConfigChange(Request): ...
else:
    ConfigChange = _change(
        DetectorConfig, "ConfigChange", "Settings of builds; what is left out keeps its value."
    )


Title = Annotated[str, Field(max_length=200)]


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
    images_with_serial: int = Field(description="Nominal images that came with their part's serial number.")
    serials: int = Field(description="Different serial numbers among them.")
    supported_false_reject: float = Field(
        description="The least false-reject rate these images support: 1 / (n + 1), where n counts the parts if every "
        "image has a serial number."
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
    notice: str | None = Field(None, description="What to know of an accepted image, such as unused bits.")
    problem: JsonObject | None = None


class LeftOut(Answer):
    """A file, or a folder with all in it, that was not read because it is not an image of the set."""

    name: str = Field(description="A folder's has a slash at its end.")
    archive: str | None = Field(None, description="The archive it came in.")
    reason: str
    files: int = Field(1, description="How many files it is or holds.")


class Uploaded(Answer):
    """An upload, file by file; sending it again changes nothing."""

    accepted: int
    duplicate: int
    rejected: int
    files: list[UploadedFile]
    left_out: list[LeftOut] = Field([], description="Hidden files, and what systems keep beside images.")
    nominal_images: int = Field(description="In the bank now.")
