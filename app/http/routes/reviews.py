"""What waits for a person, and how people agree: /v1/reviews."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from app.http.auth import Reader
from app.http.routes.answers import as_page
from app.http.routes.common import Cursor, Limit, Running, refuses
from app.http.routes.inspections import Which
from app.http.schemas import inspections as schema
from app.http.schemas.common import Page
from app.http.schemas.insight import Agreement
from app.insight import review_queue
from app.store.errors import IllegalValue

router = APIRouter(prefix="/v1/reviews", tags=["reviews"])


class Waiting(Which):
    """A page of the queue."""

    limit: Limit = 100
    after: Cursor = None


@router.get("/queue", response_model=Page[schema.Inspection], responses=refuses(IllegalValue))
def list_review_queue(
    service: Running, actor: Reader, which: Annotated[Waiting, Query()]
) -> Page[schema.Inspection]:
    """Inspections without a verdict: rejected ones first, then those to review, then accepted; each newest first."""
    return as_page(review_queue.page(service.inspecting, which.filter(), which.after, which.limit))


@router.get("/agreement", responses=refuses(IllegalValue))
def get_agreement(service: Running, actor: Reader, which: Annotated[Which, Query()]) -> Agreement:
    """How people judged the decisions of a filter, and how many still wait."""
    return Agreement.model_validate(review_queue.agreement(service.inspecting, which.filter()))
