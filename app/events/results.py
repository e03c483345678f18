"""A decision as controllers read it: of an event's envelope, what has a place among variables and registers."""

from __future__ import annotations

import json
import math
import uuid
from datetime import UTC, datetime
from typing import Any, NamedTuple

from app.errors import EventRefused
from app.events import Event

CODES = {"accept": 1, "review": 2, "reject": 3}
"""Decisions as numbers; 0 is none."""


class Result(NamedTuple):
    """Of one inspection. Thresholds that a bank has not are NaN, texts that are missing empty."""

    inspection: str
    decision: str
    score: float
    review_threshold: float
    reject_threshold: float
    serial: str
    station: str
    version: int
    at: datetime

    @property
    def code(self) -> int:
        """Of the decision."""
        return CODES.get(self.decision, 0)

    @property
    def id(self) -> bytes:
        """16 bytes."""
        return uuid.UUID(self.inspection).bytes

    @classmethod
    def of(cls, event: Event) -> Result:
        """Of an event of the kind ``decided``. Raises EventRefused for an envelope that is not."""
        try:
            envelope = json.loads(event.body)
            data = envelope["data"]
            thresholds = data["thresholds"]
            return cls(
                str(uuid.UUID(data["inspection"])), data["decision"], _number(data["score"]),
                _number(thresholds["review"]), _number(thresholds["reject"]), data["serial"] or "",
                data["station"] or "", int(data["version"]), datetime.fromisoformat(envelope["time"]).astimezone(UTC),
            )  # fmt: skip
        except (ValueError, KeyError, TypeError) as error:
            raise EventRefused(
                requirement="the event of a decision must hold the inspection, its score and thresholds",
                received=f"{event.id}: {type(error).__name__} {error}",
                remedy="It was written by another release; delete the sink, or let it be given up.",
            ) from error


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
