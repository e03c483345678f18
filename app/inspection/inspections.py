"""The ledger as people read it: found by filter, exported, drawn again, its images given out."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from datetime import UTC
from typing import Any, Literal

import orjson

from app.errors import PictureUnavailable
from app.imaging.pictures import Kind, Picture
from app.inspection.engine import Work
from app.inspection.inspect import drawn as found_of
from app.inspection.inspect import render
from app.inspection.inspecting import Inspecting
from app.inspection.lanes import Lane
from app.inspection.ledger import document, reason
from app.inspection.registry import Key
from app.inspection.taking import prepared
from app.store.errors import BlobMissing, NotFound
from app.store.inspections import Filter
from app.store.schema import Inspection
from core.judging.scoring import Thresholds

Format = Literal["csv", "jsonl"]
COLUMNS = (
    "id", "created_at", "bank", "version", "serial", "station", "name", "decision", "verdict", "score",
    "review_threshold", "reject_threshold", "width", "height", "regions", "image_sha256", "actor", "reason", "kind",
)  # fmt: skip
ROWS = 500  # of one piece of an export


def export(inspecting: Inspecting, which: Filter, form: Format) -> Iterator[bytes]:
    """Every inspection of a filter, newest first, in pieces; holds no transaction while its reader is slow."""
    rows = inspecting.store.inspections.export(which)
    yield from _csv(rows) if form == "csv" else _json_lines(rows)


def read_image(inspecting: Inspecting, row: Inspection) -> bytes:
    """The kept image as it was received. Raises PictureUnavailable."""
    if row.image_sha256 is None:
        raise _unavailable(
            "no image was kept of it", "Keep images (NOMINAL_IMAGE_KEEP), or ask for the map inline."
        )
    try:
        return inspecting.store.blobs.read(row.image_sha256)
    except BlobMissing:
        raise _unavailable("its image is gone", "Restore a backup.") from None


async def picture(inspecting: Inspecting, id: str, kind: Kind) -> tuple[Picture, float]:
    """The map of a past inspection, computed again by the version that made it; and the map threshold.

    Raises NotFound, PictureUnavailable, VersionUnusable, Overloaded.
    """
    row = await inspecting.pools.background(lambda: inspecting.store.inspections.get(id))
    return await drawn(
        inspecting, row, await inspecting.pools.background(lambda: read_image(inspecting, row)), kind
    )


async def drawn(inspecting: Inspecting, row: Inspection, body: bytes, kind: Kind) -> tuple[Picture, float]:
    """The same from the image's bytes. Raises PictureUnavailable, VersionUnusable, ImageRefused, Overloaded."""
    try:
        loaded = await inspecting.registry.get(Key.that_made(row))
    except NotFound:
        raise _unavailable(
            f"version {row.version} of {row.bank} is gone", "Ask for the map inline when inspecting."
        ) from None
    deadline = time.monotonic() + inspecting.settings.request_timeout_seconds
    with inspecting.memory.hold(Lane(row.bank).background()) as share:
        share.grow(len(body))
        image = await prepared(inspecting, loaded, body, share)
        work = Work(image, Thresholds(row.review_threshold, row.reject_threshold), loaded.engine)
        served = await inspecting.batcher.submit(loaded.key, work, lane=share.lane, deadline=deadline)
        found = await found_of(inspecting, served.result, image, share)
        return await render(inspecting, kind, found, body, share), found.map_threshold


def _csv(rows: Iterator[Inspection]) -> Iterator[bytes]:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for count, row in enumerate(rows, 1):
        writer.writerow([_cell(name, row) for name in COLUMNS])
        if count % ROWS == 0:
            yield _taken(file)
    yield _taken(file)


def _json_lines(rows: Iterator[Inspection]) -> Iterator[bytes]:
    lines: list[bytes] = []
    for row in rows:
        lines.append(orjson.dumps(document(row), option=orjson.OPT_APPEND_NEWLINE))
        if len(lines) == ROWS:
            yield b"".join(lines)
            lines.clear()
    yield b"".join(lines)


def _cell(name: str, row: Inspection) -> object:
    """A value of a spreadsheet's cell."""
    value: Any = reason(row) if name == "reason" else getattr(row, name)
    if name == "regions":
        return len(value)
    if name == "created_at":
        return value.astimezone(UTC).isoformat()
    return inert(value) if isinstance(value, str) else value


def inert(value: str) -> str:
    """Text for a cell: quoted where a spreadsheet would run it as a formula (OWASP)."""
    return "'" + value if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _taken(file: io.StringIO) -> bytes:
    text = file.getvalue()
    file.seek(0)
    file.truncate()
    return text.encode()


def _unavailable(received: str, remedy: str) -> PictureUnavailable:
    return PictureUnavailable(
        "a picture of a past inspection needs its image and the version that made it", received, remedy
    )
