"""Calls that inspect, about the ledger of inspections, and about what versions learnt and would decide."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, TypedDict, Unpack

import httpx
from pydantic import ValidationError

from nominal_client.answers.insight import (
    Agreement,
    Calibration,
    Compared,
    Economics,
    Exploration,
    Fits,
    Trend,
)
from nominal_client.answers.inspections import (
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
from nominal_client.banks import if_match
from nominal_client.call import QUICK, SLOW, Call, Pages, at, get, never, pages_of, parsed, post
from nominal_client.errors import BadArgument, UnexpectedAnswer
from nominal_client.images import FilePath, GivenImage, GivenImages, content_bytes, each_given, given
from nominal_client.streams import Sink, as_json, form_of_bytes, raw, saved, written

if TYPE_CHECKING:
    import numpy as np

GRACE = 2.0  # seconds that the network may take beyond a caller's deadline
LONGEST = 1 << 16  # bytes of one line of a comparison

Heatmap = Literal["none", "png", "overlay", "raw"]

_foreign = partial(
    UnexpectedAnswer,
    requirement="a comparison must be a stream of JSON lines, one per inspection",
    remedy="Compare again; check what stands between client and server.",
)


class Asked(TypedDict, total=False):
    """What a caller may say about the inspected parts; thresholds override the bank's for these images."""

    serial: str
    station: str
    review_threshold: float
    reject_threshold: float


class Which(TypedDict, total=False):
    """Which inspections; what is left out does not matter. Times carry a zone: from ``since``, before ``until``."""

    bank: str
    decision: Decision
    serial: str
    station: str
    verdict: Verdict
    kind: str
    reviewed: bool
    since: datetime
    until: datetime


class Tried(TypedDict, total=False):
    """Thresholds or rates in place of the bank's; ``before`` is the cursor of more flips."""

    review_threshold: float
    reject_threshold: float
    target_false_reject: float
    target_review: float
    version: int
    bins: int
    limit: int
    before: str


def inspect(
    bank: str,
    image: GivenImage,
    *,
    heatmap: Heatmap = "none",
    within: float | None = None,
    **asked: Unpack[Asked],
) -> Call[Inspection]:
    """Inspect one image. The answer is in the ledger, under the file's name.

    image: a path, the bytes of an image file, a file open for reading bytes, a Pillow image, or a numpy array of uint8
    or uint16, height x width or height x width x 3 in the order red, green, blue; or (name, image).
    ``within`` is the time for the answer in seconds, including retries; the server refuses what it cannot do by then.
    """
    params, headers = {**asked, "heatmap": heatmap}, _prefer(within)
    name, content = given(image)
    data = content_bytes(content)
    body = raw(data) if name is None else form_of_bytes([(name, data)])
    path = at("/v1/banks/{}/inspect", bank)
    silence = QUICK + 10 if within is None else within + GRACE
    return Call("POST", path, parsed(Inspection), params, headers, body, silence=silence, within=within)


def inspect_batch(
    bank: str,
    images: GivenImages,
    *,
    within: float | None = None,
    **asked: Unpack[Asked],
) -> Call[Batch]:
    """Inspect up to 256 images, each as ``inspect`` takes it; each has its inspection or its problem, in this order."""
    files = [(name, content_bytes(content)) for name, content in each_given(images)]
    if not files:
        raise BadArgument(requirement="a batch needs an image", received="none", remedy="Give at least one.")
    path, params = at("/v1/banks/{}/inspect/batch", bank), dict(asked)
    body, headers = form_of_bytes(files), _prefer(within)
    silence = 10 * QUICK if within is None else within + GRACE
    return Call("POST", path, parsed(Batch), params, headers, body, silence=silence, within=within)


def list_inspections(**which: Unpack[Which]) -> Pages[Inspection]:
    """The ledger, newest first."""
    return pages_of(Inspection, "/v1/inspections", "before", _said(which))


def get_inspection(inspection: str) -> Call[Inspection]:
    """One inspection."""
    return get(Inspection, "/v1/inspections/{}", inspection)


def get_inspected_image(inspection: str) -> Call[bytes]:
    """The image as it was received, if it was kept."""
    return get(bytes, "/v1/inspections/{}/image", inspection)


def get_heatmap(inspection: str, form: Literal["png", "raw"] = "png") -> Call[bytes]:
    """The map of an inspection whose image was kept: coloured, or NPY for ``map_array``."""
    return get(bytes, "/v1/inspections/{}/heatmap", inspection, form=form)


def get_overlay(inspection: str) -> Call[bytes]:
    """The map over the image, a PNG."""
    return get(bytes, "/v1/inspections/{}/overlay", inspection)


def export_inspections(
    path: FilePath, *, form: Literal["csv", "jsonl"] = "csv", **which: Unpack[Which]
) -> Call[Path]:
    """Save every inspection of a filter as a file, newest first."""
    params = {**_said(which), "format": form}
    return Call("GET", "/v1/inspections/export", never, params, sink=partial(saved, path))


def write_inspections(
    file: BinaryIO, *, form: Literal["csv", "jsonl"] = "csv", **which: Unpack[Which]
) -> Call[int]:
    """The same into an open file, such as standard output; returns the bytes written. Never retried."""
    params = {**_said(which), "format": form}
    path = "/v1/inspections/export"
    return Call("GET", path, never, params, sink=lambda headers: written(file), repeatable=False)


def list_reviews(inspection: str) -> Call[list[Review]]:
    """What people found, oldest first."""
    whole = parsed(ReviewList)
    return Call("GET", at("/v1/inspections/{}/reviews", inspection), lambda response: whole(response).items)


def review(
    inspection: str,
    verdict: Finding,
    note: str = "",
    *,
    kind: str | None = None,
    revision: int | None = None,
) -> Call[Review]:
    """Record what a person found, or ``withdrawn`` to take it back.

    kind: of the defect, in your words. ``revision`` is that of the latest review they saw, 0 for none; refused if
    stale.
    """
    said = {"verdict": verdict, "note": note} | ({} if kind is None else {"kind": kind})
    body, headers = as_json(said), if_match(revision)
    return post(Review, "/v1/inspections/{}/reviews", inspection, headers=headers, body=body)


def add_false_alarm(inspection: str) -> Call[Taught]:
    """Add the image of an inspection reviewed as a false alarm to its bank's nominal set, for the next build."""
    return post(Taught, "/v1/inspections/{}/teach", inspection, repeatable=True)


def get_calibration(bank: str, version: int, *, bins: int = 40, hardest: int = 12) -> Call[Calibration]:
    """A version's nominal scores, what they promise, and the nominal images that look least nominal."""
    path = "/v1/banks/{}/versions/{}/calibration"
    return get(Calibration, path, bank, version, bins=bins, hardest=hardest)


def get_fits(bank: str, version: int, *, limit: int = 50) -> Call[Fits]:
    """What a version's parts are brought onto, and the nominal images that fit it least; not without registration."""
    return get(Fits, "/v1/banks/{}/versions/{}/fits", bank, version, limit=limit)


def explore_thresholds(bank: str, **tried: Unpack[Tried]) -> Call[Exploration]:
    """What thresholds or rates would do before they are saved; by default the bank's own."""
    return get(Exploration, "/v1/banks/{}/exploration", bank, **tried)


def price_thresholds(
    bank: str, *, missed_defect: float, false_reject: float, defect_rate: float, version: int | None = None
) -> Call[Economics]:
    """The reject threshold at which missed defects and false rejects together cost least, beside the present one."""
    costs = {"missed_defect": missed_defect, "false_reject": false_reject, "defect_rate": defect_rate}
    return get(Economics, "/v1/banks/{}/economics", bank, version=version, **costs)


def compare_versions(
    bank: str, a: int, b: int, *, limit: int = 100, progress: Callable[[Compared], None] = lambda pair: None
) -> Call[list[Compared]]:
    """Score kept images with two versions, reviewed ones first; ``progress`` receives each as it is done."""
    path, body = at("/v1/banks/{}/compare", bank), as_json({"a": a, "b": b, "limit": limit})
    return Call("POST", path, never, body=body, sink=partial(_compared, progress), silence=SLOW)


def list_review_queue(**which: Unpack[Which]) -> Pages[Inspection]:
    """Inspections without a verdict: rejected ones first, then those to review, then accepted ones."""
    return pages_of(Inspection, "/v1/reviews/queue", "after", _said(which))


def get_agreement(**which: Unpack[Which]) -> Call[Agreement]:
    """How people judged the decisions of a filter, and how many still wait."""
    return get(Agreement, "/v1/reviews/agreement", **_said(which))


def get_trend(
    bank: str, *, since: datetime | None = None, until: datetime | None = None, station: str | None = None
) -> Call[Trend]:
    """A bank's decisions, accepted scores and reviews by hour: the last 24 hours, or up to 31 days, with their zone."""
    which: Which = {}
    if since is not None:
        which["since"] = since
    if until is not None:
        which["until"] = until
    return get(Trend, "/v1/banks/{}/trend", bank, station=station, **_said(which))


def picture_bytes(picture: InlinePicture) -> bytes:
    """The file in an inspection's inline heatmap: a PNG, or NPY for ``map_array``."""
    return base64.b64decode(picture.data)


def map_array(npy: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """A raw map, height x width of float32 in score units, at the image's size. Raises BadArgument without numpy."""
    try:
        import numpy
    except ImportError as error:
        raise BadArgument(
            requirement="a map as an array needs numpy",
            received="an installation without it",
            remedy="Run pip install numpy; map_array is the only part of the client that needs it.",
        ) from error
    array: np.ndarray[tuple[int, int], np.dtype[np.float32]]
    array = numpy.load(io.BytesIO(npy), allow_pickle=False)
    return array


def _said(which: Which) -> dict[str, object]:
    """A filter as parameters."""
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in which.items() if v is not None}


def _prefer(within: float | None) -> dict[str, str | None]:
    return {"Prefer": None if within is None else f"respond-within={max(1, round(within * 1000))}ms"}


def _compared(progress: Callable[[Compared], None], headers: httpx.Headers) -> Sink[list[Compared]]:
    """The compared inspections of a stream of JSON lines.

    Raises UnexpectedAnswer where the stream ends before all were compared, as when the server shuts down.
    """
    found: list[Compared] = []
    pending = b""
    while chunk := (yield):
        *whole, pending = (pending + chunk).split(b"\n")
        if len(pending) > LONGEST:
            raise _foreign(received="a line without end")
        for line in whole:
            try:
                found.append(Compared.model_validate_json(line))
            except ValidationError as error:
                raise _foreign(received="a line that is none") from error
            progress(found[-1])
    if pending or (found and found[-1].done < found[-1].total):
        raise _foreign(received="one that broke off")
    return found
