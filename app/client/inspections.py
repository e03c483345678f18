"""Calls that inspect, and calls about the ledger of inspections."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal, TypedDict, Unpack

import numpy as np
from jaxtyping import Float32

from app.client.banks import if_match
from app.client.bodies import FormOfBytes, Json, Raw
from app.client.call import QUICK, Call, Pages, at, content, pages_of, parsed
from app.client.downloads import Saved, Written, never
from app.client.errors import BadArgument
from app.http.schemas.inspections import (
    Batch,
    Decision,
    Finding,
    InlinePicture,
    Inspection,
    Review,
    ReviewList,
    Taught,
    Verdict,
)

GRACE = 2.0  # seconds that the network may take beyond a caller's deadline

ImageSource = bytes | Path
Heatmap = Literal["none", "png", "overlay", "raw"]


class Asked(TypedDict, total=False):
    """What may be said of the parts inspected; thresholds override the bank's for these images."""

    serial: str
    station: str
    review_threshold: float
    reject_threshold: float


class Which(TypedDict, total=False):
    """Which inspections; what is left out does not matter. Times with their zone: from ``since``, before ``until``."""

    bank: str
    decision: Decision
    serial: str
    station: str
    verdict: Verdict
    reviewed: bool
    since: datetime
    until: datetime


def inspect(
    bank: str,
    image: ImageSource,
    *,
    heatmap: Heatmap = "none",
    within: float | None = None,
    **asked: Unpack[Asked],
) -> Call[Inspection]:
    """Inspect an image, a file's path or its bytes. In the ledger once it is answered.

    ``within`` is the time for the answer in seconds, retries included; the server refuses what it cannot do by then.
    """
    params = {**asked, "heatmap": heatmap}
    headers = _prefer(within)
    body = Raw(image.read_bytes() if isinstance(image, Path) else image)
    path = at("/v1/banks/{}/inspect", bank)
    silence = QUICK + 10 if within is None else within + GRACE
    return Call("POST", path, parsed(Inspection), params, headers, body, silence=silence, within=within)


def inspect_batch(
    bank: str,
    images: Sequence[Path | tuple[str, bytes]],
    *,
    within: float | None = None,
    **asked: Unpack[Asked],
) -> Call[Batch]:
    """Inspect up to 256 images, paths or (name, bytes); each has its inspection or its problem, in this order."""
    files = [(i.name, i.read_bytes()) if isinstance(i, Path) else i for i in images]
    if not files:
        raise BadArgument(requirement="a batch needs an image", received="none", remedy="Name at least one.")
    path, params = at("/v1/banks/{}/inspect/batch", bank), dict(asked)
    body, headers = FormOfBytes(files), _prefer(within)
    silence = 10 * QUICK if within is None else within + GRACE
    return Call("POST", path, parsed(Batch), params, headers, body, silence=silence, within=within)


def list_inspections(**which: Unpack[Which]) -> Pages[Inspection]:
    """The ledger, newest first."""
    return pages_of(Inspection, "/v1/inspections", "before", said(which))


def get_inspection(inspection: str) -> Call[Inspection]:
    """One inspection."""
    return Call("GET", at("/v1/inspections/{}", inspection), parsed(Inspection))


def get_inspected_image(inspection: str) -> Call[bytes]:
    """The image as it was received, where it was kept."""
    return Call("GET", at("/v1/inspections/{}/image", inspection), content)


def get_heatmap(inspection: str, form: Literal["png", "raw"] = "png") -> Call[bytes]:
    """The map of an inspection whose image was kept: coloured, or NPY for ``map_array``."""
    return Call("GET", at("/v1/inspections/{}/heatmap", inspection), content, {"form": form})


def get_overlay(inspection: str) -> Call[bytes]:
    """The map over the image, a PNG."""
    return Call("GET", at("/v1/inspections/{}/overlay", inspection), content)


def export_inspections(
    path: Path, *, form: Literal["csv", "jsonl"] = "csv", **which: Unpack[Which]
) -> Call[Path]:
    """Save every inspection of a filter as a file, newest first."""
    params = {**said(which), "format": form}
    return Call("GET", "/v1/inspections/export", never, params, sink=lambda headers: Saved(path, headers))


def write_inspections(
    file: BinaryIO, *, form: Literal["csv", "jsonl"] = "csv", **which: Unpack[Which]
) -> Call[int]:
    """The same into an open file, such as standard output; the bytes written. Never sent again by itself."""
    params = {**said(which), "format": form}
    path = "/v1/inspections/export"
    return Call("GET", path, never, params, sink=lambda headers: Written(file), repeatable=False)


def list_reviews(inspection: str) -> Call[list[Review]]:
    """What people found, oldest first."""
    whole = parsed(ReviewList)
    return Call("GET", at("/v1/inspections/{}/reviews", inspection), lambda response: whole(response).items)


def review(inspection: str, verdict: Finding, note: str = "", *, revision: int | None = None) -> Call[Review]:
    """Say what a person found, or ``withdrawn`` to take it back.

    ``revision`` is the latest review's that they saw, 0 for none; refused if stale.
    """
    path = at("/v1/inspections/{}/reviews", inspection)
    body = Json({"verdict": verdict, "note": note})
    return Call("POST", path, parsed(Review), headers=if_match(revision), body=body)


def add_false_alarm(inspection: str) -> Call[Taught]:
    """Add the image of an inspection reviewed as a false alarm to its bank's nominal set, for the next build."""
    return Call("POST", at("/v1/inspections/{}/teach", inspection), parsed(Taught), repeatable=True)


def picture_bytes(picture: InlinePicture) -> bytes:
    """The file that an inspection's inline heatmap holds: a PNG, or NPY for ``map_array``."""
    return base64.b64decode(picture.data)


def map_array(npy: bytes) -> Float32[np.ndarray, "height width"]:
    """A raw map in score units, at the image's size."""
    array: np.ndarray = np.load(io.BytesIO(npy), allow_pickle=False)
    return array


def said(which: Which) -> dict[str, object]:
    """A filter as parameters."""
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in which.items() if v is not None}


def _prefer(within: float | None) -> dict[str, str | None]:
    return {"Prefer": None if within is None else f"respond-within={max(1, round(within * 1000))}ms"}
