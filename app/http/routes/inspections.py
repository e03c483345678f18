"""The ledger: /v1/inspections; what waits for a person, and how people agree: /v1/reviews."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, BeforeValidator, Field

from app.errors import PictureUnavailable
from app.http import requests
from app.http.auth import Admin, Inspector, Reader, within
from app.http.requests import Request as Body
from app.http.routes import Cursor, IfMatch, Limit, Running, refuses, revision_of
from app.http.routes.exchange import as_page
from app.http.routes.images import FILE
from app.imaging.pictures import NPY, PNG, Picture
from app.insight import review_queue
from app.inspection import inspections
from app.inspection.ledger import document
from app.store.errors import (
    IllegalValue,
    ImageNotKept,
    NotAFalseAlarm,
    NotFound,
    StaleRevision,
    VersionUnusable,
)
from app.store.inspections import Filter
from nominal_client.answers import Page
from nominal_client.answers import inspections as schema
from nominal_client.answers.insight import Agreement
from nominal_client.formats import media_type_of

router = APIRouter(prefix="/v1/inspections", tags=["inspections"])
InspectionPath = Annotated[str, Path(description="An inspection's id.")]
NUMBER = re.compile(r"[-+]?[0-9.]+(?:e[-+]?[0-9]+)?", re.I)
PICTURE = {
    200: {"content": {PNG: {"schema": FILE}}},
    **refuses(NotFound, PictureUnavailable, VersionUnusable),
}
reviews = APIRouter(prefix="/v1/reviews", tags=["reviews"])


def _no_number(value: object) -> object:
    """A bare number is a year to people and seconds since 1970 to pydantic."""
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        raise ValueError("must be a date and time, such as 2026-11-30T08:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    """A moment that UTC would put before year 1 or after 9999 becomes that end; no inspection is beyond it."""
    try:
        return value if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        return (datetime.min if value.year == 1 else datetime.max).replace(tzinfo=UTC)


Moment = Annotated[datetime, BeforeValidator(_no_number), AfterValidator(_in_utc)]


class Which(Body):
    """Which inspections; what is left out does not matter."""

    bank: str | None = None
    decision: schema.Decision | None = None
    serial: str | None = Field(None, max_length=128)
    station: str | None = Field(None, max_length=128)
    verdict: schema.Verdict | None = Field(None, description="The latest review's.")
    kind: str | None = Field(None, max_length=64, description="Of the defect, by the latest review.")
    reviewed: bool | None = None
    since: Moment | None = Field(None, description="From then on; with its zone.")
    until: Moment | None = Field(None, description="Before then; with its zone.")

    def filter(self) -> Filter:
        """For the store."""
        return Filter(**{name: getattr(self, name) for name in Which.model_fields})


class Listed(Which):
    """A page of them."""

    limit: Limit = 100
    before: Cursor = None


class Exported(Which):
    """All of them as a file."""

    format: Literal["csv", "jsonl"] = "csv"


@router.get("", response_model=Page[schema.Inspection], responses=refuses(IllegalValue))
def list_inspections(
    service: Running, actor: Reader, which: Annotated[Listed, Query()]
) -> Page[schema.Inspection]:
    """The ledger, newest first."""
    found = service.store.inspections.page(
        within(actor, which.filter()), before=which.before, limit=which.limit
    )
    return as_page(found)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/csv": {"schema": FILE}, "application/jsonl": {"schema": FILE}}},
        **refuses(IllegalValue),
    },
)
def export_inspections(
    service: Running, actor: Reader, which: Annotated[Exported, Query()]
) -> StreamingResponse:
    """Every inspection of a filter as CSV or JSON Lines, newest first."""
    media_type = "text/csv; charset=utf-8" if which.format == "csv" else "application/jsonl"
    headers = {"Content-Disposition": f'attachment; filename="inspections.{which.format}"'}
    chosen = within(actor, which.filter())
    service.store.inspections.page(chosen, limit=1)  # refuses here what a begun answer could not
    service.trail.note(
        actor.id, "inspections.export", "inspections" if which.bank is None else f"bank:{which.bank}"
    )
    pieces = inspections.export(service.inspecting, chosen, which.format)
    return StreamingResponse(pieces, media_type=media_type, headers=headers)


@router.get("/{inspection}", responses=refuses(NotFound))
def get_inspection(service: Running, actor: Reader, inspection: InspectionPath) -> schema.Inspection:
    """One inspection."""
    return schema.Inspection.model_validate(document(service.store.inspections.get(inspection)))


@router.get("/{inspection}/heatmap", response_class=Response, responses={
    **PICTURE, 200: {"content": {PNG: {"schema": FILE}, NPY: {"schema": FILE}}}})  # fmt: skip
async def get_inspection_heatmap(
    service: Running,
    actor: Reader,
    inspection: InspectionPath,
    form: Annotated[
        Literal["png", "raw"], Query(description="Coloured, or float32 in score units (NPY).")
    ] = "png",
) -> Response:
    """The map of an inspection whose image was kept, computed again by the version that made it."""
    return drawn(*await inspections.picture(service.inspecting, inspection, form))


@router.get("/{inspection}/overlay", response_class=Response, responses=PICTURE)
async def get_inspection_overlay(service: Running, actor: Reader, inspection: InspectionPath) -> Response:
    """The map over the image, with boxes around the regions."""
    return drawn(*await inspections.picture(service.inspecting, inspection, "overlay"))


@router.get(
    "/{inspection}/image",
    response_class=Response,
    responses={200: {"content": {"image/*": {"schema": FILE}}}, **refuses(NotFound, PictureUnavailable)},
)
def get_inspection_image(service: Running, actor: Reader, inspection: InspectionPath) -> Response:
    """The image as it was received, where it was kept."""
    data = inspections.read_image(service.inspecting, service.store.inspections.get(inspection))
    return Response(data, media_type=media_type_of(data))


@router.get("/{inspection}/reviews", responses=refuses(NotFound))
def list_reviews(service: Running, actor: Reader, inspection: InspectionPath) -> schema.ReviewList:
    """What people found, oldest first."""
    return schema.ReviewList(
        items=[schema.Review.model_validate(row) for row in service.store.reviews.all(inspection)]
    )


@router.post(
    "/{inspection}/reviews", status_code=201, responses=refuses(NotFound, StaleRevision, IllegalValue)
)
def review_inspection(
    service: Running,
    actor: Inspector,
    inspection: InspectionPath,
    body: requests.ReviewRequest,
    response: Response,
    if_match: IfMatch = None,
) -> schema.Review:
    """Say what a person found; the latest review counts. If-Match names the latest revision seen, "0" for none."""
    row = service.store.reviews.add(
        inspection,
        body.verdict,
        note=body.note,
        kind=body.kind,
        if_match=revision_of(if_match),
        actor=actor.id,
    )
    response.headers["ETag"] = f'"{row.revision}"'
    return schema.Review.model_validate(row)


@router.post("/{inspection}/teach", responses=refuses(NotFound, NotAFalseAlarm, ImageNotKept))
def teach_inspection(service: Running, actor: Admin, inspection: InspectionPath) -> schema.Taught:
    """Add a false alarm's image to its bank's nominal set, for the next build."""
    status = service.store.images.add_false_alarm(inspection, actor=actor.id)
    bank = service.store.inspections.get(inspection).bank
    return schema.Taught(status=status, nominal_images=service.store.images.totals(bank)[0])


def drawn(picture: Picture, threshold: float) -> Response:
    """A map as the answer, with the threshold of the map as a header."""
    headers = {"Nominal-Map-Threshold": repr(threshold)}
    return Response(picture.data, media_type=picture.media_type, headers=headers)


class Waiting(Which):
    """A page of the queue."""

    limit: Limit = 100
    after: Cursor = None


@reviews.get("/queue", response_model=Page[schema.Inspection], responses=refuses(IllegalValue))
def list_review_queue(
    service: Running, actor: Reader, which: Annotated[Waiting, Query()]
) -> Page[schema.Inspection]:
    """Inspections without a verdict: rejected ones first, then those to review, then accepted; each newest first."""
    return as_page(
        review_queue.page(service.inspecting, within(actor, which.filter()), which.after, which.limit)
    )


@reviews.get("/agreement", responses=refuses(IllegalValue))
def get_agreement(service: Running, actor: Reader, which: Annotated[Which, Query()]) -> Agreement:
    """How people judged the decisions of a filter, and how many still wait."""
    return Agreement.model_validate(review_queue.agreement(service.inspecting, within(actor, which.filter())))
