"""What a caller prefers of an inspection's answer: how long to wait (Prefer), and in which form (Accept).

JSON, with the map inline or not; or the map itself, the rest in headers.
"""

from __future__ import annotations

import base64
import re
import time
from typing import Any

from fastapi import Response

from app.errors import FieldInvalid, NotAcceptable
from app.http.schemas import Page
from app.http.schemas import inspections as schema
from app.imaging.pictures import NPY, PNG, Kind, Picture
from app.inspection.inspect import Answer
from app.inspection.ledger import document
from app.store.page import Page as Rows
from app.store.schema import Inspection

WAIT = re.compile(
    r"(?:^|[,;\s])(wait|respond-within)\s*=\s*\"?([0-9]+(?:\.[0-9]+)?)(ms|s)?\"?(?=$|[,;\s])", re.I
)
ASKS = re.compile(r"(?:^|[,;\s])(wait|respond-within)\s*(=|$|[,;])", re.I)


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


def deadline(prefer: str | None, most_seconds: float) -> float:
    """When the answer must be there by ``Prefer: wait=2`` (RFC 7240) or ``respond-within=150ms``, monotonic seconds.

    ``most_seconds`` from now at the latest. Raises FieldInvalid.
    """
    now = time.monotonic()
    found = WAIT.search(prefer or "")
    if found is None:
        if ASKS.search(prefer or ""):
            raise _unreadable(prefer or "")
        return now + most_seconds
    seconds = float(found[2]) / (1000 if (found[3] or "").lower() == "ms" else 1)
    return now + min(seconds, most_seconds)


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
