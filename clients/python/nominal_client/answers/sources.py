"""Answers about sources of images."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from nominal_client.answers import Answer


class Source(Answer):
    """A camera of the server, and how it is."""

    source: str = Field(description="Its name.")
    kind: str = Field(description="rtsp, http, usb, genicam and others, as its address begins.")
    place: str = Field(description="Its address, without name and password.")
    bank: str
    station: str | None
    interval_seconds: float | None = Field(
        description="Between two pictures; null where only a trigger takes one."
    )
    inspected: int = Field(description="Pictures inspected since the server started.")
    repeated: int = Field(description="Pictures that were the one before, and were not inspected again.")
    faults: int
    fault: str | None = Field(description="Why it is not well now.")
    error: str | None = Field(description="What went wrong last.")
    error_at: datetime | None


class SourceList(Answer):
    """All cameras, in the order of the setting."""

    items: list[Source]
