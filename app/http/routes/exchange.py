"""An inspection's request and answer: its images, how long to wait (Prefer), in which form to answer (Accept).

The images of a body, raw or in a form, are read into memory within the gate's bounds. The answer is JSON, with the map
inline or not; or the map itself, the rest in headers.
"""

from __future__ import annotations

import base64
import re
import time
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request, Response

from app.errors import FieldInvalid, ImageTooLarge, MediaTypeUnsupported, NotAcceptable
from app.http.multipart import MultipartReader, Part, Shape, is_form
from app.imaging.decode import ImageLimits
from app.imaging.header import shown_name
from app.imaging.pictures import NPY, PNG, Kind, Picture
from app.inspection.gate import Pass
from app.inspection.inspecting import Answer
from app.inspection.ledger import document
from app.inspection.waiting import Deadline
from app.store.page import Page as Rows
from app.store.schema import Inspection
from nominal_client.answers import Page
from nominal_client.answers import inspections as schema

RAW = ("image/", "application/octet-stream")
SAID = frozenset({"serial", "station"})  # in the fields of a form
ONE = Shape(1, SAID, "Send each image by itself, or all to /inspect/batch.")
MANY = Shape(256, SAID, "Send them in several requests; nothing of this one was inspected.")
WAIT = re.compile(
    r"(?:^|[,;\s])(wait|respond-within)\s*=\s*\"?([0-9]+(?:\.[0-9]+)?)(ms|s)?\"?(?=$|[,;\s])", re.I
)
ASKS = re.compile(r"(?:^|[,;\s])(wait|respond-within)\s*(=|$|[,;])", re.I)


@dataclass
class Held:
    """A file in memory, counted by the gate."""

    share: Pass
    limits: ImageLimits
    data: bytearray = field(default_factory=bytearray)
    error: ImageTooLarge | None = None

    def write(self, chunk: bytes) -> None:
        """Raises QueueFull; of an image that is too large the rest is dropped."""
        if self.error is not None:
            return
        try:
            self.limits.check_bytes(len(self.data) + len(chunk) or 1)
        except ImageTooLarge as error:
            self.error = error
            self.data.clear()
            return
        self.share.grow(len(chunk))
        self.data += chunk


@dataclass(frozen=True)
class Sent:
    """What a form held: images by the names shown, and the fields by their names."""

    images: list[tuple[str | None, Held]]
    fields: dict[str, str]


async def read_one(
    request: Request, share: Pass, limits: ImageLimits
) -> tuple[str | None, bytes, dict[str, str]]:
    """(name, bytes, fields) of the one image.

    Raises MediaTypeUnsupported, MultipartInvalid, FieldInvalid, TooManyFiles, ImageTooLarge, QueueFull.
    """
    if is_form(_type(request)):
        sent = await read_form(request, share, limits, ONE)
        name, held = sent.images[0]
    else:
        name, held, sent = None, await _read_raw(request, share, limits), Sent([], {})
    if held.error is not None:
        raise held.error
    return name, bytes(held.data), sent.fields


async def read_form(request: Request, share: Pass, limits: ImageLimits, shape: Shape = MANY) -> Sent:
    """Every file of a form in memory, one at least.

    Raises MediaTypeUnsupported, MultipartInvalid, FieldInvalid, TooManyFiles, QueueFull.
    """
    if not is_form(_type(request)):
        raise _unsupported(request, "multipart/form-data")
    sent = Sent([], {})
    reader: MultipartReader[Held] = MultipartReader(
        _type(request),
        lambda name: Held(share, limits),
        lambda part: _sort(part, sent),
        shape,
    )
    async for chunk in request.stream():
        reader.feed(chunk)
    reader.close()
    if not sent.images:
        raise _no_file()
    return sent


def _type(request: Request) -> str:
    return request.headers.get("content-type", "")


async def _read_raw(request: Request, share: Pass, limits: ImageLimits) -> Held:
    media_type = _type(request).strip().lower()
    if media_type and not media_type.startswith(RAW):
        raise _unsupported(request, "an image type, application/octet-stream or multipart/form-data")
    held = Held(share, limits)
    async for chunk in request.stream():
        held.write(chunk)
    return held


def _sort(part: Part[Held], sent: Sent) -> None:
    if part.sink is not None:
        sent.images.append((shown_name(part.filename, f"image-{len(sent.images) + 1}"), part.sink))
    else:
        sent.fields[part.name] = part.value


def _no_file() -> FieldInvalid:
    return FieldInvalid(
        "a form must hold an image as a file", "none", "Send it as 'curl -F image=@part.png' does."
    )


def _unsupported(request: Request, known: str) -> MediaTypeUnsupported:
    return MediaTypeUnsupported(
        requirement=f"the Content-Type must be {known}",
        received=ascii(request.headers.get("content-type", "none")[:80]),
        remedy="Name the image's type: curl -H 'Content-Type: image/png' --data-binary @part.png.",
    )


def picture_asked(heatmap: str, accept: str | None) -> tuple[Kind | None, bool]:
    """(the map asked for, whether it is the whole answer). Raises NotAcceptable for forms it has not."""
    named = [part.partition(";")[0].strip().lower() for part in (accept or "*/*").split(",")]
    if any(form in ("*/*", "application/*", "application/json") for form in named):
        return (None, False) if heatmap == "none" else (heatmap, False)  # type: ignore[return-value]  # by the schema
    if heatmap != "raw" and (PNG in named or "image/*" in named):
        return ("png" if heatmap == "png" else "overlay"), True
    if heatmap in ("none", "raw") and NPY in named:
        return "raw", True
    raise NotAcceptable(
        requirement="the Accept header must allow application/json, image/png or application/x-npy",
        received=ascii((accept or "")[:80]),
        remedy="Accept application/json, or the form that the heatmap asked for has.",
    )


def as_page(page: Rows[Inspection]) -> Page[schema.Inspection]:
    """A page of the ledger as it is answered."""
    return Page(items=[schema.Inspection.model_validate(document(row)) for row in page.items], next=page.next)


def as_picture(answer: Answer, prefer: str | None) -> Response:
    """The picture as the body; the rest of the answer lies where Location says."""
    row, picture = answer.row, answer.picture
    assert picture is not None
    headers = {
        "Location": f"/v1/inspections/{row.id}",
        "Nominal-Decision": row.decision,
        "Nominal-Score": repr(row.score),
        "Nominal-Review-Threshold": repr(row.review_threshold),
        "Nominal-Reject-Threshold": repr(row.reject_threshold),
        "Nominal-Map-Threshold": repr(answer.map_threshold),
        "Nominal-Version": str(row.version),
        **applied(prefer),
    }
    return Response(picture.data, media_type=picture.media_type, headers=headers)


def inline(picture: Picture, threshold: float) -> dict[str, Any]:
    data = base64.b64encode(picture.data).decode("ascii")
    return {"kind": picture.kind, "media_type": picture.media_type, "threshold": threshold, "data": data}


def deadline(prefer: str | None, most_seconds: float, begun: float | None = None) -> Deadline:
    """When the answer must be there by ``Prefer: wait=2`` (RFC 7240) or ``respond-within=150ms``.

    ``most_seconds`` at the latest from ``begun``, monotonic seconds, or from now. Raises FieldInvalid.
    """
    now = time.monotonic() if begun is None else begun
    found = WAIT.search(prefer or "")
    if found is None:
        if ASKS.search(prefer or ""):
            raise _unreadable(prefer or "")
        return Deadline(now + most_seconds)
    seconds = float(found[2]) / (1000 if (found[3] or "").lower() == "ms" else 1)
    return Deadline(now + min(seconds, most_seconds))


def applied(prefer: str | None) -> dict[str, str]:
    """The header that says the preference counted."""
    found = WAIT.search(prefer or "")
    return {"Preference-Applied": f"{found[1].lower()}={found[2]}{found[3] or ''}"} if found else {}


def _unreadable(prefer: str) -> FieldInvalid:
    return FieldInvalid(
        requirement="a Prefer header's wait or respond-within must be a number of seconds, or of milliseconds with ms",
        received=ascii(prefer[:80]),
        remedy="Send 'Prefer: respond-within=150ms' or 'Prefer: wait=2'.",
    )
