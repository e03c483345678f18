"""What happened, as CloudEvents 1.0 in their JSON form (cloudevents.io): made once, then sent as they are.

``id`` is stable: what is delivered twice has the same one, so that a receiver can drop the second. ``source`` is the
bank's path, ``subject`` what of the bank the event is about. ``data`` says of an inspection what a line decides by;
the rest is at ``data.links.self``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

import orjson

from app.store.schema import Bank, Decision, EventKind, Inspection, Review, ThresholdChange, Version

KINDS: tuple[EventKind, ...] = get_args(EventKind)
SAMPLE = "sample"
TYPES: Mapping[str, str] = {
    "decided": "nominal.inspection.decided",
    "reviewed": "nominal.inspection.reviewed",
    "activated": "nominal.version.activated",
    "unhealthy": "nominal.bank.unhealthy",
    "thresholds": "nominal.thresholds.changed",
    "drift": "nominal.bank.drift",
    SAMPLE: "nominal.sink.sample",
}
"""The CloudEvents type of each kind of event; a kind is also what filters and topics name."""
OF_INSPECTIONS = ("decided", "reviewed")


@dataclass(frozen=True)
class Happening:
    """Something that sinks may want. decision, station: of the inspection that it is about, where it is about one."""

    kind: str
    bank: str
    id: str
    subject: str
    time: datetime
    data: Mapping[str, Any]
    decision: Decision | None = None
    station: str | None = None

    def body(self) -> str:
        """The envelope, as JSON."""
        return orjson.dumps({
            "specversion": "1.0",
            "id": self.id,
            "source": f"/v1/banks/{self.bank}",
            "type": TYPES[self.kind],
            "subject": self.subject,
            "time": moment(self.time),
            "datacontenttype": "application/json",
            "data": self.data,
        }).decode()  # fmt: skip


def decided(row: Inspection) -> Happening:
    """An inspection was recorded with its decision."""
    data = _of_inspection(row) | {"version": row.version, "score": row.score, "name": row.name}
    data |= {"thresholds": {"review": row.review_threshold, "reject": row.reject_threshold}}
    data |= {"regions": row.regions, "located": None if row.location is None else row.location["located"]}
    subject, id = f"inspections/{row.id}", f"{row.id}.decided"
    return Happening("decided", row.bank, id, subject, row.created_at, data, row.decision, row.station)


def reviewed(row: Inspection, review: Review) -> Happening:
    """A person reviewed an inspection, or took a verdict back; the next revision is another event."""
    said = {"verdict": review.verdict, "kind": review.kind, "revision": review.revision}
    data = _of_inspection(row) | said | {"actor": review.actor}
    subject, id = f"inspections/{row.id}", f"{row.id}.reviewed.{review.revision}"
    return Happening("reviewed", row.bank, id, subject, review.created_at, data, row.decision, row.station)


def activated(bank: Bank, version: Version, before: int | None, actor: str, at: datetime) -> Happening:
    """A bank serves another version."""
    data = {"version": version.number, "before": before, "sha256": version.sha256, "actor": actor}
    return _of_version("activated", bank, version, at, data)


def unhealthy(bank: Bank, version: Version, reason: str, at: datetime) -> Happening:
    """The version that a bank serves was quarantined, on all servers or on one: there it inspects nothing."""
    return _of_version("unhealthy", bank, version, at, {"version": version.number, "reason": reason})


def thresholds(change: ThresholdChange) -> Happening:
    """What a bank's thresholds and target rates became."""
    names = "review_threshold", "reject_threshold", "target_false_reject", "target_review", "actor", "note"
    data = {"bank": change.bank} | {name: getattr(change, name) for name in names}
    id = f"{change.id}.thresholds"
    return Happening("thresholds", change.bank, id, "thresholds", change.created_at, data)


def drift(bank: str, station: str | None, id: str, at: datetime, data: Mapping[str, Any]) -> Happening:
    """A bank's images have drifted from those of its calibration. id: unique for each alarm."""
    said = {"bank": bank, "station": station, **data}
    return Happening("drift", bank, f"{id}.drift", "drift", at, said, station=station)


def sample(sink: str, id: str, at: datetime) -> Happening:
    """What "Send a sample" sends: of no bank's, so named that no receiver takes it for a decision."""
    data = {"sink": sink, "message": "A sample from Nominal; nothing was inspected."}
    return Happening(SAMPLE, SAMPLE, f"{id}.sample", "sample", at, data)


def moment(at: datetime) -> str:
    """RFC 3339, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _of_inspection(row: Inspection) -> dict[str, Any]:
    said = {"inspection": row.id, "bank": row.bank, "decision": row.decision, "serial": row.serial}
    return said | {"station": row.station, "links": {"self": f"/v1/inspections/{row.id}"}}


def _of_version(kind: EventKind, bank: Bank, version: Version, at: datetime, data: Any) -> Happening:
    """The bank's revision makes the id unique: it rises with every change."""
    id, subject = f"{bank.id}.{kind}.{bank.revision}", f"versions/{version.number}"
    return Happening(kind, bank.id, id, subject, at, {"bank": bank.id, **data})
